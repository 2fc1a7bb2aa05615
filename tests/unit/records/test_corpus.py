from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.config import LabelsConfig
from tagnet.errors import LabelSpaceError
from tagnet.records.corpus import Corpus, prepare_corpus
from tagnet.records.io import LoadedRecords, SkippedRow, load_records
from tagnet.records.record import Record
from tagnet.records.sources import resolve_split_file
from tagnet.records.taxonomy import build_taxonomy, load_taxonomy

TAXONOMY = build_taxonomy(
    [
        {"tag": "nlp", "aliases": ["text"], "parents": []},
        {"tag": "question-answering", "aliases": ["qa"], "parents": ["nlp"]},
        {"tag": "vision", "aliases": [], "parents": ["seeing"]},
    ],
    "tags.json",
)
LABELS = LabelsConfig(min_count=1, include=(), exclude=(), untagged="drop", add_parents=False, resolve_aliases=True)


def loaded(*tag_lists: list[str]) -> LoadedRecords:
    records = [Record(n, {"title": f"t{n}", "description": "d"}, tuple(tags), None) for n, tags in enumerate(tag_lists)]
    return LoadedRecords(tuple(records), (SkippedRow("a.json", 9, "id", "an id", "null"),), "0123")


def prepare(records: LoadedRecords, **changes: Any) -> Corpus:
    return prepare_corpus(records, TAXONOMY, dataclasses.replace(LABELS, **changes))


def tags_of(corpus: Corpus) -> list[tuple[str, ...]]:
    return corpus.label_space.decode(corpus.y_NK)


def test_aliases_are_resolved_and_unknown_tags_dropped_and_counted() -> None:
    corpus = prepare(loaded(["qa", "text", "cats"], ["cats", "dogs"], ["nlp", "text"], ["vision"]))
    assert tags_of(corpus) == [("nlp", "question-answering"), ("nlp",), ("vision",)]
    assert [record.id for record in corpus.records] == [0, 2, 3]
    assert corpus.records[0].tags == ("qa", "text", "cats")
    assert corpus.dropped_ids == (1,)
    report = corpus.report
    assert list(report.outside_taxonomy.items()) == [("cats", 2), ("dogs", 1)]
    assert list(report.resolved_aliases.items()) == [("text", 2), ("qa", 1)]
    assert (report.num_rows, report.num_skipped, report.num_records, report.num_untagged_dropped) == (5, 1, 3, 1)
    assert (report.num_positives, report.fingerprint) == (4, "0123")
    assert report.warnings == TAXONOMY.warnings
    assert len(report.warnings) == 1


def test_tags_that_differ_by_blanks_alone_are_named_and_kept_apart() -> None:
    corpus = prepare_corpus(loaded(["nlp", "cats"], [" nlp", "dogs "], [" nlp"]), None, LABELS)
    assert corpus.label_space.tags == (" nlp", "cats", "dogs ", "nlp")
    (warning,) = corpus.report.warnings
    assert warning.startswith("1 tag(s) differ from another tag only by blanks at their ends: ' nlp' (2 records);")
    with_taxonomy = prepare(loaded(["nlp"], ["vision "])).report
    assert with_taxonomy.outside_taxonomy == {"vision ": 1}
    assert "'vision ' (1 records)" in with_taxonomy.warnings[-1]


def test_parents_without_a_taxonomy_are_a_setting_that_does_nothing() -> None:
    corpus = prepare_corpus(loaded(["nlp"]), None, dataclasses.replace(LABELS, add_parents=True))
    (warning,) = corpus.report.warnings
    assert warning.startswith("labels.add_parents=true adds nothing without a taxonomy; name one with data.taxonomy=")


def test_aliases_are_outside_where_they_are_not_resolved() -> None:
    corpus = prepare(loaded(["qa"], ["nlp", "text"]), resolve_aliases=False)
    assert tags_of(corpus) == [("nlp",)]
    assert corpus.report.outside_taxonomy == {"qa": 1, "text": 1}
    assert corpus.report.resolved_aliases == {}


def test_parents_count_like_tags() -> None:
    corpus = prepare(loaded(["qa"], ["nlp"], ["vision"]), add_parents=True, min_count=2)
    assert tags_of(corpus) == [("nlp",), ("nlp",)]
    assert corpus.report.below_min_count == {"question-answering": 1, "vision": 1}


def test_an_excluded_parent_stays_out() -> None:
    corpus = prepare(loaded(["qa"], ["nlp"]), add_parents=True, exclude=("nlp",))
    assert tags_of(corpus) == [("question-answering",)]
    assert corpus.report.excluded == {"nlp": 2}
    assert corpus.report.below_min_count == {}


