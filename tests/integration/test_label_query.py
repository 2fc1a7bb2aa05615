"""`tagnet label query` and `tagnet label simulate`, as they are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tagnet.labeling.tasks import read_slip
from tagnet.labeling.tools.registry import find_codec
from tagnet.training.fit import Run

Tagnet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """60 records without tags."""
    rows: list[dict[str, Any]] = json.loads((files("tagnet.corpus") / "projects.json").read_text(encoding="utf-8"))
    path = tmp_path / "pool.json"
    path.write_text(json.dumps([{**row, "tags": []} for row in rows[:60]]))
    return path


def reasons(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_a_batch_goes_to_a_tool_with_its_reasons_beside_it(
    tagnet: Tagnet, small_run: Run, small_records: Path, pool: Path, tmp_path: Path
) -> None:
    words = ("label", "query", "--records", str(pool), "--bundle", str(small_run.dir / "bundle"), "--batch-size", "12")
    out = tmp_path / "first.json"
    code, _, err = tagnet(*words, "--tool", "label-studio", "--output", str(out), "--labelled", str(small_records))
    assert code == 0, err
    assert "12 records of 60 that wait, by gain_scarce+coverage, 2 of them at random" in err
    why = reasons(tmp_path / "first.json.query.json")
    tasks = json.loads(out.read_text())
    assert len(tasks) == len(why["asked"]) == 12
    assert [each["random"] for each in why["asked"]] == [False] * 10 + [True] * 2
    assert len(why["asked"][0]["tags"]) == 3
    assert set(why["asked"][0]["tags"][0]) == {"tag", "probability", "threshold", "labelled", "score"}

    code, _, err = tagnet(
        *words, "--tool", "csv", "--output", str(tmp_path / "second.csv"), "--asked", f"{out}.query.json"
    )
    assert code == 0, err
    asked = [{each["id"] for each in reasons(path)["asked"]} for path in tmp_path.glob("*.query.json")]
    assert len(asked) == 2
    assert not asked[0] & asked[1]

    code, _, err = tagnet(*words, "--tool", "label-studio", "--output", str(out))
    assert code == 2
    assert "expected the name of a new file" in err


def test_members_come_from_dropout_and_checkpoints(tagnet: Tagnet, small_run: Run, pool: Path, tmp_path: Path) -> None:
    words = ("label", "query", "--records", str(pool), "--bundle", str(small_run.dir / "bundle"), "--batch-size", "5")
    checkpoint = small_run.dir / "checkpoints" / "best.ckpt"
    best = {}
    for name, more in {"dropout": ("--dropout-passes", "3"), "checkpoint": ("--member", str(checkpoint))}.items():
        out = tmp_path / f"{name}.csv"
        code, _, err = tagnet(*words, "--tool", "csv", "--output", str(out), "--strategy", "bald+k_means", *more)
        assert code == 0, err
        best[name] = reasons(Path(f"{out}.query.json"))["asked"][0]["score"]
    assert best["dropout"] > 1e-6
    assert best["checkpoint"] == pytest.approx(0, abs=1e-9)  # the best checkpoint is what the bundle was made of
    code, _, err = tagnet(
        *words, "--tool", "csv", "--output", str(tmp_path / "x.csv"), "--strategy", "bald", "--member", "no.ckpt"
    )
    assert code == 2
    assert "no.ckpt: expected the weights" in err
    code, _, err = tagnet(*words, "--tool", "csv", "--output", str(tmp_path / "none.csv"), "--strategy", "bald")
    assert code == 2
    assert "expected an ensemble, found one bundle alone" in err
    assert not (tmp_path / "none.csv").exists()


def test_cells_tick_what_is_asked(tagnet: Tagnet, small_run: Run, pool: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells.json"
    words = ("label", "query", "--records", str(pool), "--bundle", str(small_run.dir / "bundle"), "--cells")
    code, _, err = tagnet(*words, "--batch-size", "30", "--tool", "superintendent", "--output", str(out))
    assert code == 0, err
    asked = reasons(Path(f"{out}.query.json"))["asked"]
    assert len(asked) == 30
    replies = find_codec("superintendent").read(out).replies
    shown = {(read_slip(reply.slip).project_id, tag) for reply in replies for tag in reply.chosen or ()}
    assert shown == {(each["id"], each["tag"]) for each in asked}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tool", "csv"), "expected --tool TOOL --output FILE, or --project TITLE"),
        (("--project", "p", "--tool", "csv", "--output", "x.csv"), "expected --tool TOOL --output FILE"),
        (("--project", "p"), "--why: expected the name of a file"),
        (("--tool", "csv", "--output", "x.csv", "--strategy", "marginn"), "did you mean margin?"),
        (("--tool", "csv", "--output", "x.csv", "--cells", "--strategy", "coverage"), "it spreads whole records"),
        (("--tool", "csv", "--output", "x.csv", "--asked", "projects.txt"), "projects.txt"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_written(
    tagnet: Tagnet,
    small_run: Run,
    pool: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = tagnet("label", "query", "--records", str(pool), "--bundle", str(small_run.dir / "bundle"), *words)
    assert code == 2
    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["pool.json"]


SIMULATION = ("--seeds", "2", "--start", "30", "--step", "30", "--labels", "90", "--tags", "5")


def test_a_simulation_says_what_strategies_cost_and_goes_on(tagnet: Tagnet, tmp_path: Path) -> None:
    words = ("label", "simulate", "encoder=tiny", "labels.min_count=40", "--output", str(tmp_path / "sim"), *SIMULATION)
    code, out, err = tagnet(*words)
    assert code == 0, err
    assert "gain_scarce+coverage" in out
    curves = sorted((tmp_path / "sim" / "curves").iterdir())
    assert len(curves) == 4
    before = [path.stat().st_mtime_ns for path in curves]
    code, again, err = tagnet(*words)
    assert code == 0, err
    assert again == out
    assert [path.stat().st_mtime_ns for path in curves] == before
    summary = json.loads((tmp_path / "sim" / "summary.json").read_text())
    assert len(summary["strategies"]["random"]["curve"]) == 3
    assert "<svg" in (tmp_path / "sim" / "simulation.html").read_text(encoding="utf-8")
    code, _, err = tagnet(*words, "--step", "20")
    assert code == 2
    assert "holds a simulation with other step: expected 30, found 20" in err


@pytest.mark.slow
def test_a_simulation_trains_the_network_where_it_is_asked(tagnet: Tagnet, tmp_path: Path) -> None:
    small = ("encoder=tiny", "labels.min_count=40", "trainer=cpu", "trainer.max_epochs=1", "trainer.batch_size=16")
    numbers = ("--seeds", "1", "--start", "60", "--step", "30", "--labels", "90", "--tags", "5")
    code, out, err = tagnet(
        *("label", "simulate", *small, "--output", str(tmp_path / "sim"), "--learner", "finetune", *numbers),
        *("--strategy", "bald+coverage"),
    )
    assert code == 0, err
    assert "bald+coverage" in out
    assert not any((tmp_path / "sim" / "runs").iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategy", "randon"), "did you mean random?"),
        (("--learner", "fintune"), "did you mean finetune?"),
        (("--metric", "f1"), "--metric: expected f1_macro"),
        (("run.seed=1",), "tagnet label simulate chooses it"),
        (("split.val_fraction=0.2",), "tagnet label simulate chooses it"),
        (("--tags", "9999"), "tags: expected 1 to the"),
        (("--labels", "120"), "labels: expected at least 150"),
        (("--labels", "9000"), "records of the pool, found 9000"),
    ],
)
def test_simulations_that_cannot_be_are_refused(
    tagnet: Tagnet, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    code, _, err = tagnet("label", "simulate", "encoder=tiny", "--output", str(tmp_path / "sim"), *words)
    assert code == 2
    assert message in err
    assert not (tmp_path / "sim").exists()
