"""Rules: a text bears a tag when it names the tag, one of its aliases, or a tag below it. N records, K tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagnet.records.plain_words import plain_words
from tagnet.records.tag_names import names_of_tags
from tagnet.records.taxonomy import Taxonomy


class RulesBaseline:
    """Learns nothing: looks for the names that the taxonomy gives, and adds the tags above those it finds.

    The method is the MadeWithML course's but for two things. Names are whole words (with or without a plural s), so
    that "rl" is not found in "world". And the names of tags that are too rare for the label space count as well, for
    the tags above them. With `inside_words` it is the course's, and its published scores come out.
    """

    name = "rules"
    decides = True

    def __init__(self, inside_words: bool = False) -> None:
        self._inside_words = inside_words

    def fit(
        self,
        texts: Sequence[str],
        y_NK: NDArray[np.uint8],
        tags: Sequence[str],
        taxonomy: Taxonomy | None,
        seed: int,
    ) -> None:
        """Gather the names of each tag, and the tags that come with it; texts and y_NK are not looked at."""
        self._num_tags = len(tags)
        self._rules: list[tuple[tuple[str, ...], list[int]]] = []
        for names, columns in names_of_tags(tags, taxonomy, below=not self._inside_words):
            # A name of punctuation alone is no word, and would be found everywhere.
            patterns = tuple(dict.fromkeys(p for n in names if plain_words(n) for p in self._patterns(plain_words(n))))
            self._rules.append((patterns, list(columns)))

    def _patterns(self, name: str) -> tuple[str, ...]:
        return (name,) if self._inside_words else (f" {name} ", f" {name}s ")

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """1 where a rule says yes, −1 where none does: (N, K); the decision lies at 0, whatever the frequencies."""
        scores_NK = np.full((len(texts), self._num_tags), -1.0)
        for row, text in enumerate(texts):
            words = f" {plain_words(text)} "
            for patterns, columns in self._rules:
                if any(pattern in words for pattern in patterns):
                    scores_NK[row, columns] = 1.0
        return scores_NK
