"""Labelled records with a model's predictions: what slices are cut from. N records, K tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tagnet.records.record import RecordId

Floats = NDArray[np.float64]
_NEAR = 1e-6


@dataclass(frozen=True, eq=False)
class Judged:
    """N records, what is true of them, and what a model said."""

    tags: tuple[str, ...]
    ids: tuple[RecordId, ...]
    texts: tuple[str, ...]
    fields: tuple[Mapping[str, str], ...]
    """Every text column of a record."""
    dates: tuple[datetime | None, ...]
    y_NK: NDArray[np.uint8]
    probs_NK: Floats
    """Calibrated."""
    accepted_NK: NDArray[np.bool_]
    known_NK: NDArray[np.bool_] | None = None
    """Which cells of y_NK are known; None: all."""

    def __post_init__(self) -> None:
        shape = (len(self.ids), len(self.tags))
        for name in ("y_NK", "probs_NK", "accepted_NK", "known_NK"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name}: expected {shape} (records, tags), found {array.shape}")
        for name in ("texts", "fields", "dates"):
            if len(getattr(self, name)) != shape[0]:
                raise ValueError(f"{name}: expected {shape[0]} (records), found {len(getattr(self, name))}")

    @cached_property
    def log_loss_N(self) -> Floats:
        """−log of the probability that the model gave to what is true, summed over a record's known cells: (N,)."""
        return self._over_known(self._losses_NK[0])

    @cached_property
    def expected_loss_N(self) -> Floats:
        """The log loss that the model expects, its entropy: what it would have if its probabilities held. (N,)."""
        return self._over_known(self._losses_NK[1])

    @cached_property
    def surprise_N(self) -> Floats:
        """How much worse a record went than the model expects, 0 on average of a calibrated one: (N,).

        A record that is hard, of which the model knows that it is, does not count against its slice; wrong labels and
        records of a kind that training did not show do.
        """
        return self.log_loss_N - self.expected_loss_N

    def surprise_without(self, columns: Sequence[int]) -> Floats:
        """The surprise of all cells but those of some tags: (N,)."""
        if not columns:
            return self.surprise_N
        loss_NK, expected_NK = self._losses_NK
        kept_NK = (loss_NK - expected_NK).copy()
        kept_NK[:, list(columns)] = 0.0
        return self._over_known(kept_NK)

    @cached_property
    def _losses_NK(self) -> tuple[Floats, Floats]:
        """Log loss of each cell, and the one that the model expects."""
        p_NK = np.clip(self.probs_NK, _NEAR, 1 - _NEAR)
        loss_NK = -np.where(self.y_NK > 0, np.log(p_NK), np.log1p(-p_NK))
        return loss_NK, -(p_NK * np.log(p_NK) + (1 - p_NK) * np.log1p(-p_NK))

    @cached_property
    def f1_parts_N(self) -> tuple[Floats, Floats]:
        """Of each record's known cells: tags that were given rightly; and those given and those borne together."""
        known_NK = np.ones(self.y_NK.shape, dtype=bool) if self.known_NK is None else self.known_NK
        said_NK, true_NK = self.accepted_NK & known_NK, (self.y_NK > 0) & known_NK
        total_N = said_NK.sum(1) + true_NK.sum(1)
        return (said_NK & true_NK).sum(1).astype(np.float64), total_N.astype(np.float64)

    def take(self, index: NDArray[np.integer] | Sequence[int]) -> Judged:
        """Some of the records, in this order."""
        chosen = [int(i) for i in index]
        return Judged(
            self.tags,
            tuple(self.ids[i] for i in chosen),
            tuple(self.texts[i] for i in chosen),
            tuple(self.fields[i] for i in chosen),
            tuple(self.dates[i] for i in chosen),
            self.y_NK[chosen],
            self.probs_NK[chosen],
            self.accepted_NK[chosen],
            None if self.known_NK is None else self.known_NK[chosen],
        )

    def _over_known(self, cells_NK: Floats) -> Floats:
        if self.known_NK is None:
            return np.asarray(cells_NK.sum(1), dtype=np.float64)
        return np.asarray(np.where(self.known_NK, cells_NK, 0.0).sum(1), dtype=np.float64)
