"""Labeling functions: of Python, of words, of models, and from files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.weak import models, words
from tagnet.labeling.weak.from_file import KINDS, Setting, load_functions
from tagnet.labeling.weak.functions import Example, labeling_function
from tagnet.records.taxonomy import Taxonomy


def examples(*texts: str) -> list[Example]:
    return [Example(number, {"title": text, "topic": text}, text) for number, text in enumerate(texts)]


@pytest.fixture
def setting(tmp_path: Path, taxonomy: Taxonomy) -> Setting:
    return Setting(tmp_path, None, taxonomy, ("title", "description"), "cpu")


def test_a_python_function_may_speak_of_several_tags() -> None:
    @labeling_function("a", "b", name="both")
    def function(example: Example) -> dict[str, int]:
        return {"a": 1, "b": -1 if "no" in example.text else 0}

    assert function.vote(examples("no", "yes")) == [{"a": 1, "b": -1}, {"a": 1}]
    assert function.name == "both"


def test_a_change_of_its_source_is_another_version() -> None:
    one = labeling_function("a")(lambda example: 1)
    other = labeling_function("a")(lambda example: -1)
    assert one.version != other.version
    assert labeling_function("a", version="7")(lambda example: 1).version == "7"


@pytest.mark.parametrize("found", [{"c": 1}, {"a": 2}, "a", 1])
def test_votes_that_are_none_are_refused(found: object) -> None:
    function = labeling_function("a", "b", name="odd")(lambda example: found)  # type: ignore[arg-type,return-value]
    with pytest.raises(LabelingError, match="labeling function odd, record 0"):
        function.vote(examples("x"))


def test_a_function_without_tags_is_refused() -> None:
    with pytest.raises(LabelingError, match="expected the tags that it votes for"):
        labeling_function()(lambda example: 1)


def test_names_find_aliases_parents_and_plurals(taxonomy: Taxonomy) -> None:
    function = words.names("names", ("a", "b", "top"), taxonomy)
    assert function.vote(examples("aleph", "two bs", "abstract")) == [{"a": 1, "top": 1}, {"b": 1}, {}]


def test_names_that_are_absent_may_count_against(taxonomy: Taxonomy) -> None:
    function = words.names("names", ("a", "b"), taxonomy, absent=-1)
    assert function.vote(examples("b")) == [{"a": -1, "b": 1}]


def test_words_may_be_looked_for_in_some_fields() -> None:
    example = Example(1, {"title": "maps", "topic": "Trees"}, "maps")
    assert words.keywords("k", ["a"], ["trees"], fields=["topic"]).vote([example]) == [{"a": 1}]
    assert words.keywords("k", ["a"], ["trees"]).vote([example]) == [{}]


def test_a_column_votes_by_its_value() -> None:
    function = words.column("c", "topic", {"cv": ["a", "b"]}, vote=-1)
    assert function.vote(examples("cv", "nlp")) == [{"a": -1, "b": -1}, {}]


def test_a_knowledge_base_votes_for_the_tags_of_its_phrases() -> None:
    function = words.knowledge("kb", {"q learning": ["a"], "map": ["b"]})
    assert function.vote(examples("Q-Learning on a map", "mapping")) == [{"a": 1, "b": 1}, {}]


def test_a_broken_pattern_is_refused() -> None:
    with pytest.raises(LabelingError, match="labeling function p: pattern: expected a regular expression"):
        words.pattern("p", ["a"], "(")


def test_learned_words_judge_their_own_texts_without_having_seen_them() -> None:
    texts = [f"{'cats' if n % 2 else 'dogs'} number {n}" for n in range(40)]
    y_LK = np.array([[n % 2] for n in range(40)], dtype=np.uint8)
    y_LK[5] = 0  # a slip that only a model which has seen it could repeat
    function = models.tfidf("learned", texts, y_LK, ["cat"], models.Bounds(0.6, 0.4))
    assert function.vote(examples(texts[5], "cats everywhere", "dogs")) == [{"cat": 1}, {"cat": 1}, {"cat": -1}]


def test_scores_of_a_file_vote_where_they_are_sure(tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    rows = [
        {"id": 0, "scores": {"a": 0.9, "b": 0.5}},
        {"id": "1", "tags": [{"tag": "a", "probability": 0.01, "threshold": 0.4, "accepted": False}]},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    function = models.scores("s", file, models.Bounds(0.8, 0.05))
    assert function.vote(examples("x", "y", "z")) == [{"a": 1}, {"a": -1}, {}]
    assert function.tags == ("a", "b")


@pytest.mark.parametrize("line", ["{", "[]", '{"id": 1}', '{"scores": {}}', '{"id": 1, "scores": {"a": "x"}}'])
def test_a_broken_file_of_scores_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text(line)
    with pytest.raises(LabelingError, match=r"scores\.jsonl"):
        models.scores("s", file, models.Bounds(0.8, 0.05))


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(LabelingError, match="expected negative < positive"):
        models.Bounds(0.2, 0.5)


def test_a_list_makes_functions_of_every_kind_of_words(
    tmp_path: Path, setting: Setting, write_rows: Callable[..., Path], records_file: Path
) -> None:
    write_rows("kb.json", {"tour": ["a"]})
    write_rows("scores.jsonl", json.dumps({"id": 0, "scores": {"b": 0.99}}))
    rows: list[dict[str, object]] = [
        {"kind": "keywords", "name": "k", "tags": ["a"], "any": ["sets"]},
        {"kind": "pattern", "name": "p", "tags": ["b"], "pattern": "graph", "vote": -1},
        {"kind": "names", "name": "n"},
        {"kind": "knowledge", "name": "kb", "file": "kb.json"},
        {"kind": "column", "name": "c", "column": "topic", "values": {"cv": ["a"]}},
        {"kind": "scores", "name": "s", "file": "scores.jsonl"},
        {"kind": "tfidf", "name": "t", "records": str(records_file)},
    ]
    assert {row["kind"] for row in rows} | {"bundle"} == set(KINDS)
    for path in (write_rows("f.json", {"functions": rows}), write_rows("f.yaml", json.dumps(rows))):
        functions = load_functions(path, setting)
        assert [function.name for function in functions] == ["k", "p", "n", "kb", "c", "s", "t"]
        assert functions[1].vote(examples("Graphs")) == [{"b": -1}]
        assert functions[5].vote(examples("x")) == [{"b": 1}]
        assert all(len(function.vote(examples("Sets", "Graphs"))) == 2 for function in functions)


BROKEN: Sequence[tuple[object, str]] = [
    ([], r'expected {"functions": \[...\]} with at least one'),
    ([{"kind": "keywords"}], "function 1: expected an object with a name"),
    ([{"kind": "keyword", "name": "k"}], "function 1 .k.: kind: expected .*; did you mean keywords"),
    ([{"kind": "keywords", "name": "k", "tags": ["a"]}], "any: this key is missing"),
    ([{"kind": "keywords", "name": "k", "tags": ["a"], "any": ["x"], "votes": 1}], "votes: .*; did you mean vote"),
    ([{"kind": "keywords", "name": "k", "tags": "a", "any": ["x"]}], 'tags: expected a list of tags, found "a"'),
    ([{"kind": "keywords", "name": "k", "tags": ["a"], "any": ["x"], "vote": 2}], "vote: expected 1 or -1"),
    ([{"kind": "pattern", "name": "p", "tags": ["a"], "pattern": "("}], "expected a regular expression"),
    ([{"kind": "knowledge", "name": "kb", "file": "none.json"}], "none.json: no such file"),
    ([{"kind": "scores", "name": "s", "file": "f.json", "positive": True}], "positive: expected a number"),
]


@pytest.mark.parametrize(("rows", "message"), BROKEN)
def test_a_broken_list_names_the_function_and_the_key(
    rows: object, message: str, setting: Setting, write_rows: Callable[..., Path]
) -> None:
    with pytest.raises(LabelingError, match=message):
        load_functions(write_rows("f.json", {"functions": rows}), setting)


def test_a_python_file_gives_its_functions(tmp_path: Path, setting: Setting) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from tagnet import labeling_function\n\n"
        "@labeling_function('a')\ndef one(example):\n    return 1 if 'sets' in example.text.lower() else None\n"
    )
    [function] = load_functions(path, setting)
    assert (function.name, function.vote(examples("Sets", "x"))) == ("one", [{"a": 1}, {}])


@pytest.mark.parametrize(("source", "message"), [("1 / 0", "ZeroDivisionError"), ("x = 1", "expected functions with")])
def test_a_python_file_that_cannot_be_used_is_refused(
    source: str, message: str, tmp_path: Path, setting: Setting
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source)
    with pytest.raises(LabelingError, match=message):
        load_functions(path, setting)
