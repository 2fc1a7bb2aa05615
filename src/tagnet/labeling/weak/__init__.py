"""Weak supervision: labeling functions that vote, what is known about them, and how their votes become targets."""
