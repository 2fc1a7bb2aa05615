"""Which words carried a tag, by occlusion: the text is read again without each of them.

Shapes: W words, K tags.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+(?:[-'’.+#/]\w+)*[+#]*")
_NEAREST_TO_SURE = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds of float32 numbers end."""


@dataclass(frozen=True, slots=True)
class Part:
    """A word, or neighbouring words, of one feature."""

    feature: str
    start: int
    end: int
    text: str


def parts_of(fields: Mapping[str, str], most: int) -> list[Part]:
    """The words of all fields, in order; where there are more than `most`, as few to a group as make that many.

    >>> [(p.text, p.start, p.end) for p in parts_of({"title": "C++ and  SQL-like"}, most=9)]
    [('C++', 0, 3), ('and', 4, 7), ('SQL-like', 9, 17)]
    >>> [p.text for p in parts_of({"title": "a b c", "description": "d e"}, most=3)]
    ['a b', 'c', 'd e']
    """
    words = {name: [match.span() for match in _WORD.finditer(text)] for name, text in fields.items()}
    size = 1
    while sum(-(-len(spans) // size) for spans in words.values()) > most and size < max(map(len, words.values())):
        size += 1
    parts = []
    for name, spans in words.items():
        for first in range(0, len(spans), size):
            start, end = spans[first][0], spans[min(first + size, len(spans)) - 1][1]
            parts.append(Part(name, start, end, fields[name][start:end]))
    return parts


def without(fields: Mapping[str, str], part: Part) -> dict[str, str]:
    """The fields with one part left out.

    >>> without({"title": "a tiny engine"}, Part("title", 2, 6, "tiny"))
    {'title': 'a  engine'}
    """
    text = fields[part.feature]
    return {**fields, part.feature: text[: part.start] + text[part.end :]}


def questions(fields: Mapping[str, str], parts: Sequence[Part]) -> list[dict[str, str]]:
    """The W + 1 texts to compute: the whole one, then one without each part."""
    return [dict(fields), *(without(fields, part) for part in parts)]


def weights(probs_WK: NDArray[np.float64], columns: Sequence[int]) -> NDArray[np.float64]:
    """By how much log-odds fall without each part, (W, tags asked for), from the answers to `questions`.

    >>> weights(np.array([[0.5, 0.9], [0.25, 0.9]]), [0]).round(3).tolist()
    [[1.099]]
    """
    probs = np.clip(probs_WK[:, list(columns)], _NEAREST_TO_SURE, 1 - _NEAREST_TO_SURE)
    log_odds = np.log(probs) - np.log1p(-probs)
    fall: NDArray[np.float64] = log_odds[0] - log_odds[1:]
    return fall
