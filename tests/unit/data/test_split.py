from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tagnet.config import DateSplitConfig, IterativeSplitConfig, KFoldSplitConfig, LabelsConfig, SplitConfig
from tagnet.data.duplicates import duplicate_groups
from tagnet.data.split import Split, date_split, iterative_split, make_split, naive_split, stratified_folds
from tagnet.errors import ConfigError, DataError, SplitError
from tagnet.records.corpus import Corpus, prepare_corpus
from tagnet.records.io import LoadedRecords
from tagnet.records.record import Record

LABELS = LabelsConfig(1, (), (), "drop", add_parents=False, resolve_aliases=False)
START = datetime(2020, 1, 1)


def corpus(num_records: int = 60, texts: Sequence[str] | None = None) -> tuple[Corpus, list[str]]:
    """Records, one a day, tagged in turn with a, b, and every third also with c."""
    records = [
        Record(100 + i, {"title": f"record {i}"}, ("ab"[i % 2], *("c",) * (i % 3 == 0)), START + timedelta(days=i))
        for i in range(num_records)
    ]
    prepared = prepare_corpus(LoadedRecords(tuple(records), (), ""), None, LABELS)
    return prepared, list(texts) if texts is not None else prepared.texts(["title"])


def iterative(file: Path | None = None, key: str | None = None, val: float = 0.15) -> IterativeSplitConfig:
    return IterativeSplitConfig(None if file is None else str(file), key, val, 0.8, 0.15, "iterative")


def kfold(folds: int, fold: int, val: float = 0.15, file: Path | None = None) -> KFoldSplitConfig:
    return KFoldSplitConfig(None if file is None else str(file), None, val, 0.8, "kfold", folds, fold)


def date(file: Path | None = None) -> DateSplitConfig:
    return DateSplitConfig(None if file is None else str(file), None, 0.15, 0.8, 0.15, "date")


def split_of(corpus: Corpus, texts: Sequence[str], config: SplitConfig, seed: int) -> tuple[Split, list[str]]:
    """`make_split` with the duplicates that `texts` show."""
    return make_split(corpus, duplicate_groups(texts, config.duplicate_similarity), config, seed)


def is_a_partition(split: Split, num_records: int) -> bool:
    return sorted(np.concatenate(list(split.sides().values())).tolist()) == list(range(num_records))


@pytest.mark.parametrize("config", [iterative(), kfold(4, 1), date()], ids=lambda c: c.name)
def test_every_record_stands_on_one_side_and_duplicates_together(
    config: IterativeSplitConfig | KFoldSplitConfig | DateSplitConfig,
) -> None:
    data, texts = corpus(60, [f"the very same text number {i % 20}" for i in range(60)])
    split, warnings = split_of(data, texts, config, seed=0)
    assert is_a_partition(split, 60)
    assert warnings == []
    side_of = np.empty(60, dtype=int)
    for number, side in enumerate(split.sides().values()):
        assert len(side)
        side_of[side] = number
    for i in range(20):
        assert len(set(side_of[i::20])) == 1


def test_the_same_seed_gives_the_same_split() -> None:
    data, texts = corpus()
    splits = [split_of(data, texts, iterative(), seed)[0] for seed in (0, 0, 1)]
    assert splits[0].test.tolist() == splits[1].test.tolist() != splits[2].test.tolist()


def test_iterative_split_keeps_the_shares() -> None:
    y_NK = np.eye(4, dtype=np.uint8)[np.arange(400) % 4]
    split = iterative_split(y_NK, (0.6, 0.3, 0.1), seed=0)
    for side, share in zip(split.sides().values(), (0.6, 0.3, 0.1), strict=True):
        np.testing.assert_allclose(y_NK[side].sum(axis=0), 100 * share, atol=1)


def test_folds_are_each_tested_once() -> None:
    data, texts = corpus()
    tested = [split_of(data, texts, kfold(4, fold), seed=5)[0] for fold in range(4)]
    assert sorted(np.concatenate([split.test for split in tested]).tolist()) == list(range(60))
    assert all(len(split.val) == pytest.approx(9, abs=2) for split in tested)
    fold_N = stratified_folds(data.y_NK, 4, seed=5)
    np.testing.assert_array_equal(np.flatnonzero(fold_N == 2), tested[2].test)


def test_folds_within_a_file_leave_its_test_records_alone(tmp_path: Path) -> None:
    data, texts = corpus()
    given = {"train": list(range(100, 140)), "val": list(range(140, 150)), "test": list(range(150, 160))}
    path = write(tmp_path, given)
    folds = [split_of(data, texts, kfold(3, fold, file=path), seed=0)[0] for fold in range(3)]
    assert sorted(np.concatenate([split.test for split in folds]).tolist()) == list(range(50))
    for split in folds:
        assert sorted(np.concatenate(list(split.sides().values())).tolist()) == list(range(50))
        assert len(split.val) == pytest.approx(0.15 * 50, abs=2)


def test_folds_that_leave_nothing_to_train_on() -> None:
    data, texts = corpus()
    with pytest.raises(ConfigError, match=r"split.val_fraction: expected less than 0.5"):
        split_of(data, texts, kfold(2, 0, val=0.5), seed=0)


