"""An export is there whole and right, or not at all; models broken on purpose are refused with the figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from onnx import numpy_helper

from tagnet.bundle import Bundle
from tagnet.errors import ConfigError, ExportError, RunDirectoryError
from tagnet.export import exporter
from tagnet.export.exporter import References, export_bundle
from tagnet.export.formats import FORMATS
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.tagger import Tagger

Write = Callable[..., Bundle]
TEXTS = ["a tiny sql engine", "graphs", "natural language " * 20]


def break_weights(path: Path) -> None:
    """Swap two rows of the head, as a wrong order of tags would."""
    weights = safetensors.torch.load_file(path)
    weights["head.weight"] = weights["head.weight"].flip(0).contiguous()
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})


def break_graph(path: Path) -> None:
    """Double every scale and every matrix."""
    model = onnx.load(path)
    for each in model.graph.initializer:
        array = numpy_helper.to_array(each)
        if array.dtype == np.float32 and array.size > 4:
            each.CopyFrom(numpy_helper.from_array((2 * array).astype(np.float32), each.name))
    onnx.save(model, path)


def break_program(path: Path) -> None:
    program = torch.export.load(path)
    with torch.no_grad():
        program.state_dict["offsets_K"].add_(0.01)
    torch.export.save(program, path)


BREAK: dict[str, tuple[str, Callable[[Path], None]]] = {
    "huggingface": ("model.safetensors", break_weights),
    "onnx": ("model.onnx", break_graph),
    "onnx-int8": ("model.onnx", break_graph),
    "torch-export": ("model.pt2", break_program),
    "triton": ("tagnet_network/1/model.onnx", break_graph),
}


@pytest.mark.parametrize("to", FORMATS)
def test_a_model_broken_on_purpose_is_refused_and_nothing_is_left(
    to: str, write_tiny_bundle: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_tiny_bundle()
    form = FORMATS[to]
    name, damage = BREAK[to]

    def write(bundle: Bundle, network: TaggerNetwork, folder: Path) -> None:
        form.write(bundle, network, folder)
        damage(folder / name)

    def run(bundle: Bundle, folder: Path, texts: Any) -> Any:
        # A damaged file would be refused for its SHA-256 alone; here the writer itself is at fault.
        monkeypatch.setattr("tagnet.sealed.file_sha256", lambda path: "same")
        monkeypatch.setattr("tagnet.prediction.onnx_folder.check_files", lambda *values, **more: None)
        return form.run(bundle, folder, texts)

    monkeypatch.setattr(exporter, "FORMATS", {to: replace(form, write=write, run=run)})
    accepted_NK = bundle.rule.accept(Tagger.load(bundle.folder, "cpu").probabilities(TEXTS))
    expected = (
        r"probabilities differ by at most \d\.\de[+-]\d\d, .* most at tag"
        if form.exact
        else r"3 records: macro F1 .* → .*, micro F1 1\.0000 → 0\.\d+; expected neither to fall by more than 0\.005"
    )
    with pytest.raises(ExportError, match=f"^--to {to}: .*{expected}") as caught:
        export_bundle(bundle.folder, to, tmp_path / "out", References("texts", TEXTS, accepted_NK))
    assert "Nothing was written" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_quantization_is_not_let_through_unmeasured(write_tiny_bundle: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="these texts have no labels to measure it by"):
        export_bundle(write_tiny_bundle().folder, "onnx-int8", tmp_path / "out", References("these texts", TEXTS, None))
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_names_the_nearest(write_tiny_bundle: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found 'onx'; did you mean onnx"):
        export_bundle(write_tiny_bundle().folder, "onx", tmp_path / "out", References("texts", TEXTS, None))


def test_nothing_is_overwritten(write_tiny_bundle: Write, tmp_path: Path) -> None:
    bundle = write_tiny_bundle()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    for name, found in (("file", "a file"), ("full", "one with files in it")):
        with pytest.raises(RunDirectoryError, match=f"found {found}; nothing is overwritten"):
            export_bundle(bundle.folder, "onnx", tmp_path / name, References("texts", TEXTS, None))
    (tmp_path / "empty").mkdir()
    export_bundle(bundle.folder, "huggingface", tmp_path / "empty", References("texts", TEXTS, None))
    assert (tmp_path / "empty" / "README.md").is_file()


def test_an_encoder_that_cannot_be_traced_is_named(
    write_tiny_bundle: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*values: Any, **more: Any) -> None:
        raise RuntimeError("data-dependent\ncontrol flow")

    monkeypatch.setattr(torch.onnx, "export", fail)
    monkeypatch.setattr(torch.export, "export", fail)
    bundle = write_tiny_bundle()
    for to in ("onnx", "torch-export"):
        with pytest.raises(ExportError, match=r"cannot trace its encoder, tiny \(RuntimeError: data-dependent control"):
            export_bundle(bundle.folder, to, tmp_path / "out", References("texts", TEXTS, None))
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
