"""The beginning of a long text, and the rest that a page opens on demand."""

from __future__ import annotations

LENGTH = 420
"""Characters that are shown at once."""


def excerpt(text: str) -> str:
    """The text, or as many of its first words as fit.

    >>> len(excerpt("word " * 100)), excerpt("short")
    (419, 'short')
    """
    return text if len(text) <= LENGTH else text[:LENGTH].rsplit(" ", 1)[0]


def rest(text: str) -> str:
    """What `excerpt` leaves out; "" where that is nothing."""
    return text[len(excerpt(text)) :]
