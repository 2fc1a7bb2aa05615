"""Two or more finished runs on the same test records: what differs, and what it did, overall and tag by tag.

The first run is what the others are held against. Shapes: N records, K tags, those that all runs have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.config import EvaluationConfig
from tagnet.errors import RunDirectoryError
from tagnet.evaluation.intervals import BootstrapResult, Draws, Estimate, draws, paired_bootstrap, summarize
from tagnet.evaluation.tag_differences import TagDifference, tag_differences
from tagnet.training.run_directory import flatten
from tagnet.workflows.finished_run import FinishedRun

_NOT_COMPARED = ("run.dir", "run.name", "logger", "evaluation.baselines")


@dataclass(frozen=True, eq=False)
class Challenger:
    """A run that is held against the first one."""

    name: str
    overall: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]
    """Metric → this run minus the first, on the same resamples."""
    tags: tuple[TagDifference, ...]
    settings: Mapping[str, tuple[Any, Any]]
    """Key → the first run's value and this one's, where they differ."""

    @property
    def dropped(self) -> tuple[TagDifference, ...]:
        """The tags that do not pass the gate."""
        return tuple(tag for tag in self.tags if tag.dropped)


@dataclass(frozen=True, eq=False)
class FeatureGain:
    """What the texts' further features brought: two runs of which one has all that the other has, and these."""

    features: tuple[str, ...]
    without: str
    """Name of the run without them."""
    having: str
    """Name of the run with them."""
    differences: Mapping[str, Estimate]
    """Metric → with minus without."""
    tags: tuple[TagDifference, ...]


@dataclass(frozen=True, eq=False)
class RunComparison:
    """All that is known of the runs side by side."""

    first: str
    overall: Mapping[str, Estimate]
    """Of the first run."""
    challengers: tuple[Challenger, ...]
    feature_gains: tuple[FeatureGain, ...]
    num_records: int
    tags: tuple[str, ...]
    confidence: float
    samples: int
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no tag of any run has dropped."""
        return not any(challenger.dropped for challenger in self.challengers)


@dataclass(frozen=True, eq=False)
class _Measured:
    run: FinishedRun
    name: str
    probs_NK: NDArray[np.float64]
    accepted_NK: NDArray[np.bool_]
    result: BootstrapResult
    drawn: Draws


def compare_runs(runs: Sequence[FinishedRun]) -> RunComparison:
    """Hold runs against the first of them, by a paired bootstrap over the test records that all have.

    Args:
        runs: at least two; resamples and confidence are those of the first.

    Raises:
        RunDirectoryError: the runs have no test record or no tag in common, or disagree on a record's tags.
    """
    ids, tags, warnings = _in_common(runs)
    names, settings = _names(runs), runs[0].evaluation
    y_NK = _labels(runs, names, ids, tags)
    measured = [_measure(run, name, ids, tags, y_NK, settings) for run, name in zip(runs, names, strict=True)]
    first = measured[0]
    return RunComparison(
        first=first.name,
        overall=first.result.overall,
        challengers=tuple(_challenger(first, other, tags, y_NK) for other in measured[1:]),
        feature_gains=tuple(_feature_gains(measured, tags, y_NK)),
        num_records=len(ids),
        tags=tags,
        confidence=settings.confidence,
        samples=settings.bootstrap_samples,
        warnings=tuple(warnings),
    )


def _in_common(runs: Sequence[FinishedRun]) -> tuple[list[str], tuple[str, ...], list[str]]:
    """The test records and tags that all runs have, in the first one's order, and what should be said about others."""
    first, shared_ids, shared_tags = runs[0], set(runs[0].ids), set(runs[0].rule.tags)
    for run in runs[1:]:
        shared_ids &= set(run.ids)
        shared_tags &= set(run.rule.tags)
    folders = ", ".join(str(run.folder) for run in runs)
    if not shared_ids:
        raise RunDirectoryError(
            f"{folders}: expected runs with test records in common, found none; give both the same split: "
            f"split.file={first.folder / 'split.json'}"
        )
    if not shared_tags:
        raise RunDirectoryError(f"{folders}: expected runs with tags in common, found none")
    warnings = []
    most = max(len(run.ids) for run in runs)
    if len(shared_ids) < most:
        warnings.append(f"compared on the {len(shared_ids)} test records that all have, of up to {most}")
    other = sorted({tag for run in runs for tag in run.rule.tags} - shared_tags)
    if other:
        warnings.append(
            f"{len(other)} tag(s) that not all have are left out: {', '.join(other[:5])}{' …' * (len(other) > 5)}"
        )
    ids = [record_id for record_id in first.ids if record_id in shared_ids]
    return ids, tuple(tag for tag in first.rule.tags if tag in shared_tags), warnings


