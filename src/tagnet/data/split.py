"""Train, validation and test: which records stand on which side.

N records, K tags. All indices count the records of a prepared corpus from 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagnet.config import DateSplitConfig, KFoldSplitConfig, SplitConfig
from tagnet.data.sides import COURSE_FRACTIONS, Split, crossing_duplicates, split_quality, unseen_tags
from tagnet.data.split_file import GivenSplit, load_split_file, save_split
from tagnet.data.stratify import stratify
from tagnet.errors import ConfigError, SplitError
from tagnet.records.corpus import Corpus
from tagnet.records.record import Record
from tagnet.records.sources import resolve_split_file
from tagnet.records.sparse_labels import SparseLabels

__all__ = [
    "COURSE_FRACTIONS",
    "Split",
    "crossing_duplicates",
    "date_split",
    "iterative_split",
    "load_split_file",
    "make_split",
    "naive_quality",
    "naive_split",
    "save_split",
    "split_quality",
    "stratified_folds",
    "unseen_tags",
]


def iterative_split(
    y_NK: NDArray[np.uint8] | SparseLabels,
    fractions: tuple[float, float, float],
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> Split:
    """All three sides at once by iterative stratification (`stratify`); `fractions` of train, validation and test.

    Raises:
        SplitError: there are fewer than three groups.
    """
    return Split.from_parts(stratify(y_NK, fractions, seed, groups))


def stratified_folds(
    y_NK: NDArray[np.uint8] | SparseLabels, k: int, seed: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """The fold of each record, (N,), from 0 to k − 1, by iterative stratification (`stratify`).

    Raises:
        SplitError: there are fewer than k groups.
    """
    return stratify(y_NK, [1 / k] * k, seed, groups)


def date_split(
    records: Sequence[Record], val_fraction: float, test_fraction: float, groups: NDArray[np.int64] | None = None
) -> Split:
    """The newest records test, those before them validate, the oldest train.

    A group stands where its newest record does, so that training never sees a text from the time of the test. Records
    of the same moment keep their order in the file.

    Raises:
        SplitError: a record has no date, or there are too few groups for three sides.
    """
    cut = _newest_last(records, groups)
    train_val, test = _cut_newest(cut, len(records), test_fraction)
    train, val = _cut_newest(train_val, len(records), val_fraction)
    if not (train and val and test):
        raise SplitError(
            f"expected records for three sides by date, found {len(records)} in {len(cut)} groups; add records"
        )
    return Split(*(np.concatenate(side) for side in (train, val, test)))


def _newest_last(records: Sequence[Record], groups: NDArray[np.int64] | None) -> list[NDArray[np.int64]]:
    """The groups, as indices, from the one whose newest record is oldest on."""
    dates = []
    for record in records:
        if record.created_on is None:
            raise SplitError(
                f"record {record.id!r}: split=date needs created_on in every record, and this one has none.\n"
                "Add the dates, name their column with data.columns.created_on=COLUMN, or set split=iterative"
            )
        dates.append(record.created_on)
    members: dict[int, list[int]] = {}
    for index, group in enumerate(range(len(records)) if groups is None else groups.tolist()):
        members.setdefault(group, []).append(index)
    ordered = sorted(members.values(), key=lambda indices: max((dates[index], index) for index in indices))
    return [np.asarray(indices, dtype=np.int64) for indices in ordered]


def _cut_newest(
    groups: list[NDArray[np.int64]], num_records: int, fraction: float
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """The groups before, and the newest ones, which come nearest to `fraction` of the records."""
    sizes = np.cumsum([0] + [len(indices) for indices in reversed(groups)])
    count = max(1, int(np.abs(sizes - fraction * num_records).argmin()))
    return groups[:-count], groups[-count:]


def naive_split(num_records: int, fractions: tuple[float, float, float], seed: int) -> Split:
    """Shuffled and cut, without regard to tags or duplicates: what a stratified split is compared with."""
    order_N = np.random.default_rng(seed).permutation(num_records)
    shares = np.cumsum(fractions) / np.sum(fractions)
    return Split(*np.split(order_N, np.rint(shares[:2] * num_records).astype(int)))


def naive_quality(y_NK: NDArray[np.uint8], split: Split, seed: int) -> float:
    """`split_quality` of a split without stratification, of the same records and the same sizes."""
    divided = np.sort(np.concatenate(list(split.sides().values())))
    shares = tuple(len(side) / len(divided) for side in split.sides().values())
    return split_quality(y_NK[divided], naive_split(len(divided), (shares[0], shares[1], shares[2]), seed))


def make_split(corpus: Corpus, groups: NDArray[np.int64], config: SplitConfig, seed: int) -> tuple[Split, list[str]]:
    """The split that the configuration asks for, and what should be said about it.

    Args:
        corpus: N prepared records.
        groups: (N,) the group of near-identical records that each belongs to; a group stays on one side.
        config: drawn (iterative, by date), given by `file`, or a fold, of all records or of the file's train and
            validation.
        seed: of what is drawn.

    Returns:
        The split, and warnings.

    Raises:
        SplitError: the file's ids are unknown or overlap, a record has no date, or there are too few records.
        ConfigError: fractions and folds leave nothing to train on.
    """
    warnings: list[str] = []
    if isinstance(config, KFoldSplitConfig):
        split, warnings = _fold_split(corpus, config, seed, groups)
    elif config.file is not None:
        split, warnings = _given_split(corpus, config, config.file, seed, groups)
    elif isinstance(config, DateSplitConfig):
        split = date_split(corpus.records, config.val_fraction, config.test_fraction, groups)
    else:
        fractions = (1 - config.val_fraction - config.test_fraction, config.val_fraction, config.test_fraction)
        split = iterative_split(corpus.labels, fractions, seed, groups)
    unseen = unseen_tags(corpus.labels, split, corpus.label_space.tags)
    if unseen:
        warnings.append(
            f"{len(unseen)} tag(s) of validation or test that no training record bears: {', '.join(map(repr, unseen))}"
        )
    return split, warnings


def _fold_split(
    corpus: Corpus, config: KFoldSplitConfig, seed: int, groups: NDArray[np.int64]
) -> tuple[Split, list[str]]:
    warnings: list[str] = []
    pool = np.arange(len(corpus.records))
    if config.file is not None:
        given = _read_split(corpus, config, config.file)
        pool, warnings = np.sort(np.concatenate([given.split.train, given.split.val])), list(given.warnings)
    fold = _fold_of(corpus.labels.take(pool), config, seed, groups[pool])
    return Split(*(pool[side] for side in fold.sides().values())), warnings


def _fold_of(labels: SparseLabels, config: KFoldSplitConfig, seed: int, groups: NDArray[np.int64]) -> Split:
    rest_share = 1 - 1 / config.folds
    if config.val_fraction >= rest_share:
        raise ConfigError(
            f"split.val_fraction: expected less than {rest_share:.3g}, what {config.folds} folds leave beside the test "
            f"fold, found {config.val_fraction!r}"
        )
    fold_N = stratified_folds(labels, config.folds, seed, groups)
    rest = np.flatnonzero(fold_N != config.fold)
    part_R = stratify(
        labels.take(rest), [1 - config.val_fraction / rest_share, config.val_fraction / rest_share], seed, groups[rest]
    )
    return Split(rest[part_R == 0], rest[part_R == 1], np.flatnonzero(fold_N == config.fold))


def _given_split(
    corpus: Corpus, config: SplitConfig, file: str, seed: int, groups: NDArray[np.int64]
) -> tuple[Split, list[str]]:
    path, given = resolve_split_file(file), _read_split(corpus, config, file)
    split, warnings = given.split, list(given.warnings)
    crossing = crossing_duplicates(groups, split)
    if crossing:
        ids = [(corpus.records[a].id, corpus.records[b].id) for a, b in crossing[:3]]
        warnings.append(
            f"{path}: {len(crossing)} record(s) of validation or test have a near-identical one on another side, "
            f"such as {', '.join(f'{a!r} and {b!r}' for a, b in ids)}; the split is used as it stands"
        )
    if not given.has_val:
        split = _draw_val(corpus, split, config, seed, groups)
    return split, warnings


def _read_split(corpus: Corpus, config: SplitConfig, file: str) -> GivenSplit:
    path = resolve_split_file(file)
    return load_split_file(path, config.key, corpus.records, corpus.dropped_ids, corpus.report.num_skipped)


def _draw_val(corpus: Corpus, split: Split, config: SplitConfig, seed: int, groups: NDArray[np.int64]) -> Split:
    """Validation drawn from train, in the manner of the configured method."""
    train = split.train
    num_records = len(train) + len(split.test)
    share = config.val_fraction * num_records / len(train)
    if share >= 1:
        raise SplitError(
            f"{config.file}: has no val, and split.val_fraction={config.val_fraction} of its {num_records} records is "
            f"not less than the {len(train)} of train; lower split.val_fraction"
        )
    if isinstance(config, DateSplitConfig):
        ordered = _newest_last([corpus.records[index] for index in train], groups[train])
        older, newer = _cut_newest(ordered, num_records, config.val_fraction)
        if not older:
            raise SplitError(f"{config.file}: expected records of train older than those that validate, found none")
        return Split(train[np.concatenate(older)], train[np.concatenate(newer)], split.test)
    part_T = stratify(corpus.labels.take(train), [1 - share, share], seed, groups[train])
    return Split(train[part_T == 0], train[part_T == 1], split.test)
