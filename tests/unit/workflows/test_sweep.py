"""Trials of a sweep before they are trained: which, on which GPU, and in whose folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagnet.errors import SweepError
from tagnet.workflows.space import Proposal
from tagnet.workflows.study_files import Sweep, read_trial, write_trial
from tagnet.workflows.sweep import _free_gpu, check_sweep_folder, new_trial, work_on

SWEEP = Sweep("grid", "val.map_micro", "val.map", "maximize", (), {"loss": "choice(bce,focal)"})
BCE = Proposal(("loss=bce",), {"loss": "bce"})


def test_a_number_belongs_to_one_trial(tmp_path: Path) -> None:
    write_trial(tmp_path, new_trial(0, BCE))
    with pytest.raises(SweepError, match=r"expected a trial of .*focal.*, found one of .*bce"):
        work_on(tmp_path, SWEEP, 0, Proposal(("loss=focal",), {"loss": "focal"}), one_gpu=False)
    assert read_trial(tmp_path, 0) == new_trial(0, BCE)


def test_each_trial_takes_a_gpu_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5f")
    first, second = _free_gpu(tmp_path), _free_gpu(tmp_path)
    assert first is not None
    assert second is not None
    assert [first[0], second[0]] == ["2", "GPU-5f"]
    assert _free_gpu(tmp_path) is None
    first[1].close()
    third = _free_gpu(tmp_path)
    assert third is not None
    assert third[0] == "2"
    second[1].close()
    third[1].close()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert _free_gpu(tmp_path) is None


def test_what_a_killed_start_leaves_is_no_stranger(tmp_path: Path) -> None:
    for name in ("study.db", "study.db-journal", "study.id", "multirun.yaml", ".starting.lock"):
        (tmp_path / name).touch()
    check_sweep_folder(tmp_path, SWEEP)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SweepError, match=r"thesis\.tex"):
        check_sweep_folder(tmp_path, SWEEP)
