"""Slices: parts of the records on which a model is worse than it thinks, named or found."""
