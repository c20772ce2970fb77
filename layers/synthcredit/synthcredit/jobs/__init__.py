"""What is asked of the platform, and where each job stands."""
