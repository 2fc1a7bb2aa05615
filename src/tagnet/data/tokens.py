"""Texts to token ids, kept ragged: no padding until a batch is made.

Shapes: N texts, S sequences (windows) with S >= N.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

_CHUNK = 4096


@dataclass(frozen=True)
class TokenizedTexts:
    """Token ids of N texts, one after the other, each cut into one or more sequences."""

    token_ids: NDArray[np.int32]
    """All token ids, special ones included."""
    sequence_starts: NDArray[np.int64]
    """(S + 1,): sequence s is token_ids[sequence_starts[s]:sequence_starts[s + 1]]."""
    text_starts: NDArray[np.int64]
    """(N + 1,): text n is the sequences text_starts[n] to text_starts[n + 1] − 1."""
    num_over_limit: int
    """How many texts did not fit into one sequence."""
    max_tokens: int
    """The limit of a sequence, special tokens included."""

    def __len__(self) -> int:
        return len(self.text_starts) - 1

    @property
    def lengths_N(self) -> NDArray[np.int64]:
        """Tokens of the longest sequence of each text, (N,): what a batch is padded to."""
        lengths_S = np.diff(self.sequence_starts)
        if len(lengths_S) == len(self):
            return lengths_S
        return np.maximum.reduceat(lengths_S, self.text_starts[:-1])


    def take(self, index: NDArray[np.int64]) -> TokenizedTexts:
        """The texts of these indices, in that order."""
        sequences = [np.arange(self.text_starts[i], self.text_starts[i + 1]) for i in index]
        order = np.concatenate(sequences) if sequences else np.zeros(0, np.int64)
        parts = [self.token_ids[self.sequence_starts[s] : self.sequence_starts[s + 1]] for s in order]
        return TokenizedTexts(
            token_ids=np.concatenate(parts) if parts else np.zeros(0, np.int32),
            sequence_starts=np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64),
            text_starts=np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64),
            num_over_limit=self.num_over_limit,
            max_tokens=self.max_tokens,
        )


def cut_to_budget(tokenizer: Tokenizer, texts: Sequence[str], budget: int) -> list[str]:
    """The texts, each cut after its `budget`-th token (special tokens not counted).

    The cut is made in the text, not in the ids, so that every export sees the same string.
    """
    tokenizer.no_truncation()
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
    from tagnet.records.record import render

    fields: list[dict[str, str]] = [dict(row) for row in rows]
    for name, budget in feature_tokens.items():
        for row, value in zip(fields, cut_to_budget(tokenizer, [f.get(name, "") for f in fields], budget), strict=True):
            row[name] = value
    return [render(template, row) for row in fields]


def tokenize(
    tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, window_overlap: int | None = None
) -> TokenizedTexts:
    """Tokenize texts; what is longer than `max_tokens` is cut, or read in windows that share `window_overlap` tokens.

    Args:
        tokenizer: its truncation setting is changed.
        texts: N texts.
        max_tokens: the limit of a sequence, special tokens included.
        window_overlap: None cuts; a number makes windows.
    """
    tokenizer.no_padding()
    special = tokenizer.num_special_tokens_to_add(False)
    overlap = min(window_overlap or 0, max(0, max_tokens - special - 1))
    tokenizer.enable_truncation(max_tokens, stride=overlap)
    ids: list[NDArray[np.int32]] = []
    windows_N: list[int] = []
    over = 0
    for start in range(0, len(texts), _CHUNK):
        for encoding in tokenizer.encode_batch(list(texts[start : start + _CHUNK])):
            more = encoding.overflowing
            over += bool(more)
            sequences = [encoding, *more] if window_overlap is not None else [encoding]
            ids.extend(np.asarray(s.ids, dtype=np.int32) for s in sequences)
            windows_N.append(len(sequences))
    tokenizer.no_truncation()
    return TokenizedTexts(
        token_ids=np.concatenate(ids) if ids else np.zeros(0, np.int32),
        sequence_starts=np.concatenate([[0], np.cumsum([len(s) for s in ids])]).astype(np.int64),
        text_starts=np.concatenate([[0], np.cumsum(windows_N)]).astype(np.int64),
        num_over_limit=over,
        max_tokens=max_tokens,
    )
