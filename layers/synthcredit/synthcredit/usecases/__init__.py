"""What can be asked of the platform, whichever channel it comes by: HTTP, a dropped file, an agent."""
