"""Every key of the configuration is read by a run: a key that does nothing would lie to whoever sets it."""

from __future__ import annotations

import dataclasses
import json
import sys
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet import config as settings
from tagnet.cli.compose import train_config
from tagnet.records.targets import write_targets
from tagnet.training.fit import fit

BASE = (
    "encoder=tiny",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "trainer.batch_size=64",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[prior]",
)
CHECKS_ONLY = {("RunConfig", "dir"), ("KFoldSplitConfig", "key")}
"""Read before the run: in the command, and in the checks, which refuse it."""


def classes() -> list[type]:
    """The data classes of the settings."""
    found = vars(settings).values()
    return [cls for cls in found if isinstance(cls, type) and dataclasses.is_dataclass(cls)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """(class, field) of every setting that is read, but for the checks and the copying that all of them go through."""
    seen: set[tuple[str, str]] = set()

    def recorder(self: Any, name: str) -> Any:
        if not name.startswith("_"):
            caller = Path(sys._getframe(1).f_code.co_filename)
            checks = caller.parent == Path(settings.__file__).parent
            if not checks and caller.name not in ("strict_build.py", "dataclasses.py", "<string>"):
                seen.add((type(self).__name__, name))
        return object.__getattribute__(self, name)

    for cls in classes():
        monkeypatch.setattr(cls, "__getattribute__", recorder, raising=False)
    return seen


RUNS = [
    (),
    ("trainer.max_epochs=null", "trainer.epoch_range=[1,1]", "split=date", "calibrator=temperature"),
    ("split=kfold", "sampler=oversample", "loss=weighted_bce", "loss.weighting=effective_number", "thresholds=fixed"),
    ("sampler=undersample", "loss=focal", "calibrator=none", "thresholds=global", "data.window_overlap=4"),
    ("sampler=repeat_factor", "loss=asl", "thresholds=per_tag"),
    ("loss=distribution_balanced", "thresholds=plug_in"),
    ("loss=class_balanced", "logger=mlflow", "thresholds=conformal_recall"),
    ("loss=zlpr", "logger=wandb"),
    ("loss=two_way", "logger=trackio"),
    ("adapter=lora", "adapter.targets=[query]"),
    ("split.file={file}", "split.key=first"),
    ("split=date", "split.file={file}", "split.key=first"),
    ("data.targets={targets}",),
]


@pytest.mark.slow
def test_every_setting_is_read(reads: set[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACKIO_DIR", raising=False)  # trackio's project of the one who runs the tests
    file, targets = tmp_path / "splits.json", tmp_path / "targets.jsonl"
    write_targets(targets, ["automl"], [1], np.array([[0.5]]), np.array([[True]]), {})
    for number, more in enumerate(RUNS):
        settings = [setting.format(file=file, targets=targets) for setting in more]
        run = fit(train_config(*BASE, *settings, f"run.dir={tmp_path / str(number)}"))
        if not file.exists():
            file.write_text(json.dumps({"first": json.loads((run.dir / "split.json").read_text())}))
    expected = {
        (cls.__name__, field.name)
        for cls in classes()
        if not cls.__name__.startswith("_")
        for field in dataclasses.fields(cls)
        # What chooses among the members of a union is read by the build itself.
        if not (field.name == "name" and typing.get_origin(typing.get_type_hints(cls)["name"]) is typing.Literal)
    }
    assert expected - reads - CHECKS_ONLY == set()
