"""A bundle that predicts, from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tagnet.bundle import Bundle
from tagnet.data.tokens import tokenize
from tagnet.errors import BundleError, RecordError
from tagnet.model.encoder import Encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.inference import compute_logits
from tagnet.prediction.tagger import Tagger
from tagnet.records.record import Record

Write = Callable[..., Bundle]


@pytest.fixture
def tagger(write_tiny_bundle: Write) -> Tagger:
    return Tagger.load(write_tiny_bundle().folder, "cpu")


def test_probabilities_are_the_calibrated_logits(
    write_tiny_bundle: Write, make_network: Callable[..., TaggerNetwork], tiny: Encoder
) -> None:
    network = make_network()
    bundle = write_tiny_bundle(network=network)
    texts = ["a tiny sql engine", "graphs"]
    logits_NK = compute_logits(network, tokenize(tiny.tokenizer, texts, 32), tiny.pad_id, batch_size=2)
    probs_NK = Tagger.load(str(bundle.folder), "cpu").probabilities(texts)
    np.testing.assert_allclose(probs_NK, bundle.rule.probabilities(logits_NK), atol=1e-6, rtol=0)
    assert probs_NK.dtype == np.float64


def test_a_text_and_its_record_are_the_same(tagger: Tagger) -> None:
    fields = {"title": "Tiny {SQL}", "description": "An engine.", "url": "ignored"}
    inputs: list[Any] = ["Tiny {SQL} An engine.", fields, Record(1, fields, (), None)]
    probs_NK = tagger.probabilities(inputs)
    np.testing.assert_allclose(probs_NK, probs_NK[:1].repeat(3, 0), atol=1e-6, rtol=0)


def test_missing_and_null_fields_are_empty(tagger: Tagger) -> None:
    inputs: list[Any] = ["only a title", {"title": "only a title"}, {"title": "only a title", "description": None}]
    probs_NK = tagger.probabilities(inputs)
    np.testing.assert_allclose(probs_NK, probs_NK[:1].repeat(3, 0), atol=1e-6, rtol=0)


def test_budgets_cut_the_fields_of_records_and_not_texts(write_tiny_bundle: Write) -> None:
    tagger = Tagger.load(write_tiny_bundle(feature_tokens={"title": 2}).folder, "cpu")
    inputs: list[Any] = [{"title": "one two three", "description": "four"}, "one two four", "one two three four"]
    cut, same, whole = tagger.probabilities(inputs)
    np.testing.assert_allclose(cut, same, atol=1e-6, rtol=0)
    assert np.abs(cut - whole).max() > 1e-6


def test_windows_see_the_end_of_a_long_text(write_tiny_bundle: Write) -> None:
    texts = ["graph " * 40 + "sql " * 40, "graph " * 40 + "rust " * 40]
    cut = Tagger.load(write_tiny_bundle("cut").folder, "cpu").probabilities(texts)
    windows = Tagger.load(write_tiny_bundle("windows", window_overlap=4).folder, "cpu").probabilities(texts)
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-6, rtol=0)
    assert np.abs(windows[0] - windows[1]).max() > 1e-4


@pytest.mark.parametrize(
    "text", ["", " ", "{", "{title}", "\ud800 half a pair", "\udcff", "🎉" * 500, "[SEP] [PAD]", "\0"]
)
def test_no_text_is_too_odd(text: str, tagger: Tagger) -> None:
    assert np.isfinite(tagger.probabilities([text, {"title": text}])).all()


def test_nothing_to_predict(tagger: Tagger) -> None:
    assert tagger.probabilities([]).shape == (0, 3)
    assert tagger.predict([]) == []


def test_predictions_go_from_the_most_to_the_least_probable(tagger: Tagger) -> None:
    texts = ["a tiny sql engine", "graphs"]
    probs_NK, found = tagger.probabilities(texts), tagger.predict(texts)
    for probs_K, predictions in zip(probs_NK, found, strict=True):
        assert {p.tag: p.probability for p in predictions} == dict(zip(tagger.tags, probs_K, strict=True))
        assert [p.probability for p in predictions] == sorted(probs_K, reverse=True)
        for p in predictions:
            k = tagger.tags.index(p.tag)
            assert p.threshold == tagger.bundle.rule.thresholds_K[k]
            assert p.accepted is bool(p.probability >= p.threshold)
    assert [[p.tag for p in predictions] for predictions in tagger.predict(texts, top=2)] == [
        [p.tag for p in predictions[:2]] for predictions in found
    ]
    assert [len(predictions) for predictions in tagger.predict(texts, top=99)] == [3, 3]


def test_one_tag(write_tiny_bundle: Write) -> None:
    tagger = Tagger.load(write_tiny_bundle(tags=("arxiv:2005.10872 ",)).folder, "cpu")
    assert [p.tag for p in tagger.predict(["text"])[0]] == ["arxiv:2005.10872 "]


def test_progress_and_batches(tagger: Tagger) -> None:
    counts: list[int] = []
    tagger.probabilities(["a", "b", "c"], batch_size=2, progress=counts.append)
    assert counts == [2, 3]


@pytest.mark.parametrize("single", ["one text", {"title": "one record"}])
def test_a_single_input_is_refused(single: Any, tagger: Tagger) -> None:
    with pytest.raises(TypeError, match="put it in brackets"):
        tagger.predict(single)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"titel": "x"}, "record 1 of the input: expected at least one of the fields title, description, found titel"),
        ({}, "expected at least one of the fields title, description, found none"),
        ({"title": 3}, "record 1 of the input: expected a text as its title, found 3"),
    ],
)
def test_a_record_that_cannot_be_read_is_named(record: Any, message: str, tagger: Tagger) -> None:
    with pytest.raises(RecordError, match=message):
        tagger.predict(["fine", record])


def test_no_bundle(tmp_path: Any) -> None:
    with pytest.raises(BundleError, match="found no bundle"):
        Tagger.load(tmp_path)
