"""Encoder, pooling, head."""
