"""`tagnet export` as people run it: what an export is checked on, and bad input as one clear error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tagnet.cli.compose import train_config
from tagnet.cli.export_references import MOST, gather
from tagnet.export.formats import FORMATS
from tagnet.prediction.onnx_tagger import OnnxTagger
from tagnet.training.fit import Run, fit

Tagnet = Callable[..., tuple[int, str, str]]

AT_LENGTH = ("huggingface", "torch-export")
"""Formats that the contract tests compare on fewer records, and whose exports take longest."""


def test_the_validation_records_of_the_run_are_the_judges(small_run: Run, tagnet: Tagnet, tmp_path: Path) -> None:
    code, out, err = tagnet(
        "export", str(small_run.dir / "bundle"), "--to", "onnx", "--output", str(tmp_path / "exports" / "onnx")
    )
    assert (code, out) == (0, ""), err
    split = json.loads((small_run.dir / "split.json").read_text())
    assert f"checked on the validation records of its run: {len(split['val'])} texts" in err
    assert "macro F1" in err
    folder = tmp_path / "exports" / "onnx"
    assert {path.name for path in folder.iterdir()} == {"README.md", "model.onnx", "tagnet.json", "tokenizer.json"}
    texts = ["A tiny SQL engine", ""]
    found_NK = OnnxTagger.load(folder).probabilities(texts)
    np.testing.assert_allclose(found_NK, small_run.tagger("cpu").probabilities(texts), atol=1e-5, rtol=0)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"| {len(split['test'])} test records |" in card
    assert str(tmp_path) not in card


def test_records_that_are_named_come_first(small_run: Run, small_records: Path, tmp_path: Path) -> None:
    bundle = small_run.dir / "bundle"
    references, figures = gather(bundle, str(small_records), {})
    assert references.source == "the labelled records of records.json"
    assert references.y_NK is not None
    assert len(references.inputs) == len(references.y_NK) > 0
    assert figures is not None
    assert any("test records" in on for on in figures.overall)
    untagged = tmp_path / "untagged.csv"
    untagged.write_text("id,title,description\n1,a,b\n")
    references, _ = gather(bundle, str(untagged), {})
    assert (references.source, references.y_NK) == ("the first records of untagged.csv", None)


def test_a_bundle_apart_from_its_run(small_run: Run, small_records: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "alone"
    shutil.copytree(small_run.dir / "bundle", bundle)
    references, figures = gather(bundle, None, {})
    assert references.source == "texts of the embedded corpus"
    assert len(references.inputs) == MOST
    assert figures is None
    references, figures = gather(bundle, str(small_records), {})
    assert figures is not None
    (on,) = figures.overall
    assert on == f"{len(references.inputs)} records of records.json" == figures.rows_on


def test_records_that_have_changed_since_are_no_judges(
    small: tuple[str, ...], small_records: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = tmp_path / "records.json"
    shutil.copy(small_records, records)
    run = fit(train_config(*small, f"data.records={records}", f"run.dir={tmp_path / 'run'}"))
    assert gather(run.dir / "bundle", None, {})[0].y_NK is not None
    records.write_text(records.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    references, figures = gather(run.dir / "bundle", None, {})
    assert references.source == "texts of the embedded corpus"
    assert figures is not None
    assert "its SHA-256 is not the one that the bundle was trained on" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "onxx"], "--to: expected huggingface, onnx, onnx-int8, torch-export, triton; found 'onxx'"),
        (["--to", "onnx", "--column", "title=name"], "--column names columns of --records, which is missing"),
        (["--to", "onnx", "--records", "absent.json"], "absent.json: no such file"),
    ],
)
def test_what_cannot_be_is_one_clear_error(
    words: list[str], message: str, small_run: Run, tagnet: Tagnet, tmp_path: Path
) -> None:
    code, out, err = tagnet("export", str(small_run.dir / "bundle"), *words, "--output", str(tmp_path / "out"))
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_no_bundle(tagnet: Tagnet, small_run: Run, tmp_path: Path) -> None:
    code, _, err = tagnet("export", str(small_run.dir), "--to", "onnx", "--output", str(tmp_path / "out"))
    assert code == 2
    assert f"did you mean {small_run.dir / 'bundle'}?" in err


@pytest.fixture(scope="module")
def real_run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One epoch of the embedded encoder on MadeWithML: bad tags, but real weights."""
    return fit(
        train_config(
            "trainer=cpu",
            "trainer.max_epochs=1",
            f"data.records={shared_data / 'projects.json'}",
            "evaluation.baselines=[]",
            "evaluation.on_collapse=warn",
            f"run.dir={tmp_path_factory.mktemp('real') / 'run'}",
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "to", [pytest.param(name, marks=[pytest.mark.long] if name in AT_LENGTH else []) for name in FORMATS]
)
def test_a_thousand_real_records(to: str, real_run: Run, shared_data: Path, tagnet: Tagnet, tmp_path: Path) -> None:
    words = ["--to", to, "--output", str(tmp_path / to), "--records", str(shared_data / "projects.json")]
    code, _, err = tagnet("export", str(real_run.dir / "bundle"), *words)
    assert code == 0, err
    num_texts = int(err.split(" texts: ")[0].split()[-1])
    assert num_texts >= 1000
    if to == "onnx-int8":
        weights = real_run.dir / "bundle" / "model.safetensors"
        assert (tmp_path / to / "model.onnx").stat().st_size <= weights.stat().st_size / 3
    else:
        assert "no decisions differ" in err or "of them at ties" in err
