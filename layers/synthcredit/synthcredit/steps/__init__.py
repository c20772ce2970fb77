"""One file a step of the state machine, with the verb of its state."""
