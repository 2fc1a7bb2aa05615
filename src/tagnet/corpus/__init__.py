"""The embedded records and tags."""
