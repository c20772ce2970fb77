"""Synthetic credit data that a bank can use, and the proof of it."""

__version__ = "0.1.0"
