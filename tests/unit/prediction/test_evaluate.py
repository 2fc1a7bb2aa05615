"""A bundle against labelled records."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tagnet.bundle import Bundle
from tagnet.errors import LabelSpaceError
from tagnet.prediction.evaluate import evaluate
from tagnet.prediction.tagger import Tagger
from tagnet.records.record import Record


def record(number: int, *tags: str) -> Record:
    return Record(number, {"title": f"record {number}", "description": "of some words"}, tags, None)


@pytest.fixture
def tagger(write_tiny_bundle: Callable[..., Bundle]) -> Tagger:
    return Tagger.load(write_tiny_bundle().folder, "cpu")


def test_aliases_count_and_what_is_outside_does_not(tagger: Tagger) -> None:
    records = [
        record(1, "nlp", "outside"),
        record(2, "nlp alias", "graphs"),
        record(3, "outside"),
        record(4),
        record(5, "databases"),
    ]
    found = evaluate(tagger, records)
    assert (found.num_records, found.num_untagged_dropped) == (3, 2)
    assert {row.tag: row.support for row in found.rows} == {"databases": 1, "graphs": 1, "nlp": 2}
    assert {row.tag: row.train_support for row in found.rows} == {"databases": 0, "graphs": 1, "nlp": 2}
    kept = [records[0], records[1], records[4]]
    np.testing.assert_allclose(found.probs_NK, tagger.probabilities(kept), atol=1e-6, rtol=0)


def test_one_record(tagger: Tagger) -> None:
    found = evaluate(tagger, [record(1, "nlp")])
    assert found.num_records == 1
    assert all(np.isfinite(estimate.value) for estimate in found.result.overall.values())


def test_it_measures_as_the_run_did(tagger: Tagger) -> None:
    found = evaluate(tagger, [record(1, "nlp"), record(2, "graphs", "nlp")])
    assert (len(found.result.draws["map"]), found.result.confidence) == (50, 0.8)
    assert {name for name in found.result.overall if "_at_" in name} == {
        f"{name}_at_{k}" for name in ("precision", "recall") for k in (1, 2)
    }


@pytest.mark.parametrize("records", [[], [record(1)], [record(1, "outside")]])
def test_nothing_to_measure(records: list[Record], tagger: Tagger) -> None:
    with pytest.raises(LabelSpaceError, match=f"none of the {len(records)} records"):
        evaluate(tagger, records)
