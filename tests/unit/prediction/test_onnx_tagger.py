"""An ONNX export predicts what its bundle predicts, without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.bundle import Bundle
from tagnet.errors import BundleError, MissingExtraError, RecordError
from tagnet.prediction.onnx_folder import describe_onnx_folder, read_onnx_folder
from tagnet.prediction.onnx_tagger import OnnxTagger
from tagnet.prediction.tagger import Tagger
from tagnet.records.record import Record

Export = Callable[..., tuple[Bundle, Path]]
INPUTS: list[Any] = [
    "a tiny sql engine",
    "",
    {"title": "Tiny {SQL}", "description": "An engine. " * 30},
    Record(1, {"title": "graph " * 40, "description": "ünï 🎉"}, (), None),
    {"title": "only a title", "description": None},
    "\ud800 half a pair",
]


@pytest.mark.parametrize("window_overlap", [None, 4])
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_it_predicts_what_the_bundle_predicts(tiny_onnx: Export, window_overlap: int | None, batch_size: int) -> None:
    bundle, folder = tiny_onnx(window_overlap=window_overlap, feature_tokens={"description": 60})
    ours, theirs = Tagger.load(bundle.folder, "cpu"), OnnxTagger.load(folder, threads=1)
    probs_NK = theirs.probabilities(INPUTS, batch_size=batch_size)
    np.testing.assert_allclose(probs_NK, ours.probabilities(INPUTS), atol=1e-6, rtol=0)
    assert theirs.tags == ours.tags
    for mine, other in zip(ours.predict(INPUTS, top=2), theirs.predict(INPUTS, top=2), strict=True):
        assert [(p.tag, p.threshold, p.accepted) for p in mine] == [(p.tag, p.threshold, p.accepted) for p in other]


def test_the_model_itself_decides_as_the_rule_does(tiny_onnx: Export) -> None:
    _, folder = tiny_onnx(window_overlap=4)
    tagger = OnnxTagger.load(folder, threads=1)
    tokens = tagger.tokenize(INPUTS)
    sequences = [sequence for text in range(len(tokens)) for sequence in tokens.sequences(text)]
    assert len(sequences) > len(INPUTS)
    probs_SK, accepted_SK = tagger.run(sequences)
    assert (str(probs_SK.dtype), str(accepted_SK.dtype)) == ("float32", "bool")
    assert 0 < accepted_SK.sum() < accepted_SK.size
    assert (accepted_SK == tagger.described.rule.accept(probs_SK)).all()


def test_a_threshold_that_is_just_reached_is_reached_in_the_graph_too(tiny_onnx: Export) -> None:
    _, folder = tiny_onnx()
    (probs_K,), _ = OnnxTagger.load(folder, threads=1).run([[101, 7, 102]])
    exact_K = probs_K.astype(np.float64)
    shutil.rmtree(folder.parent)
    _, folder = tiny_onnx(thresholds_K=np.nextafter(exact_K, [0, 1, exact_K[2]]))
    tagger = OnnxTagger.load(folder, threads=1)
    (again_K,), (accepted_K,) = tagger.run([[101, 7, 102]])
    assert (again_K == probs_K).all()
    assert accepted_K.tolist() == [True, False, True] == tagger.described.rule.accept(again_K).tolist()


def test_nothing_to_predict_and_progress(tiny_onnx: Export) -> None:
    tagger = OnnxTagger.load(tiny_onnx()[1], threads=1)
    assert tagger.probabilities([]).shape == (0, 3)
    assert tagger.predict([]) == []
    counts: list[int] = []
    tagger.probabilities(["a", "b", "c"], batch_size=2, progress=counts.append)
    assert counts == [2, 3]
    with pytest.raises(TypeError, match="put it in brackets"):
        tagger.predict("one text")
    with pytest.raises(RecordError, match="record 0 of the input"):
        tagger.predict([{"titel": "x"}])


def test_the_description_says_all_that_the_bundle_knows(tiny_onnx: Export) -> None:
    bundle, folder = tiny_onnx(with_taxonomy=True)
    found = read_onnx_folder(folder)
    assert (found.tags, found.text, found.pad_id) == (bundle.tags, bundle.text, bundle.pad_id)
    assert (found.taxonomy, found.train_counts) == (bundle.taxonomy, bundle.train_counts)
    assert found.rule.to_plain() == bundle.rule.to_plain()
    assert (found.model_version, found.precision) == (bundle.fingerprint, "float32")


def test_torch_is_not_needed(tiny_onnx: Export, repository: Path) -> None:
    bundle, folder = tiny_onnx(window_overlap=4)
    texts = ["a tiny sql engine", "graph " * 60]
    script = (
        "import sys, json\n"
        "gone = {'torch', 'sklearn', 'scipy', 'pyarrow', 'transformers', 'pandas', 'onnx', 'hydra', 'safetensors'}\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in gone: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "from tagnet.prediction.onnx_tagger import OnnxTagger\n"
        "tagger = OnnxTagger.load(sys.argv[1], threads=1)\n"
        "print(json.dumps(tagger.probabilities(json.loads(sys.argv[2])).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), json.dumps(texts)],
        cwd=repository / "src",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    expected_NK = Tagger.load(bundle.folder, "cpu").probabilities(texts)
    np.testing.assert_allclose(json.loads(done.stdout), expected_NK, atol=1e-6, rtol=0)


def test_what_is_no_export_is_one_clear_error(
    tiny_onnx: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, folder = tiny_onnx()
    with pytest.raises(BundleError, match=r"found no tagnet\.json in it$"):
        OnnxTagger.load(tmp_path)
    with pytest.raises(BundleError, match=r"it is a bundle: tagnet export .* --to onnx --output DIR"):
        OnnxTagger.load(bundle.folder)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="onnxruntime"):
        OnnxTagger.load(folder)
    monkeypatch.undo()
    description = json.loads((folder / "tagnet.json").read_text())
    (folder / "tagnet.json").write_text(json.dumps({**description, "pad_id": 1}))
    with pytest.raises(BundleError, match="not what its own fingerprint says"):
        OnnxTagger.load(folder)
    (folder / "tagnet.json").write_text(json.dumps(description))
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(BundleError, match=r"model\.onnx: its SHA-256 is not the one in tagnet\.json"):
        OnnxTagger.load(folder)


def test_many_texts_are_told_the_same_by_several_threads(tiny_onnx: Export) -> None:
    _, folder = tiny_onnx()
    texts = [f"{text} {place}" for place, text in enumerate(INPUTS * 7) if isinstance(text, str)]
    one, several = OnnxTagger.load(folder, threads=1), OnnxTagger.load(folder, threads=3)
    np.testing.assert_allclose(
        several.probabilities(texts, batch_size=2), one.probabilities(texts, batch_size=2), atol=1e-6, rtol=0
    )
    assert several._single is not None
    assert one._single is None


def test_few_batches_are_computed_one_after_the_other(tiny_onnx: Export) -> None:
    tagger = OnnxTagger.load(tiny_onnx()[1], threads=3)
    tagger.probabilities([f"graphs {place}" for place in range(11)], batch_size=2)
    assert tagger._single is None


def test_an_export_that_took_the_folders_place_is_not_mixed_with_the_first(tiny_onnx: Export) -> None:
    _, folder = tiny_onnx()
    tagger = OnnxTagger.load(folder, threads=2)
    described = read_onnx_folder(folder)
    describe_onnx_folder(replace(described, model_version="another"))
    with pytest.raises(BundleError, match="expected the export that was loaded, found another one"):
        tagger.probabilities(["graphs"] * 8, batch_size=2)
