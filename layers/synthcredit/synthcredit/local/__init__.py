"""The ports of the platform on a folder of this machine, and the state machine in one process."""
