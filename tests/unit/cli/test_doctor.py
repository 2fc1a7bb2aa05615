"""`tagnet doctor` as people and machines see it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli.doctor import parse, run
from tagnet.errors import ConfigError, DataError, HardwareError
from tagnet.training import hardware
from tagnet.training.hardware import Gpu, look_at_machine
from tagnet.training.hardware_tables import machine_tables

SMALL = ("encoder=tiny", "trainer=cpu")


def test_everything_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    run(SMALL)
    out, err = capsys.readouterr()
    assert err == ""
    for word in ("Machine", "cores", "/dev/shm", "Packages", "Run", "tiny: 1,012,218 parameters", "Memory"):
        assert word in out
    assert "16 texts of up to 71 tokens" in out
    assert "trainer.batch_size=" in out
    assert out.rstrip().endswith("It can run.")


def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    run((*SMALL, "--json"))
    found = json.loads(capsys.readouterr().out)
    assert found["fits"] is True
    assert found["problem"] is None
    assert found["machine"]["memory_available"] > 0
    assert found["machine"]["extras"]["train"] == []
    assert found["run"]["batch"] == {"texts": 16, "sequences": 16, "tokens": 71}
    assert found["run"]["needed"] < found["run"]["available"]
    assert found["run"]["largest_batch"] > 16


@pytest.mark.parametrize("as_json", [True, False])
def test_what_does_not_fit_is_shown_and_raised(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*SMALL, "data.records=hub:nobody/nothing", "trainer.batch_size=100000000")
    with pytest.raises(HardwareError, match=r"trainer\.batch_size=100000000"):
        run((*words, *(["--json"] if as_json else [])))
    out = capsys.readouterr().out
    if as_json:
        found = json.loads(out)
        assert not found["fits"]
        assert "accumulate" in found["problem"]
    else:
        assert "activations" in out
        assert "It can run" not in out


def test_the_machine_is_shown_before_any_other_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json"):
        run((*SMALL, "data.records=nowhere.json"))
    assert "Machine" in capsys.readouterr().out


def test_a_quick_look_reads_neither_records_nor_encoder(capsys: pytest.CaptureFixture[str]) -> None:
    run(("encoder=./no-such-folder", "data.records=nowhere.json", "trainer=cpu", "--quick"))
    out = capsys.readouterr().out
    assert "Machine" in out
    assert "torch.compile" not in out
    assert "Memory" not in out.replace("memory", "")


def test_a_quick_look_finds_a_gpu_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(HardwareError, match="expected a GPU"):
        run(("--quick", "trainer=gpu"))


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run((*SMALL, "run.dir=runs/mine"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width", [50, 100])
def test_nothing_is_wider_than_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run(SMALL)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


def _shown(machine: Any, capsys: pytest.CaptureFixture[str]) -> str:
    from rich.console import Console

    Console(width=120, highlight=False).print(machine_tables(machine))
    return capsys.readouterr().out


def test_gpus_and_missing_ones_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = replace(look_at_machine(tmp_path, quick=True), gpus=(), driver=None, cuda=None)
    assert "GPU                none " in _shown(bare, capsys)
    blind = replace(bare, driver="580.82.07")
    assert "580.82.07, and this PyTorch is built for CPUs alone" in _shown(blind, capsys)
    assert "PyTorch cannot use it" in _shown(replace(blind, cuda="13.0"), capsys)
    assert "PyTorch is not installed" in _shown(replace(blind, packages={"torch": None}), capsys)
    gpu = Gpu("NVIDIA L4", 24 * 2**30, 20 * 2**30, "8.9")
    shown = _shown(replace(blind, gpus=(gpu,), cuda="13.0"), capsys)
    assert "NVIDIA L4, 20.0 GiB free of 24.0 GiB, compute capability 8.9" in shown
    assert "driver 580.82.07, PyTorch for CUDA 13.0" in shown


def test_a_missing_extra_says_how_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = replace(look_at_machine(tmp_path, quick=True), extras={"train": (), "lora": ("peft",)})
    shown = _shown(machine, capsys)
    assert "without lora" in shown
    assert "peft: pip install 'tagnet[lora]'" in shown


def test_words_that_cannot_be_read() -> None:
    with pytest.raises(ConfigError, match=r"--jsn: .*did you mean --json"):
        parse(["--jsn"])
    with pytest.raises(ConfigError, match=r"did you mean trainer\.batch_size"):
        run(("trainer.batchsize=3",))


def test_without_the_train_extra_the_machine_is_told_and_what_to_install(repository: Path, tmp_path: Path) -> None:
    script = (
        "import sys, importlib.util as u\n"
        "gone = ('torch', 'transformers', 'hydra', 'omegaconf', 'pytorch_lightning', 'sklearn', 'packaging')\n"
        "sys.modules.update(dict.fromkeys(gone))\n"
        "from tagnet.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "doctor"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(repository / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "tagnet[train]" in done.stderr
    assert "cores" in done.stdout


def test_help_imports_nothing_heavy(repository: Path) -> None:
    code = (
        "import sys; from tagnet.cli.doctor import run; run(['-h']);"
        "print(sorted({'torch', 'hydra', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository / "src", capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("Usage: tagnet doctor")
    assert done.stdout.endswith("[]\n")


def test_a_gpu_is_asked_through_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        name, total_memory, major, minor = "NVIDIA H100", 80 * 2**30, 9, 0

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda number: Properties)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda number: (70 * 2**30, 80 * 2**30))
    assert hardware._gpus(quick=False) == (Gpu("NVIDIA H100", 80 * 2**30, 70 * 2**30, "9.0"),)
    # An answer to how much is free would take some of it.
    assert hardware._gpus(quick=True)[0].free is None
