"""Texts as plain words, in which names of tags are looked for."""

from __future__ import annotations

import re

_BETWEEN_WORDS = re.compile(r"(?:[^\w+#]|_)+")


def plain_words(text: str) -> str:
    """Words in folded case with one blank between them; + and # stay, for C++ and C# are names.

    >>> plain_words("Natural-Language  Processing, in C++!")
    'natural language processing in c++'
    """
    return _BETWEEN_WORDS.sub(" ", text.casefold()).strip()
