"""Multi-label losses, one file each."""
