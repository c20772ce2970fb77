"""The ports of the platform on a folder of this machine."""
