"""Tables with a schema: reading, detecting, writing, and the people in them."""