def _labels(
    runs: Sequence[FinishedRun], names: Sequence[str], ids: Sequence[str], tags: Sequence[str]
) -> NDArray[np.uint8]:
    y_NK = _cut(runs[0], runs[0].y_NK, ids, tags)
    for run, name in zip(runs[1:], names[1:], strict=True):
        differs_N = (_cut(run, run.y_NK, ids, tags) != y_NK).any(1)
        if differs_N.any():
            some = ", ".join(ids[i] for i in np.flatnonzero(differs_N)[:3])
            raise RunDirectoryError(
                f"{name} and {names[0]}: expected the same tags of each test record, found others at "
                f"{int(differs_N.sum())} of {len(ids)} ({some}); train both on the same records and label settings"
            )
    return y_NK


def _cut(run: FinishedRun, array_NK: NDArray[Any], ids: Sequence[str], tags: Sequence[str]) -> NDArray[Any]:
    """Rows and columns of a run in the order of the comparison."""
    row_of = {record_id: row for row, record_id in enumerate(run.ids)}
    column_of = {tag: column for column, tag in enumerate(run.rule.tags)}
    cut_NK: NDArray[Any] = array_NK[np.ix_([row_of[i] for i in ids], [column_of[tag] for tag in tags])]
    return cut_NK


def _measure(
    run: FinishedRun,
    name: str,
    ids: Sequence[str],
    tags: Sequence[str],
    y_NK: NDArray[np.uint8],
    settings: EvaluationConfig,
) -> _Measured:
    probs_NK, accepted_NK = _cut(run, run.probs_NK, ids, tags), _cut(run, run.accepted_NK, ids, tags)
    at_k = settings.at_k
    drawn = draws(probs_NK, y_NK, accepted_NK, samples=settings.bootstrap_samples, seed=0, at_k=at_k)
    result = summarize(probs_NK, y_NK, accepted_NK, drawn, confidence=settings.confidence, seed=0, at_k=at_k)
    return _Measured(run, name, probs_NK, accepted_NK, result, drawn)


def _challenger(first: _Measured, other: _Measured, tags: Sequence[str], y_NK: NDArray[np.uint8]) -> Challenger:
    before, now = flatten(first.run.config), flatten(other.run.config)
    keys = [key for key in {**before, **now} if not key.startswith(_NOT_COMPARED)]
    return Challenger(
        name=other.name,
        overall=other.result.overall,
        differences=paired_bootstrap(other.result, first.result),
        tags=_tags(first, other, tags, y_NK),
        settings={key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)},
    )


def _tags(
    first: _Measured, other: _Measured, tags: Sequence[str], y_NK: NDArray[np.uint8]
) -> tuple[TagDifference, ...]:
    before, after = ((m.probs_NK, m.accepted_NK, m.drawn) for m in (first, other))
    return tag_differences(tags, y_NK, before, after, first.result.tags["f1"], first.result.confidence)


def _feature_gains(measured: Sequence[_Measured], tags: Sequence[str], y_NK: NDArray[np.uint8]) -> list[FeatureGain]:
    """Of every two runs of which one has more features; not where a third lies between them."""
    gains = []
    for one, other in combinations(measured, 2):
        less, more = sorted((one, other), key=lambda m: len(m.run.features))
        inner, outer = set(less.run.features), set(more.run.features)
        between = any(inner < set(m.run.features) < outer for m in measured)
        if inner < outer and not between:
            gains.append(
                FeatureGain(
                    features=tuple(name for name in more.run.features if name not in inner),
                    without=less.name,
                    having=more.name,
                    differences=paired_bootstrap(more.result, less.result),
                    tags=_tags(less, more, tags, y_NK),
                )
            )
    return gains


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    """The folders' names, with as much of the path before them as tells them apart."""
    parts = [run.folder.resolve().parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    raise RunDirectoryError(f"{runs[0].folder}: expected different runs, found one given twice")
