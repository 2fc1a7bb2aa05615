"""Weights that are too large for a protobuf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tagnet.bundle import Bundle, load_network
from tagnet.export import onnx as onnx_export
from tagnet.export.onnx import write_onnx
from tagnet.export.quantize import write_onnx_int8
from tagnet.prediction.onnx_tagger import OnnxTagger
from tagnet.prediction.tagger import Tagger


def test_large_weights_have_a_file_of_their_own(
    write_tiny_bundle: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "LARGEST_PROTOBUF", 100_000)
    bundle = write_tiny_bundle()
    texts = ["a tiny sql engine", "graphs"]
    expected_NK = Tagger.load(bundle.folder, "cpu").probabilities(texts)
    for write, tolerance in ((write_onnx, 1e-6), (write_onnx_int8, 0.05)):
        folder = tmp_path / write.__name__
        folder.mkdir()
        write(bundle, load_network(bundle), folder)
        assert (folder / "model.onnx.data").stat().st_size > 100_000 > (folder / "model.onnx").stat().st_size
        found_NK = OnnxTagger.load(folder, threads=1).probabilities(texts)
        np.testing.assert_allclose(found_NK, expected_NK, atol=tolerance, rtol=0)
        # It is sealed like the others.
        assert '"model.onnx.data": "' in (folder / "tagnet.json").read_text(encoding="utf-8")
