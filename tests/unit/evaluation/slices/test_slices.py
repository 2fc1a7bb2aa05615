"""What slices are cut from, conditions, named slices, reports, and the records of a pool that are like them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagnet.errors import DataError
from tagnet.evaluation.slices.features import automatic_conditions, words_of
from tagnet.evaluation.slices.judged import Judged
from tagnet.evaluation.slices.named import load_slices
from tagnet.evaluation.slices.nearest import like_slices
from tagnet.evaluation.slices.report import Slice, f1_micro, slice_report
from tagnet.records.taxonomy import build_taxonomy

TOPICS = ("graphs of nodes and edges", "pictures of cats and dogs", "texts with many words", "sounds of rare birds")


@pytest.fixture
def judged() -> Judged:
    """240 calibrated records of four topics."""
    rng = np.random.default_rng(0)
    number = 240
    probs = rng.uniform(0.05, 0.95, (number, 3))
    labels = (rng.random(probs.shape) < probs).astype(np.uint8)
    texts = tuple(f"{TOPICS[n % 4]} {'x' * (n % 7)} number{n % 5}" for n in range(number))
    fields = tuple(
        {"title": texts[n], "description": "" if n % 3 else "there", "source": "ab"[n % 2]} for n in range(number)
    )
    dates = tuple(datetime(2020, 1, 1) + timedelta(days=n) for n in range(number))
    return Judged(("a", "b", "c"), tuple(range(number)), texts, fields, dates, labels, probs, probs >= 0.5)


def broken(judged: Judged, member: NDArray[np.bool_]) -> Judged:
    labels = judged.y_NK.copy()
    labels[member] = 1 - (judged.probs_NK[member] >= 0.5)
    return Judged(
        judged.tags, judged.ids, judged.texts, judged.fields, judged.dates, labels, judged.probs_NK, judged.accepted_NK
    )


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5))
def test_the_expected_surprise_of_a_calibrated_model_is_zero(probabilities: list[float]) -> None:
    """Over all labels that a record may have, weighted by the probability that it has them."""
    number = len(probabilities)
    labels = np.array([[(n >> k) & 1 for k in range(number)] for n in range(2**number)], dtype=np.uint8)
    probs = np.tile(probabilities, (len(labels), 1))
    count = len(labels)
    judged = Judged(
        tuple("abcde"[:number]),
        tuple(range(count)),
        ("",) * count,
        ({},) * count,
        (None,) * count,
        labels,
        probs,
        probs > 0.5,
    )
    weight = np.where(labels > 0, probs, 1 - probs).prod(1)
    assert abs(float(weight @ judged.surprise_N)) < 1e-6
    assert abs(float(weight @ judged.surprise_without([0]))) < 1e-6


def test_shapes_that_differ_are_refused(judged: Judged) -> None:
    with pytest.raises(ValueError, match=r"probs_NK: expected \(240, 3\)"):
        Judged(
            judged.tags,
            judged.ids,
            judged.texts,
            judged.fields,
            judged.dates,
            judged.y_NK,
            judged.probs_NK[:, :2],
            judged.accepted_NK,
        )
    with pytest.raises(ValueError, match="texts: expected 240"):
        Judged(
            judged.tags,
            judged.ids,
            judged.texts[1:],
            judged.fields,
            judged.dates,
            judged.y_NK,
            judged.probs_NK,
            judged.accepted_NK,
        )


def test_conditions_of_every_kind_are_found(judged: Judged) -> None:
    taxonomy = build_taxonomy(
        [{"tag": "a", "aliases": [], "parents": ["top"]}, {"tag": "top", "aliases": [], "parents": []}], "tags.json"
    )
    found = automatic_conditions(judged, taxonomy=taxonomy, known_words=words_of(TOPICS[:2]))
    kinds = {condition.kind for condition in found}
    assert kinds == {
        "tag",
        "suggested",
        "length",
        "missing",
        "column",
        "date",
        "unknown words",
        "word",
        "neighbourhood",
    }
    assert {c.columns for c in found if c.kind == "tag"} == {(0,), (1,), (2,)}
    assert all(10 <= condition.member_N.sum() <= 230 for condition in found)
    assert len({condition.member_N.tobytes() for condition in found}) == len(found)


def test_neighbourhoods_do_not_depend_on_the_order_of_records(judged: Judged) -> None:
    order = np.random.default_rng(1).permutation(len(judged.ids))
    first = {c.member_N[order].tobytes() for c in automatic_conditions(judged) if c.kind == "neighbourhood"}
    second = {c.member_N.tobytes() for c in automatic_conditions(judged.take(order)) if c.kind == "neighbourhood"}
    assert first == second


def test_a_broken_region_comes_first_and_a_sound_model_has_none(judged: Judged) -> None:
    sound = slice_report(judged, automatic_conditions(judged))
    assert not sound.bad
    member = np.array([n % 4 == 1 for n in range(240)])
    report = slice_report(broken(judged, member), automatic_conditions(judged))
    assert np.array_equal(report.rows[0].member_N, member)
    assert report.rows[0].q <= 0.1
    assert report.rows[0].surprise > 1
    assert report.rows[0].f1_micro < report.overall_f1
    # Words of the topic and its neighbourhoods are the same records, told once.
    assert sum(np.array_equal(row.member_N, member) for row in report.rows) == 1


def test_records_that_were_chosen_by_a_tag_are_not_judged_by_its_cell(judged: Judged) -> None:
    """Those that bear a tag all went worse in its cell than the model thought possible."""
    rng = np.random.default_rng(5)
    probs = rng.beta(1.0, 6.0, judged.probs_NK.shape)
    labels = (rng.random(probs.shape) < probs).astype(np.uint8)
    rare = replace(judged, probs_NK=probs, y_NK=labels, accepted_NK=probs >= 0.5)
    bears = labels[:, 0] > 0
    assert rare.surprise_N[bears].mean() > 0.5
    assert abs(rare.surprise_without((0,))[bears].mean()) < 0.3


def test_f1_of_a_slice_is_that_of_its_records(judged: Judged) -> None:
    from sklearn.metrics import f1_score

    member = np.arange(240) < 50
    expected = f1_score(judged.y_NK[:50], judged.accepted_NK[:50], average="micro")
    assert f1_micro(judged, member) == pytest.approx(expected)
    [row] = slice_report(judged, [], named=[Slice("first", "named", member)]).rows
    assert (row.name, row.size) == ("first", 50)
    assert row.f1_micro == pytest.approx(expected)
    assert row.f1_low < row.f1_micro < row.f1_high


def test_named_slices_of_a_list(judged: Judged, tmp_path: Path) -> None:
    rows = [
        {"name": "birds", "words": ["birds"], "fields": {"source": "b"}},
        {"name": "a only", "tags": ["a"], "without_tags": ["b"]},
        {"name": "bare", "missing": ["description"]},
        {"name": "winter", "from": "2020-01-01", "until": "2020-02-01"},
        {"name": "east", "from": "2020-01-01T01:00+01:00", "until": "2020-02-01"},
        {"name": "short", "shorter_than": 6, "longer_than": 4},
    ]
    for name, text in (("s.json", json.dumps({"slices": rows})), ("s.yaml", json.dumps(rows))):
        path = tmp_path / name
        path.write_text(text)
        sizes = {each.name: int(each.member_N.sum()) for each in load_slices(path, judged)}
        assert sizes["birds"] == 60
        assert sizes["a only"] == int(((judged.y_NK[:, 0] > 0) & (judged.y_NK[:, 1] == 0)).sum())
        assert (sizes["bare"], sizes["winter"], sizes["east"]) == (160, 31, sizes["winter"])
        assert {each.name: each.columns for each in load_slices(path, judged)}["a only"] == (0, 1)
        assert 0 < sizes["short"] < 240


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "x"}, "expected an object with a name and a condition"),
        ({"name": "x", "tag": ["a"]}, "tag: there is no such key; did you mean tags"),
        ({"name": "x", "tags": ["A1"]}, "'A1' is none of the tags"),
        ({"name": "x", "tags": "a"}, "tags: expected a list of texts"),
        ({"name": "x", "missing": ["titel"]}, "no record has the column 'titel'; did you mean title"),
        ({"name": "x", "from": "yesterday"}, "from: expected a date"),
        ({"name": "x", "longer_than": "3"}, "longer_than: expected a number of words"),
        ({"name": "x", "fields": []}, "fields: expected column → value"),
    ],
)
def test_a_broken_list_names_slice_and_key(
    row: dict[str, object], message: str, judged: Judged, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps([row]))
    with pytest.raises(DataError, match=message):
        load_slices(path, judged)


def test_slices_in_python(judged: Judged, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from tagnet.evaluation.slices.named import slice_function\n\n"
        "@slice_function('late cats', tags=['a'])\ndef late(example):\n"
        "    return 'cats' in example.text and example.created_on.month > 6 and 'a' in example.tags\n"
    )
    [found] = load_slices(path, judged)
    assert found.name == "late cats"
    assert 0 < found.member_N.sum() < 60
    assert found.columns == (0,)
    path.write_text(path.read_text().replace("created_on.month > 6", "fields['stars'] > 6"))
    with pytest.raises(DataError, match=r"slice 'late cats', record 1: KeyError: 'stars'; let the function return"):
        load_slices(path, judged)
    path.write_text(path.read_text().replace("tags=['a']", "tags=['aa']"))
    with pytest.raises(DataError, match="'aa' is none of the tags; did you mean a"):
        load_slices(path, judged)
    path.write_text("1 / 0")
    with pytest.raises(DataError, match=r"mine.py: cannot be imported: ZeroDivisionError"):
        load_slices(path, judged)


def test_a_sound_model_is_not_blamed_for_records_chosen_by_their_tags(judged: Judged, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps([{"name": tag, "tags": [tag]} for tag in judged.tags]))
    rng = np.random.default_rng(7)
    blamed = 0
    for _ in range(10):
        labels = (rng.random(judged.probs_NK.shape) < judged.probs_NK).astype(np.uint8)
        drawn = replace(judged, y_NK=labels)
        blamed += bool(slice_report(drawn, [], named=load_slices(path, drawn)).bad)
    assert blamed <= 3


def test_a_bad_region_between_clusters_is_found_by_the_scan(judged: Judged) -> None:
    words = np.random.default_rng(8)
    places = words.random(len(judged.ids))
    # Texts along a line: neighbours share most of their words.
    texts = tuple(" ".join(f"w{int(place * 60) + step}" for step in range(8)) for place in places)
    member = (places > 0.40) & (places < 0.55)
    moved = broken(replace(judged, texts=texts), member)
    report = slice_report(moved, automatic_conditions(moved))
    overlap = [(row.member_N & member).sum() / (row.member_N | member).sum() for row in report.rows[:3]]
    assert max(overlap) >= 0.5


def test_a_missing_date_does_not_cost_the_other_dates(judged: Judged) -> None:
    dates = tuple(None if n < 12 else date for n, date in enumerate(judged.dates))
    found = automatic_conditions(replace(judged, dates=dates))
    assert any(c.kind == "date" for c in found)
    assert any(c.name == "the date is missing" and c.member_N.sum() == 12 for c in found)


def test_the_pool_is_asked_for_what_is_like_the_worst_slice(judged: Judged) -> None:
    member = np.array([n % 4 == 3 for n in range(240)])
    report = slice_report(broken(judged, member), automatic_conditions(judged))
    pool = [f"{TOPICS[n % 4]} of the pool" for n in range(40)]
    chosen = like_slices(report.bad[:1], judged.texts, pool, 10)
    assert len(set(chosen.tolist())) == 10
    assert all(n % 4 == 3 for n in chosen.tolist())
    assert len(like_slices(report.bad, judged.texts, pool, 99)) == 40
    assert len(like_slices([], judged.texts, pool, 9)) == 0


def test_of_nothing_there_is_nothing_to_say(make: Callable[[int], Judged]) -> None:
    for number in (0, 1):
        few = make(number)
        report = slice_report(few, automatic_conditions(few))
        assert report.rows == ()


@pytest.fixture
def make(judged: Judged) -> Callable[[int], Judged]:
    return lambda number: judged.take(range(number))
