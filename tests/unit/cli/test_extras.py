"""A command whose packages are missing says what to install, and asks for no more than it imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tagnet.bundle import Bundle
from tagnet.cli import extras
from tagnet.cli.extras import require_extra
from tagnet.errors import MissingExtraError

NOT_FOR_SERVING = (
    "pytorch_lightning",
    "hydra",
    "omegaconf",
    "datasets",
    "sklearn",
    "scipy",
    "iterstrat",
    "pandas",
    "pyarrow",
    "matplotlib",
    "jinja2",
)


@pytest.mark.parametrize("command", ["train", "inspect", "compare", "evaluate", "predict", "export", "label audit"])
def test_nothing_is_missing_here(command: str) -> None:
    require_extra("train", command)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> ModuleSpec | None:
        return None if name in ("torch", "hydra") else ModuleSpec(name, None)

    monkeypatch.setattr(extras, "find_spec", find_spec)
    for command, missing in (("train", "torch, hydra"), ("predict", "torch")):
        with pytest.raises(MissingExtraError, match=f"tagnet {command} needs .* not installed: {missing}\\.\n"):
            require_extra("train", command)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_bundle_is_used_without_what_only_training_needs(
    command: str, write_tiny_bundle: Callable[..., Bundle], tmp_path: Path, repository: Path
) -> None:
    bundle = write_tiny_bundle().folder
    records = tmp_path / "records.csv"
    records.write_text("id,title,description,tags\n1,a,b,nlp\n2,c,d,graphs\n")
    option = "--input" if command == "predict" else "--records"
    # transformers looks for some of these itself, and must not find halves of them.
    script = (
        "import sys, importlib.util as u\n"
        "gone = set(sys.argv.pop(1).split(','))\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in gone: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name.partition('.')[0] in gone else real(name, *more)\n"
        "from tagnet.cli.main import main; main()"
    )
    words = [command, str(bundle), option, str(records), "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-c", script, ",".join(NOT_FOR_SERVING), *words],
        cwd=repository / "src",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "nlp" in done.stdout
