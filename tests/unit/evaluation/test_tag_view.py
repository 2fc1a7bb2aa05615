from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.errors import ConfigError
from tagnet.evaluation.tag_view import find_names, find_tag, typical_words, view_tag

Make = Callable[..., tuple[Prepared, TrainConfig]]


def test_a_tag_with_its_place_company_and_records(make: Make) -> None:
    prepared, _ = make()
    view = view_tag(prepared, "graphs")
    assert (view.tag, view.aliases, view.parents, view.children) == ("graphs", ("graph",), (), ("gnn",))
    assert view.count == 12
    assert view.share == pytest.approx(12 / 25)
    assert sum(count for count, _ in view.sides.values()) == 12
    train_count, train_share = view.sides["train"]
    assert train_share == pytest.approx(train_count / len(prepared.split.train))
    (companion,) = view.companions
    assert (companion.tag, companion.count, companion.share) == ("gnn", 12, 1.0)
    assert companion.lift == pytest.approx(25 / 12)
    assert {word.word for word in view.words} >= {"nodes", "edges"}
    assert "pixels" not in {word.word for word in view.words}
    assert len(view.examples) == 5
    assert all("graphs" in example.tags for example in view.examples)


def test_records_that_name_an_alias_and_do_not_bear_the_tag_are_likely_missing(make: Make) -> None:
    (missing,) = view_tag(make()[0], "graphs").likely_missing
    assert (missing.id, missing.named, missing.tags) == (25, "graph", ("vision",))
    assert missing.side in ("train", "val", "test")


def test_an_alias_is_resolved(make: Make) -> None:
    view = view_tag(make()[0], "gnn-alias")
    assert (view.tag, view.asked, view.parents) == ("gnn", "gnn-alias", ("graphs",))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("visoin", "did you mean vision"),
        ("graph-alias", "did you mean"),
        ("old", r"1 record\(s\) bear it, fewer than labels\.min_count"),
        ("gnn-alias", r"an alias of 'gnn'.*12 record\(s\) bear it, but labels\.exclude"),
        ("nobody", "the taxonomy does not know it"),
        ("never", "no record bears it"),
        ("zzzzzz", "none of the 2 tags"),
    ],
)
def test_a_tag_that_is_not_learnt_is_an_error_that_says_why(make: Make, name: str, expected: str) -> None:
    prepared, _ = make("labels.exclude=[gnn]")
    with pytest.raises(ConfigError, match=expected):
        find_tag(prepared, name)


def test_without_a_taxonomy_a_tag_has_no_relations(make: Make) -> None:
    view = view_tag(make(taxonomy=False)[0], "gnn-alias")
    assert (view.aliases, view.parents, view.children) == ((), (), ())


def test_a_tag_that_every_record_bears_has_no_typical_words() -> None:
    assert typical_words(["a graph", "a map"], np.ones(2, dtype=bool)) == ()


def test_typical_words_have_the_log_odds_of_their_records() -> None:
    bears_N = np.array([True] * 10 + [False] * 10)
    texts = ["cat cat dog"] * 8 + ["dog"] * 2 + ["cat dog"] + ["dog"] * 9
    (word,) = typical_words(texts, bears_N)
    assert (word.word, word.count, word.share_inside, word.share_outside) == ("cat", 8, 0.8, 0.1)
    assert word.log_odds == pytest.approx(np.log(8.5 / 2.5) - np.log(1.5 / 9.5))


def test_names_are_whole_words_whatever_their_case_and_punctuation() -> None:
    texts = ["Time-Series!", "time serieses", "timeseries", "C++ code", "C code"]
    assert find_names(texts, ["time-series", "c++"]) == ["time-series", None, None, "c++", None]


def test_a_name_of_punctuation_alone_is_never_found() -> None:
    assert find_names(["anything ..."], ["..."]) == [None]
