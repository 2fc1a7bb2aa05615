"""Which records train, validate and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require


def _check_fraction(key: str, value: float) -> None:
    require(0 < value < 0.9, key, "a share of the records, above 0 and below 0.9", value)


@dataclass(frozen=True)
class _SplitBase:
    file: str | None
    """A file of ids, or `madewithml` or `goemotions` for the published ones; null: the split is drawn."""
    key: str | None
    """Which of the splits in the file, where it holds several."""
    val_fraction: float
    """Share of the records that validates."""
    duplicate_similarity: float | None
    """Records whose texts are at least this alike (Jaccard similarity of word 3-grams, 0 to 1) stay on one side;
    null: only identical texts do."""

    def __post_init__(self) -> None:
        _check_fraction("split.val_fraction", self.val_fraction)
        s = self.duplicate_similarity
        require(s is None or 0 < s <= 1, "split.duplicate_similarity", "null or a number in (0, 1]", s)
        require(self.key is None or self.file is not None, "split.key", "null where split.file is null", self.key)


@dataclass(frozen=True)
class _ThreeSidesBase(_SplitBase):
    test_fraction: float
    """Share of the records that tests."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_fraction("split.test_fraction", self.test_fraction)
        total = self.val_fraction + self.test_fraction
        require(total < 1, "split.val_fraction + split.test_fraction", "less than 1", total)


@dataclass(frozen=True)
class IterativeSplitConfig(_ThreeSidesBase):
    """Train, validation and test by iterative stratification (Sechidis et al., ECML PKDD 2011)."""

    name: Literal["iterative"]


@dataclass(frozen=True)
class DateSplitConfig(_ThreeSidesBase):
    """The newest records test, the ones before them validate, the oldest train."""

    name: Literal["date"]


@dataclass(frozen=True)
class KFoldSplitConfig(_SplitBase):
    """One of k stratified folds tests; validation is drawn from the others.

    With a `file`, the folds are cut of its train and validation records, and its test records are on no side.
    """

    name: Literal["kfold"]
    folds: int
    """How many folds."""
    fold: int
    """Which fold tests, from 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.folds >= 2, "split.folds", "at least 2", self.folds)
        require(0 <= self.fold < self.folds, "split.fold", f"0 to {self.folds - 1}", self.fold)


SplitConfig = IterativeSplitConfig | DateSplitConfig | KFoldSplitConfig
