"""A bundle against labelled records that it has not seen.

Shapes: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.bundle import Bundle
from tagnet.errors import LabelSpaceError
from tagnet.evaluation.intervals import BootstrapResult, bootstrap
from tagnet.evaluation.per_tag import TagRow, per_tag_table
from tagnet.prediction.tagger import Tagger
from tagnet.records.label_space import LabelSpace
from tagnet.records.record import Record


@dataclass(frozen=True)
class Evaluation:
    """What a bundle can do on the records it was given."""

    num_records: int
    """Records that were measured."""
    num_untagged_dropped: int
    """Records without any tag of the label space, where the bundle's run took them as unknown."""
    result: BootstrapResult
    rows: tuple[TagRow, ...]
    probs_NK: NDArray[np.float64]


def evaluate(tagger: Tagger, records: Sequence[Record], *, seed: int = 0) -> Evaluation:
    """Measure a tagger on labelled records.

    Tags are made canonical as in the run behind the bundle: the same taxonomy, aliases, parents, and the same view of
    records without a tag. Tags outside its label space are passed over. Intervals and the k of precision at k are
    those of the run, too.

    Raises:
        LabelSpaceError: no record bears a tag of the label space.
    """
    bundle = tagger.bundle
    labelled, y_NK = labelled_records(bundle, records)
    probs_NK = tagger.probabilities(labelled)
    accepted_NK = bundle.rule.accept(probs_NK)
    settings = bundle.evaluation
    result = bootstrap(
        probs_NK,
        y_NK,
        accepted_NK,
        samples=settings.bootstrap_samples,
        confidence=settings.confidence,
        seed=seed,
        at_k=settings.at_k,
    )
    counts_K = np.array([bundle.train_counts[tag] for tag in bundle.tags])
    rows = per_tag_table(bundle.tags, probs_NK, y_NK, accepted_NK, bundle.rule.thresholds_K, counts_K, result)
    return Evaluation(len(labelled), len(records) - len(labelled), result, tuple(rows), probs_NK)


def labelled_records(bundle: Bundle, records: Sequence[Record]) -> tuple[list[Record], NDArray[np.uint8]]:
    """The records that can be measured by, and their labels (N, K), made canonical as in the run behind the bundle.

    Raises:
        LabelSpaceError: no record bears a tag of the label space.
    """
    y_all_NK = labels_of(bundle, records)
    tagged_N = y_all_NK.any(1)
    if not tagged_N.any():
        raise LabelSpaceError(
            f"none of the {len(records)} records bears a tag of the bundle's label space "
            f"({', '.join(bundle.tags[:5])}, …); give it records with such tags"
        )
    keep = np.flatnonzero(tagged_N).tolist() if bundle.labels.untagged == "drop" else list(range(len(records)))
    return [records[i] for i in keep], y_all_NK[keep]


def labels_of(bundle: Bundle, records: Sequence[Record]) -> NDArray[np.uint8]:
    """The labels (N, K) of records, their tags made canonical as in the run behind the bundle."""
    return LabelSpace(bundle.tags).encode([_canonical(bundle, record) for record in records])


def _canonical(bundle: Bundle, record: Record) -> Sequence[str]:
    if bundle.taxonomy is None:
        return record.tags
    kept, _ = bundle.taxonomy.canonical(
        record.tags, resolve_aliases=bundle.labels.resolve_aliases, add_parents=bundle.labels.add_parents
    )
    return kept
