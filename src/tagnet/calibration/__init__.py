"""Logits to probabilities, probabilities to thresholds, and the rule that joins both."""
