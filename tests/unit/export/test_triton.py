"""The model repository: its settings as Triton reads them, and its Python model at work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tagnet.bundle import Bundle, load_network
from tagnet.errors import ExportError
from tagnet.export.triton import config_text, write_triton
from tagnet.export.triton_stand_in import Repository
from tagnet.prediction.tagger import Tagger

Write = Callable[..., Bundle]


@pytest.fixture(scope="module")
def protobufs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with tritonclient, which needs a protobuf of its own."""
    folder = tmp_path_factory.mktemp("tritonclient")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "tritonclient[grpc]==2.69.0"]
    if subprocess.run(pip, capture_output=True).returncode:
        pytest.skip("tritonclient cannot be installed")
    return folder / "bin" / "python"


@pytest.mark.slow
def test_triton_can_read_its_settings(protobufs: Path) -> None:
    script = (
        "import json, sys\n"
        "from google.protobuf import text_format, json_format\n"
        "from tritonclient.grpc.model_config_pb2 import ModelConfig\n"
        "parsed = text_format.Parse(sys.stdin.read(), ModelConfig())\n"
        "print(json.dumps(json_format.MessageToDict(parsed, preserving_proto_field_name=True)))"
    )
    for name, backend, inputs in (
        ("tagnet", "python", {"text": ("TYPE_STRING", ["1"])}),
        (
            "tagnet_network",
            "onnxruntime",
            {"input_ids": ("TYPE_INT64", ["-1"]), "attention_mask": ("TYPE_INT64", ["-1"])},
        ),
    ):
        done = subprocess.run([protobufs, "-c", script], input=config_text(name, 7), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        parsed = json.loads(done.stdout)
        assert (parsed["name"], parsed["backend"], parsed["max_batch_size"]) == (name, backend, 64)
        assert {each["name"]: (each["data_type"], each["dims"]) for each in parsed["input"]} == inputs
        assert [(each["name"], each["dims"]) for each in parsed["output"]] == [
            ("probabilities", ["7"]),
            ("accepted", ["7"]),
        ]
        assert "dynamic_batching" in parsed


def test_requests_are_answered_together_and_apart(write_tiny_bundle: Write, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(window_overlap=4)
    folder = tmp_path / "models"
    folder.mkdir()
    write_triton(bundle, load_network(bundle), folder)
    assert (folder / "tagnet" / "labels.txt").read_text() == "databases\ngraphs\nnlp\n"
    texts = ["a tiny sql engine", "graph " * 200, "", *(f"text {n}" for n in range(80))]
    expected_NK = Tagger.load(bundle.folder, "cpu").probabilities(texts)
    encoded = [text.encode() for text in texts]
    repository = Repository(folder)
    first, broken, second, third = repository.execute([encoded[:1], [b"\xff"], encoded[1:3], encoded[3:]])
    assert broken.error is not None
    assert broken.error.message() == "text: expected UTF-8"
    found_NK = np.concatenate([each.output_tensors[0].array for each in (first, second, third)])
    accepted_NK = np.concatenate([each.output_tensors[1].array for each in (first, second, third)])
    np.testing.assert_allclose(found_NK, expected_NK, atol=1e-6, rtol=0)
    assert (accepted_NK == bundle.rule.accept(expected_NK)).all()


def test_tags_that_labels_cannot_hold_are_refused(write_tiny_bundle: Write, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tags=("a\nb", "c"))
    with pytest.raises(ExportError, match=r"expected tags of one line, found 'a\\nb'"):
        write_triton(bundle, load_network(bundle), tmp_path)
