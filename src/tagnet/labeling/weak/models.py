"""Labeling functions that ask a model: a bundle, words learned from few labelled records, or a file of scores.

Each votes for a tag from one probability on, against it up to another, and abstains between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tagnet.errors import LabelingError
from tagnet.labeling.weak.functions import Example, LabelingFunction, Votes, version_of
from tagnet.records.json_files import describe, describe_fault, read_text

Floats = NDArray[np.float64]

_FOLDS = 5


@dataclass(frozen=True)
class Bounds:
    """From which probabilities on a model is believed."""

    positive: float
    """A vote for the tag from this probability on."""
    negative: float
    """A vote against it up to this one; below 0: never."""

    def __post_init__(self) -> None:
        if not (self.negative < self.positive <= 1):
            raise LabelingError(
                f"expected negative < positive ≤ 1, found negative {self.negative}, positive {self.positive}"
            )

    def votes(self, tags: Sequence[str], probs_NK: Floats) -> list[Votes]:
        """The votes of N records.

        >>> Bounds(0.7, 0.1).votes(["a", "b", "c"], np.array([[0.9, 0.5, 0.1]]))
        [{'a': 1, 'c': -1}]
        """
        for_NK, against_NK = probs_NK >= self.positive, probs_NK <= self.negative
        return [
            {tags[k]: 1 if for_K[k] else -1 for k in np.flatnonzero(for_K | against_K).tolist()}
            for for_K, against_K in zip(for_NK, against_NK, strict=True)
        ]


def bundle(name: str, folder: Path, bounds: Bounds, device: str = "auto") -> LabelingFunction:
    """The calibrated probabilities of a bundle."""
    from tagnet.prediction.tagger import Tagger

    tagger = Tagger.load(folder, device)
    digest = hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()

    def vote(examples: Sequence[Example]) -> Sequence[Votes]:
        probs_NK = tagger.probabilities([dict(example.fields) for example in examples])
        return bounds.votes(tagger.tags, probs_NK)

    version = version_of("bundle", digest, bounds.positive, bounds.negative)
    return LabelingFunction(name, tuple(tagger.tags), version, vote)


def tfidf(
    name: str, texts: Sequence[str], y_LK: NDArray[np.uint8], tags: Sequence[str], bounds: Bounds, seed: int = 0
) -> LabelingFunction:
    """TF-IDF and logistic regression on L labelled texts.

    A text that it has learned from is judged by a model that has not: its votes there are as good as elsewhere, so
    that what gold says of them holds.
    """
    from sklearn.model_selection import KFold

    from tagnet.baselines.tfidf import TfidfBaseline

    def fitted(chosen: Sequence[int]) -> TfidfBaseline:
        model = TfidfBaseline("tfidf_logreg")
        model.fit([texts[i] for i in chosen], y_LK[np.asarray(chosen)], tags, None, seed)
        return model

    whole = fitted(range(len(texts)))
    folds = min(_FOLDS, len(texts))
    parts = KFold(folds, shuffle=True, random_state=seed).split(np.arange(len(texts))) if folds > 1 else ()
    held_out: dict[str, Floats] = {}
    for learned, held in parts:
        scores_HK = fitted(learned.tolist()).scores([texts[i] for i in held])
        held_out.update(zip((texts[i] for i in held), scores_HK, strict=True))

    def vote(examples: Sequence[Example]) -> Sequence[Votes]:
        scores_NK = whole.scores([example.text for example in examples])
        for row, example in enumerate(examples):
            scores_NK[row] = held_out.get(example.text, scores_NK[row])
        return bounds.votes(tags, expit(scores_NK))

    made_of = ("tfidf", list(texts), y_LK.tolist(), list(tags), bounds.positive, bounds.negative, seed)
    return LabelingFunction(name, tuple(tags), version_of(*made_of), vote)


def scores(name: str, file: Path, bounds: Bounds) -> LabelingFunction:
    """A file of JSON Lines, `{"id": 7, "scores": {tag: probability}}`, or what `tagnet predict` writes."""
    by_id: dict[str, Mapping[str, float]] = {}
    for number, line in enumerate(read_text(file, LabelingError).splitlines(), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as fault:
            raise LabelingError(
                f"{file}: expected an object in each line, found {describe_fault(fault, number)}"
            ) from fault
        by_id[str(row["id"]) if isinstance(row, dict) and "id" in row else ""] = _scores_of(file, number, row)
    tags = tuple(dict.fromkeys(tag for each in by_id.values() for tag in each))

    def vote(examples: Sequence[Example]) -> list[Votes]:
        return [_believed(by_id.get(str(example.id), {}), bounds) for example in examples]

    version = version_of("scores", hashlib.sha256(file.read_bytes()).hexdigest(), bounds.positive, bounds.negative)
    return LabelingFunction(name, tags, version, vote)


def _scores_of(file: Path, number: int, row: Any) -> Mapping[str, float]:
    found = row.get("scores") if isinstance(row, dict) and "id" in row else None
    if found is None and isinstance(row, dict) and isinstance(row.get("tags"), list):  # what `tagnet predict` writes
        found = {each.get("tag"): each.get("probability") for each in row["tags"] if isinstance(each, dict)}
    if not isinstance(found, dict) or not all(isinstance(value, int | float) for value in found.values()):
        expected = 'expected {"id": …, "scores": {tag: number}}'
        raise LabelingError(f"{file}, line {number}: {expected}, found {describe(row)}")
    return {str(tag): float(value) for tag, value in found.items()}


def _believed(found: Mapping[str, float], bounds: Bounds) -> Votes:
    return {
        tag: 1 if value >= bounds.positive else -1
        for tag, value in found.items()
        if value >= bounds.positive or value <= bounds.negative
    }
