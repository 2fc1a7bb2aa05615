"""A real model, loaded for serving: what the server writes is what `tagnet predict` writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.bundle import Bundle
from tagnet.errors import BundleError
from tagnet.prediction.onnx_tagger import OnnxTagger
from tagnet.serving import engine as module
from tagnet.serving.engine import Engine, load_engine

RECORDS = [{"title": "A tiny engine", "description": "of SQL " * n} for n in range(6)]


@pytest.fixture
def folder(tiny_onnx: Callable[..., tuple[Bundle, Path]]) -> Path:
    return tiny_onnx()[1]


@pytest.mark.parametrize("top", [None, 1, 2, 99])
def test_what_is_written_is_what_a_tagger_predicts(folder: Path, top: int | None) -> None:
    engine = load_engine(folder, 1)
    tagger = OnnxTagger.load(folder)
    probs_NK = tagger.probabilities(RECORDS)
    answer = json.loads(engine.render(probs_NK, top))
    assert answer["model_version"] == tagger.described.model_version
    expected = [
        [
            {"tag": p.tag, "threshold": p.threshold, "probability": p.probability, "accepted": p.accepted}
            for p in predictions
        ]
        for predictions in tagger.predict(RECORDS, top=top)
    ]
    assert [result["tags"] for result in answer["results"]] == expected


def test_names_that_json_must_escape(make_model: Any) -> None:
    model = make_model()
    tags = ('a "quoted" \\ tag', "ünïcode\n")
    object.__setattr__(model.described.rule, "tags", tags)
    object.__setattr__(model.described, "train_counts", dict.fromkeys(tags, 0))
    answer = json.loads(Engine(model).render(np.array([[0.25, 1e-9]]), None))
    assert [tag["tag"] for tag in answer["results"][0]["tags"]] == list(tags)
    assert [tag["tag"] for tag in json.loads(Engine(model).labels(annotations=False))["tags"]] == list(tags)


def test_a_folder_that_is_replaced_meanwhile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = iter([b"one", b"another"])
    monkeypatch.setattr(module, "_content", lambda path: next(contents))
    with pytest.raises(BundleError, match="replaced while it was read"):
        load_engine(folder, 1)
