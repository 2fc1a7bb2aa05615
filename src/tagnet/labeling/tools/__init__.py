"""Codecs: one file a tool, each from the neutral task to what the tool reads, and from what it writes to replies."""