def test_untagged_records_may_be_true_negatives() -> None:
    corpus = prepare(loaded([], ["cats"], ["nlp"]), untagged="negative")
    assert tags_of(corpus) == [(), (), ("nlp",)]
    assert corpus.y_NK.dtype == np.uint8
    assert (corpus.report.num_untagged_dropped, corpus.dropped_ids) == (0, ())


def test_counts_are_taken_before_records_are_dropped() -> None:
    corpus = prepare_corpus(loaded(["a", "b"], ["b"], ["a"]), None, dataclasses.replace(LABELS, min_count=2))
    assert corpus.label_space.tags == ("a", "b")
    corpus = prepare_corpus(loaded(["a", "b"], ["b"], ["c"]), None, dataclasses.replace(LABELS, min_count=2))
    assert corpus.report.below_min_count == {"a": 1, "c": 1}
    assert corpus.dropped_ids == (2,)


def test_without_a_taxonomy_tags_are_taken_as_they_stand() -> None:
    corpus = prepare_corpus(loaded(["A", "a "], ["a"]), None, dataclasses.replace(LABELS, add_parents=True))
    assert corpus.label_space.tags == ("A", "a", "a ")
    assert corpus.report.outside_taxonomy == {}


def test_include_keeps_a_scarce_tag() -> None:
    corpus = prepare(loaded(["nlp", "vision"], ["nlp"]), min_count=2, include=("vision",))
    assert corpus.label_space.tags == ("nlp", "vision")


def test_settings_that_name_what_nobody_bears_are_warned_about() -> None:
    corpus = prepare(loaded(["qa", "cats"]), include=("cats", "vison"), exclude=("qa", "question-anwering"))
    assert corpus.report.warnings[1:] == (
        "labels.include names 'cats', which no record bears: the taxonomy does not know it",
        "labels.include names 'vison', which no record bears",
        "labels.exclude names 'qa', which no record bears: it is an alias; name 'question-answering'",
        "labels.exclude names 'question-anwering', which no record bears; did you mean question-answering?",
    )


def test_texts_are_those_of_the_features() -> None:
    corpus = prepare(loaded(["cats"], ["nlp"]))
    assert corpus.texts(["title"]) == ["t1"]
    assert corpus.texts(["description", "title"]) == ["d t1"]


def test_no_tag_left_is_an_error() -> None:
    with pytest.raises(LabelSpaceError, match="no tag has at least 3 records; the commonest is 'nlp' with 2"):
        prepare(loaded(["nlp"], ["text"]), min_count=3)
    with pytest.raises(LabelSpaceError, match="none of the 2 records bears a tag that the taxonomy knows"):
        prepare(loaded(["cats"], []))


COURSE_EXCLUDES = (
    "machine-learning",
    "deep-learning",
    "data-science",
    "neural-networks",
    "python",
    "r",
    "visualization",
)


@pytest.mark.parametrize(
    ("protocol", "exclude", "num_tags", "num_records"),
    [
        ("A", COURSE_EXCLUDES, 35, 1444),
        ("B", (*COURSE_EXCLUDES, "wandb"), 34, 1439),
        ("C", (*COURSE_EXCLUDES, "wandb"), 34, 1439),
    ],
)
def test_the_protocols_of_madewithml_come_out_exactly(
    shared_data: Path, protocol: str, exclude: tuple[str, ...], num_tags: int, num_records: int
) -> None:
    records = load_records(str(shared_data / "projects.json"), {}, "error", ["title", "description"])
    taxonomy = load_taxonomy(shared_data / "tags.json")
    labels = dataclasses.replace(LABELS, min_count=30, exclude=exclude, resolve_aliases=False)
    corpus = prepare_corpus(records, taxonomy, labels)
    published = json.loads(resolve_split_file("madewithml").read_text())[protocol]
    assert (len(corpus.label_space), len(corpus.records)) == (num_tags, num_records)
    assert corpus.label_space.to_plain() == published["classes"]
    assert {record.id for record in corpus.records} == {*published["train"], *published["val"], *published["test"]}
    assert len(corpus.report.outside_taxonomy) == 2234
    assert set(corpus.report.excluded) == set(exclude)
    assert corpus.report.num_positives == corpus.y_NK.sum()
    assert len(corpus.dropped_ids) == 2032 - num_records
    if protocol != "A":
        assert corpus.report.num_positives == 3099


def test_resolving_aliases_reads_more_of_madewithml(shared_data: Path) -> None:
    records = load_records(str(shared_data / "projects.json"), {}, "error", ["title", "description"])
    corpus = prepare_corpus(
        records, load_taxonomy(shared_data / "tags.json"), dataclasses.replace(LABELS, min_count=30)
    )
    assert len(corpus.report.resolved_aliases) == 20
    assert corpus.report.resolved_aliases["labeling"] == 12
    assert len(corpus.report.outside_taxonomy) == 2214
