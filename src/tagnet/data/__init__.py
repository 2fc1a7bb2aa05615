"""Splits, tokens, batches: from prepared records to what a training step takes."""
