"""Records that are trained on given targets in place of their tags: in the corpus, and in the split.

Such records only train: what validates, calibrates and tests are records with tags of their own. N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tagnet.config import SplitConfig
from tagnet.data.sides import Split
from tagnet.data.split import make_split
from tagnet.data.split_file import ids_of_side
from tagnet.errors import RecordError, SplitError
from tagnet.records.corpus import Corpus
from tagnet.records.io import LoadedRecords
from tagnet.records.sources import resolve_split_file
from tagnet.records.sparse_labels import SparseLabels
from tagnet.records.targets import GivenTargets


@dataclass(frozen=True)
class SoftTargets:
    """What a corpus of N records is trained on."""

    source: str
    targets_NK: NDArray[np.float32]
    """Given ones where there are such, else the record's own tags."""
    known_NK: NDArray[np.bool_]
    given_N: NDArray[np.bool_]
    """Which records have given targets."""
    fingerprint: str


def without_own_tags(loaded: LoadedRecords, given: GivenTargets) -> LoadedRecords:
    """The records, those with given targets stripped of their tags, so that none of these leaks into training.

    Raises:
        RecordError: an id of the targets is no record's.
    """
    ids = {str(identity) for identity in given.ids}
    unknown = ids - {str(record.id) for record in loaded.records}
    if unknown:
        some = ", ".join(sorted(unknown)[:5])
        raise RecordError(
            f"{given.source}: {len(unknown)} of {len(ids)} ids are of no record that is read, such as {some}; "
            "data.targets and data.records must belong together"
        )
    records = tuple(replace(each, tags=()) if str(each.id) in ids else each for each in loaded.records)
    return replace(loaded, records=records)


def take_targets(corpus: Corpus, given: GivenTargets) -> tuple[Corpus, SoftTargets, list[str]]:
    """The corpus with hard labels of the given targets (1 from 0.5 on), the targets as they are, and warnings.

    A tag of the label space that the file does not have is unknown in its records.

    Raises:
        RecordError: the file has no tag of the label space.
    """
    tags = corpus.label_space.tags
    column_of = {tag: column for column, tag in enumerate(tags)}
    theirs = [column for column, tag in enumerate(given.tags) if tag in column_of]
    ours = [column_of[given.tags[column]] for column in theirs]
    if not ours:
        raise RecordError(
            f"{given.source}: expected some of the {len(tags)} tags of the label space, such as {tags[0]!r}, found "
            f"none among its {len(given.tags)}; labels.include=[…] keeps tags that few records bear"
        )
    row_of = {str(identity): row for row, identity in enumerate(given.ids)}
    rows_N = np.asarray([row_of.get(str(record.id), -1) for record in corpus.records])
    given_N = rows_N >= 0
    targets_NK, known_NK = corpus.y_NK.astype(np.float32), np.ones(corpus.y_NK.shape, dtype=bool)
    known_NK[given_N] = False
    place, rows = np.flatnonzero(given_N), rows_N[given_N]
    for column, our in zip(theirs, ours, strict=True):
        targets_NK[place, our] = given.targets_NK[rows, column]
        known_NK[place, our] = given.known_NK[rows, column]
    y_NK = np.where(given_N[:, None], (targets_NK >= 0.5) & known_NK, corpus.y_NK).astype(np.uint8)
    soft = SoftTargets(given.source, targets_NK, known_NK, given_N, given.fingerprint)
    return replace(corpus, labels=SparseLabels.from_dense(y_NK)), soft, _warnings(given, theirs, tags, ours)


def _warnings(given: GivenTargets, theirs: Sequence[int], tags: Sequence[str], ours: Sequence[int]) -> list[str]:
    warnings = []
    outside = [tag for column, tag in enumerate(given.tags) if column not in set(theirs)]
    if outside:
        shown = ", ".join(map(repr, outside[:3])) + (" …" if len(outside) > 3 else "")
        warnings.append(f"{given.source}: {len(outside)} tag(s) outside the label space are passed over: {shown}")
    missing = [tag for column, tag in enumerate(tags) if column not in set(ours)]
    if missing:
        shown = ", ".join(map(repr, missing[:3])) + (" …" if len(missing) > 3 else "")
        warnings.append(f"{given.source}: {len(missing)} tag(s) are unknown in all of its records: {shown}")
    return warnings


def split_around_targets(
    corpus: Corpus, groups: NDArray[np.int64], soft: SoftTargets, config: SplitConfig, seed: int
) -> tuple[Split, list[str]]:
    """The split of the records with tags of their own; those with given targets go to train.

    One that is near-identical with a record of validation or test goes nowhere.

    Raises:
        SplitError: `split.file` has a record with given targets in validation or test.
    """
    own = np.flatnonzero(~soft.given_N)
    given = np.flatnonzero(soft.given_N)
    ids = [corpus.records[index].id for index in given]
    if config.file is not None:
        path = resolve_split_file(config.file)
        for side in ("val", "test"):
            wrong = sorted({str(identity) for identity in ids} & ids_of_side(path, config.key, side))
            if wrong and not (side == "val" and config.name == "kfold"):
                raise SplitError(
                    f"{path}: {side}: expected records with tags of their own, found {len(wrong)} of {soft.source}, "
                    f"such as {wrong[0]}; take them out of data.targets, or out of {side}"
                )
    part = replace(
        corpus,
        records=tuple(corpus.records[index] for index in own),
        labels=corpus.labels.take(own),
        dropped_ids=(*corpus.dropped_ids, *ids),
    )
    split, warnings = make_split(part, groups[own], config, seed)
    val, test = own[split.val], own[split.test]
    taken = np.isin(groups[given], groups[np.concatenate([val, test])])
    if taken.any():
        warnings.append(
            f"{soft.source}: {int(taken.sum())} record(s) are near-identical with one of validation or test and are "
            "left out"
        )
    return Split(np.sort(np.concatenate([own[split.train], given[~taken]])), val, test), warnings
