"""Model families behind one protocol, and the files that they are kept in."""
