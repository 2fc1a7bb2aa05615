from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tagnet.errors import TaxonomyError
from tagnet.records.taxonomy import build_taxonomy, load_taxonomy, to_rows


def entry(tag: str, aliases: list[str] | None = None, parents: list[str] | None = None) -> dict[str, Any]:
    return {"tag": tag, "aliases": aliases or [], "parents": parents or []}


ROWS = [
    entry("nlp", ["natural-language-processing", "text"]),
    entry("question-answering", ["qa"], ["nlp"]),
    entry("kbqa", [], ["qa", "knowledge-graphs"]),
    entry("knowledge-graphs", [], ["graphs"]),
    entry("graphs"),
]


def test_names_are_resolved_exactly() -> None:
    taxonomy = build_taxonomy(ROWS, "tags.json")
    assert taxonomy.tags == ("nlp", "question-answering", "kbqa", "knowledge-graphs", "graphs")
    assert taxonomy.resolve("qa") == "question-answering"
    assert taxonomy.resolve("qa", aliases=False) is None
    assert taxonomy.resolve("QA") is None
    assert taxonomy.resolve("qa ") is None
    assert taxonomy.aliases_of("nlp") == ("natural-language-processing", "text")


def test_a_parent_that_is_an_alias_means_its_tag() -> None:
    taxonomy = build_taxonomy(ROWS, "tags.json")
    assert taxonomy.parents_of("kbqa") == ("question-answering", "knowledge-graphs")
    assert taxonomy.ancestors("kbqa") == ("question-answering", "knowledge-graphs", "nlp", "graphs")
    assert taxonomy.children("question-answering") == ("kbqa",)
    assert taxonomy.children("kbqa") == ()
    assert taxonomy.warnings == ()


def test_canonical_tags_stand_once_and_in_order() -> None:
    taxonomy = build_taxonomy(ROWS, "tags.json")
    tags = ["vision", "qa", "question-answering", "graphs"]
    assert taxonomy.canonical(tags, resolve_aliases=True, add_parents=False) == (
        ["question-answering", "graphs"],
        ["vision"],
    )
    assert taxonomy.canonical(tags, resolve_aliases=False, add_parents=True) == (
        ["question-answering", "nlp", "graphs"],
        ["vision", "qa"],
    )


def test_rows_survive_the_way_there_and_back() -> None:
    assert to_rows(build_taxonomy(ROWS, "tags.json")) == ROWS


def test_a_parent_nobody_declares_is_a_warning() -> None:
    rows = [entry("a", parents=["hearing"]), entry("b", parents=["hearing", "a"])]
    taxonomy = build_taxonomy(rows, "tags.json")
    assert taxonomy.warnings == ("tags.json: 'hearing', parent of a, b, is neither a tag nor an alias; it is ignored",)
    assert taxonomy.parents_of("b") == ("a",)
    assert taxonomy.ancestors("a") == ()


def test_an_alias_that_is_a_tag_means_the_tag() -> None:
    taxonomy = build_taxonomy([entry("a", ["b", "a"]), entry("b")], "tags.json")
    assert taxonomy.resolve("b") == "b"
    assert taxonomy.warnings == ("tags.json: 'b' is an alias of 'a' and a tag too; it means the tag",)


def test_a_key_that_is_not_read_is_a_warning() -> None:
    taxonomy = build_taxonomy([{"tag": "a", "alias": ["b"]}], "tags.json")
    assert taxonomy.warnings == ("tags.json: the key 'alias' is not read; did you mean aliases?",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([entry("a", parents=["b"]), entry("b", parents=["a"])], "in a circle: a → b → a"),
        ([entry("a", parents=["a"])], "in a circle: a → a"),
        ([entry("x", parents=["a"]), entry("a", ["one"], ["b"]), entry("b", parents=["one"])], "circle: a → b → a"),
        ([entry("a", ["c"]), entry("b", ["c"])], "the alias 'c' stands for two tags, 'a' and 'b'"),
        ([entry("a"), entry("b"), entry("a")], "the tag 'a' is declared twice, in entries 1 and 3"),
        (["a"], 'entry 1: expected an object .*, found "a"'),
        ([entry("a"), {"aliases": []}], "entry 2: tag: expected a non-empty string, found nothing"),
        ([{"tags": "a"}], "entry 1: tag: expected a non-empty string, found nothing; did you mean tags"),
        ([{"tag": 3}], "entry 1: tag: expected a non-empty string, found 3"),
        ([{"tag": ""}], 'entry 1: tag: expected a non-empty string, found ""'),
        ([{"tag": "a", "aliases": "b"}], r"entry 1 \('a'\): aliases: expected a list of strings, found \"b\""),
        ([{"tag": "a", "parents": [None]}], r"entry 1 \('a'\): parents: expected a list of strings, found \[null\]"),
    ],
)
def test_contradictions_and_wrong_types_are_named(rows: list[Any], message: str) -> None:
    with pytest.raises(TaxonomyError, match=message) as caught:
        build_taxonomy(rows, "tags.json")
    assert str(caught.value).startswith("tags.json")
    assert str(caught.value).count("\n") < 3


