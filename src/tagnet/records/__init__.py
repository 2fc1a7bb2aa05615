"""Records, taxonomy and label space."""
