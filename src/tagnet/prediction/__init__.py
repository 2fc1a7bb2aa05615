"""A bundle at work."""