def test_a_tag_outside_is_an_error_that_names_the_nearest() -> None:
    taxonomy = build_taxonomy(ROWS, "tags.json")
    for ask in (taxonomy.ancestors, taxonomy.children, taxonomy.parents_of, taxonomy.aliases_of):
        with pytest.raises(TaxonomyError, match="'graph' is not a tag of the taxonomy; did you mean graphs"):
            ask("graph")


def test_long_chains_and_diamonds_are_no_cycles() -> None:
    chain = [entry(str(n), parents=[str(n + 1)]) for n in range(5_000)] + [entry("5000")]
    assert len(build_taxonomy(chain, "tags.json").ancestors("0")) == 5_000
    with pytest.raises(TaxonomyError, match="0 → 1 → 2"):
        build_taxonomy([*chain[:-1], entry("5000", parents=["0"])], "tags.json")
    diamond = [entry("a", parents=["b", "c"]), entry("b", parents=["d"]), entry("c", parents=["d"]), entry("d")]
    assert build_taxonomy(diamond, "tags.json").ancestors("a") == ("b", "c", "d")


EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=14)


@given(EDGES)
def test_a_cycle_is_found_exactly_when_there_is_one(edges: list[tuple[int, int]]) -> None:
    rows = [entry(str(n), parents=[str(p) for child, p in edges if child == n]) for n in range(8)]
    above = {n: {p for child, p in edges if child == n} for n in range(8)}
    for _ in range(8):
        above = {n: direct.union(*(above[p] for p in direct)) for n, direct in above.items()}
    if any(n in reached for n, reached in above.items()):
        with pytest.raises(TaxonomyError) as caught:
            build_taxonomy(rows, "tags.json")
        circle = str(caught.value).partition("circle: ")[2].partition("\n")[0].split(" → ")
        assert circle[0] == circle[-1]
        assert all((int(a), int(b)) in edges for a, b in pairwise(circle))
    else:
        taxonomy = build_taxonomy(rows, "tags.json")
        assert all(set(taxonomy.ancestors(str(n))) == {str(p) for p in above[n]} for n in range(8))


def test_files_that_hold_no_taxonomy(tmp_path: Path) -> None:
    path = tmp_path / "tags.json"
    with pytest.raises(TaxonomyError, match=r"tags\.json: no such file"):
        load_taxonomy(path)
    path.write_text('[{"tag": "a",}]')
    with pytest.raises(TaxonomyError, match=r"tags\.json: expected a JSON array of tags, found broken JSON at line 1"):
        load_taxonomy(path)
    path.write_text('{"a": []}')
    with pytest.raises(TaxonomyError, match=r'expected an array of .*, found {"a": '):
        load_taxonomy(path)
    path.write_text(json.dumps([{"tag": "a", "parents": ["a"]}]))
    with pytest.raises(TaxonomyError, match=r"tags\.json: parents run in a circle"):
        load_taxonomy(path)


def test_the_taxonomy_of_madewithml_loads(shared_data: Path) -> None:
    taxonomy = load_taxonomy(shared_data / "tags.json")
    assert len(taxonomy.tags) == 400
    assert [warning.split("'")[1] for warning in taxonomy.warnings] == ["testing", "health", "audio", "decision-tree"]
    # The fifth parent that nobody declares is an alias.
    assert "question-answering" in taxonomy.parents_of("knowledge-base-question-answering")
    assert to_rows(taxonomy) == json.loads((shared_data / "tags.json").read_text())
