"""Sizes in memory and on disk as people read them."""

from __future__ import annotations


def in_words(size: int) -> str:
    """Bytes in powers of 1024.

    >>> in_words(3 * 2**30), in_words(90 * 2**20), in_words(700)
    ('3.0 GiB', '90 MiB', '1 KiB')
    """
    if size >= 2**30:
        return f"{size / 2**30:,.1f} GiB"
    return f"{size / 2**20:,.0f} MiB" if size >= 2**20 else f"{size / 2**10:,.0f} KiB"