def test_by_date_the_newest_test_and_the_oldest_train() -> None:
    data, _ = corpus(20)
    shuffled = [data.records[i] for i in np.random.default_rng(0).permutation(20)]
    split = date_split(shuffled, 0.2, 0.3)
    assert [len(side) for side in split.sides().values()] == [10, 4, 6]
    days = [[(shuffled[i].created_on or START) for i in side] for side in split.sides().values()]
    assert max(days[0]) < min(days[1]) <= max(days[1]) < min(days[2])


def test_by_date_a_group_stands_where_its_newest_record_does() -> None:
    data, _ = corpus(20)
    groups = np.arange(20)
    groups[0] = 19
    assert {0, 19} <= set(date_split(data.records, 0.2, 0.3, groups).test.tolist())


def test_by_date_records_of_one_moment_keep_their_order() -> None:
    records = [Record(i, {"title": "t"}, ("a",), START) for i in range(10)]
    split = date_split(records, 0.2, 0.2)
    assert [side.tolist() for side in split.sides().values()] == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]


def test_by_date_a_record_without_one_is_named() -> None:
    records = [Record(i, {}, ("a",), START) for i in range(5)] + [Record("late", {}, ("a",), None)]
    with pytest.raises(SplitError, match=r"record 'late': split=date needs created_on"):
        date_split(records, 0.2, 0.2)


def test_by_date_too_few_records() -> None:
    data, _ = corpus(2)
    with pytest.raises(SplitError, match="three sides by date, found 2"):
        date_split(data.records, 0.2, 0.2)


def test_naive_split_is_a_shuffled_cut() -> None:
    split = naive_split(100, (0.7, 0.15, 0.15), seed=1)
    assert [len(side) for side in split.sides().values()] == [70, 15, 15]
    assert is_a_partition(split, 100)
    assert split.train.tolist() != list(range(70))
    assert naive_split(100, (0.7, 0.15, 0.15), seed=1).val.tolist() == split.val.tolist()


def write(folder: Path, content: object) -> Path:
    (folder / "ids.json").write_text(json.dumps(content))
    return folder / "ids.json"


def test_a_given_split_is_used_as_it_stands_and_its_duplicates_reported(tmp_path: Path) -> None:
    data, texts = corpus()
    texts[30] = texts[0]
    path = write(
        tmp_path, {"train": list(range(100, 130)), "val": list(range(130, 145)), "test": list(range(145, 160))}
    )
    split, warnings = split_of(data, texts, iterative(path), seed=0)
    assert [side.tolist() for side in split.sides().values()] == [
        list(range(30)),
        list(range(30, 45)),
        list(range(45, 60)),
    ]
    assert len(warnings) == 1
    assert "1 record(s) of validation or test have a near-identical one on another side" in warnings[0]
    assert "100 and 130" in warnings[0]


@pytest.mark.parametrize("by_date", [False, True])
def test_validation_is_drawn_from_train_where_the_file_has_none(tmp_path: Path, by_date: bool) -> None:
    data, texts = corpus()
    path = write(tmp_path, {"train": list(range(100, 150)), "test": list(range(150, 160))})
    split, warnings = split_of(data, texts, date(path) if by_date else iterative(path), seed=0)
    assert warnings == []
    assert split.test.tolist() == list(range(50, 60))
    assert is_a_partition(split, 60)
    assert len(split.val) == pytest.approx(9, abs=1)
    assert (split.val.min() > split.train.max()) == by_date
    again, _ = split_of(data, texts, date(path) if by_date else iterative(path), seed=0)
    assert again.val.tolist() == split.val.tolist()


def test_train_may_be_too_small_to_give_validation_away(tmp_path: Path) -> None:
    data, texts = corpus()
    path = write(tmp_path, {"train": [100, 101, 102], "test": list(range(103, 160))})
    with pytest.raises(SplitError, match=r"not less than the 3 of train; lower split.val_fraction"):
        split_of(data, texts, iterative(path), seed=0)


def test_ids_of_untagged_records_are_known(tmp_path: Path) -> None:
    records = [Record(i, {"title": f"record {i}"}, ("a",) if i < 9 else (), START) for i in range(10)]
    data = prepare_corpus(LoadedRecords(tuple(records), (), ""), None, LABELS)
    path = write(tmp_path, {"train": [0, 1, 2, 9], "val": [3, 4, 5], "test": [6, 7, 8]})
    split, warnings = split_of(data, data.texts(["title"]), iterative(path), seed=0)
    assert split.train.tolist() == [0, 1, 2]
    assert len(warnings) == 1
    assert "bear no kept tag" in warnings[0]


def test_a_tag_that_training_never_saw_is_named(tmp_path: Path) -> None:
    data, texts = corpus(12)
    even = [record.id for i, record in enumerate(data.records) if i % 2 == 0]
    odd = [record.id for i, record in enumerate(data.records) if i % 2]
    _, warnings = split_of(data, texts, iterative(write(tmp_path, {"train": even, "val": odd[:3], "test": odd[3:]})), 0)
    assert warnings == ["1 tag(s) of validation or test that no training record bears: 'b'"]


def test_a_split_file_that_is_not_there(tmp_path: Path) -> None:
    data, texts = corpus()
    with pytest.raises(DataError, match="no such file"):
        split_of(data, texts, iterative(tmp_path / "ids.json"), seed=0)
