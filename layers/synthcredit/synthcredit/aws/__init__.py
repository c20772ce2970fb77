"""The ports of the platform on AWS."""
