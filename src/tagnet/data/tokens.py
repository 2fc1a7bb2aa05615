"""Texts to token ids, kept ragged: no padding until a batch is made.

Shapes: N texts, S sequences (windows) with S >= N.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tagnet.errors import ConfigError
from tagnet.records.ragged import starts_of, take_rows
from tagnet.records.record import render

_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class TokenizedTexts:
    """Token ids of N texts, one after the other, each cut into one or more sequences."""

    token_ids: NDArray[np.int32]
    """All token ids, special ones included."""
    sequence_starts: NDArray[np.int64]
    """(S + 1,): sequence s is token_ids[sequence_starts[s]:sequence_starts[s + 1]]."""
    text_starts: NDArray[np.int64]
    """(N + 1,): text n is the sequences text_starts[n] to text_starts[n + 1] − 1."""
    over_limit_N: NDArray[np.bool_]
    """(N,): which texts did not fit into one sequence."""
    max_tokens: int
    """The limit of a sequence, special tokens included."""

    def __len__(self) -> int:
        return len(self.text_starts) - 1

    @property
    def num_over_limit(self) -> int:
        """How many texts did not fit into one sequence."""
        return int(self.over_limit_N.sum())

    @property
    def lengths_N(self) -> NDArray[np.int64]:
        """Tokens of the longest sequence of each text, (N,): what a batch is padded to."""
        lengths_S = np.diff(self.sequence_starts)
        if len(lengths_S) == len(self):
            return lengths_S
        return np.maximum.reduceat(lengths_S, self.text_starts[:-1])

    def sequences(self, text: int) -> list[NDArray[np.int32]]:
        """The token ids of each sequence of a text."""
        starts = self.sequence_starts[self.text_starts[text] : self.text_starts[text + 1] + 1]
        return [self.token_ids[first:last] for first, last in pairwise(starts)]

    def take(self, index: NDArray[np.int64]) -> TokenizedTexts:
        """The texts of these indices, in that order."""
        index = np.asarray(index, dtype=np.int64)
        sequence_S, text_starts = take_rows(np.arange(len(self.sequence_starts) - 1), self.text_starts, index)
        token_ids, sequence_starts = take_rows(self.token_ids, self.sequence_starts, sequence_S)
        return TokenizedTexts(token_ids, sequence_starts, text_starts, self.over_limit_N[index], self.max_tokens)


def cut_to_budget(tokenizer: Tokenizer, texts: Sequence[str], budget: int) -> list[str]:
    """The texts, each cut after its `budget`-th token (special tokens not counted).

    The cut is made in the text, not in the ids, so that every export sees the same string. A character that a
    byte-level tokenizer spreads over several tokens stays whole.
    """
    _switch_off(tokenizer)
    cut = []
    for start in range(0, len(texts), _CHUNK):
        part = list(texts[start : start + _CHUNK])
        encodings = tokenizer.encode_batch(part, add_special_tokens=False)
        for text, encoding in zip(part, encodings, strict=True):
            cut.append(text if len(encoding.ids) <= budget else text[: encoding.offsets[budget - 1][1]])
    return cut


def render_texts(
    tokenizer: Tokenizer,
    template: str,
    rows: Sequence[Mapping[str, str]],
    feature_tokens: Mapping[str, int],
) -> list[str]:
    """The text of each row: every feature cut to its budget, then set into the template."""
    if not feature_tokens:
        return [render(template, row) for row in rows]
    fields: list[dict[str, str]] = [dict(row) for row in rows]
    for name, budget in feature_tokens.items():
        for row, value in zip(fields, cut_to_budget(tokenizer, [f.get(name, "") for f in fields], budget), strict=True):
            row[name] = value
    return [render(template, row) for row in fields]


def tokenize(
    tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, window_overlap: int | None = None
) -> TokenizedTexts:
    """Tokenize texts; what is longer than `max_tokens` is cut, or read in windows that share `window_overlap` tokens.

    A text without any token (an empty one, where the tokenizer adds no special ones) is one empty sequence.

    Args:
        tokenizer: left without padding and truncation.
        texts: N texts.
        max_tokens: the limit of a sequence, special tokens included.
        window_overlap: None cuts; a number makes windows.

    Raises:
        ConfigError: no window would get on, for the overlap leaves no room in it.
    """
    room = max_tokens - tokenizer.num_special_tokens_to_add(False)
    if window_overlap is not None and window_overlap >= room:
        raise ConfigError(
            f"data.window_overlap: expected fewer than the {room} tokens of text that fit into a window, "
            f"found {window_overlap}"
        )
    parts: list[NDArray[np.int32]] = []
    lengths_S, windows_N, over_limit_N = array("q"), array("q"), array("b")
    _switch_off(tokenizer)
    tokenizer.enable_truncation(max_tokens, stride=window_overlap or 0)
    try:
        for start in range(0, len(texts), _CHUNK):
            # An array a chunk, not a text: small arrays are mostly overhead.
            ids = array("i")
            for encoding in tokenizer.encode_batch_fast(list(texts[start : start + _CHUNK])):
                more = encoding.overflowing
                over_limit_N.append(bool(more))
                sequences = [encoding, *more] if window_overlap is not None else [encoding]
                windows_N.append(len(sequences))
                for sequence in sequences:
                    found = sequence.ids
                    lengths_S.append(len(found))
                    ids.extend(found)
            parts.append(np.asarray(ids, dtype=np.int32))
    finally:
        tokenizer.no_truncation()
    return TokenizedTexts(
        token_ids=np.concatenate(parts) if parts else np.zeros(0, np.int32),
        sequence_starts=starts_of(np.asarray(lengths_S, dtype=np.int64)),
        text_starts=starts_of(np.asarray(windows_N, dtype=np.int64)),
        over_limit_N=np.asarray(over_limit_N, dtype=np.int8) > 0,
        max_tokens=max_tokens,
    )


def _switch_off(tokenizer: Tokenizer) -> None:
    """No padding and no truncation: many a tokenizer.json brings its own."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
