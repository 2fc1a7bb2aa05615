"""The whole loop against the real Label Studio, an oracle answering: killed twice, it ends as if nothing had been."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

LABELLED, BATCH, ROUNDS, KILLS, SEED = 200, 10, 5, 2, 5
SETTINGS = (
    "encoder=tiny",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.batch_size=32",
    "labels.min_count=10",
    "evaluation.bootstrap_samples=50",
    "logger=none",
)
STEPS = ("trained", "query", "sent", "answered", "merged")
Start = Callable[..., "subprocess.Popen[str]"]


@contextmanager
def oracle(studio: Any, title: str, truth: dict[int, list[str]]) -> Iterator[None]:
    """Somebody who answers whatever is asked in a project, and is always right."""
    over = threading.Event()
    faults: list[BaseException] = []

    def answer() -> None:
        done: set[int] = set()
        while not over.wait(0.5):
            try:
                for task in studio.tasks(title):
                    if task["id"] not in done:
                        done.add(task["id"])
                        studio.answer(task["id"], truth[task["data"]["project_id"]])
            except ValueError:
                pass  # the project is not there yet
            except BaseException as fault:
                faults.append(fault)
                return

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    over.set()
    thread.join()
    assert not faults, faults


def end_of(folder: Path) -> dict[str, Any]:
    """What has to be the same."""
    rounds = sorted((folder / "rounds").iterdir())
    trained = [json.loads((place / "trained.json").read_text()) for place in rounds]
    return {
        "versions": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((folder / "versions").glob("0??.json"))
        },
        "asked": [json.loads((place / "query.json").read_text())["asked"] for place in rounds[:-1]],
        "measured": [{side: each[side] for side in ("labelled", "val", "test", "bundle")} for each in trained],
        "metrics": [(place / "run" / "metrics.json").read_text() for place in rounds],
        "curve": json.loads((folder / "curve.json").read_text()),
    }


def steps_done(folder: Path) -> int:
    """How many steps of all rounds were done."""
    return sum(path.stem in STEPS for path in folder.glob("rounds/*/*.json"))


def at(folder: Path) -> str:
    """Which steps of which round were done."""
    places = sorted((folder / "rounds").iterdir()) if (folder / "rounds").is_dir() else []
    done = [step for step in STEPS if places and (places[-1] / f"{step}.json").is_file()]
    return f"round {len(places) - 1}, done: {', '.join(done) or 'nothing'}"


@pytest.mark.long
def test_five_rounds_killed_twice_end_as_those_that_nobody_killed(studio: Any, start: Start, tmp_path: Path) -> None:
    rows = json.loads((files("tagnet.corpus") / "projects.json").read_text(encoding="utf-8"))[-420:]
    truth = {row["id"]: row["tags"] for row in rows}
    records = tmp_path / "all.json"
    shown = [row if place < LABELLED else {**row, "tags": []} for place, row in enumerate(rows)]
    records.write_text(json.dumps(shown), encoding="utf-8")

    def started(title: str) -> subprocess.Popen[str]:
        where = ("--dir", tmp_path / title, "--records", records, "--project", title, "--url", studio.url)
        how = ("--batch-size", BATCH, "--rounds", ROUNDS, "--wait", "--poll", 1)
        return start("loop", *where, *how, *SETTINGS)

    began = time.monotonic()
    with oracle(studio, "undisturbed", truth):
        process = started("undisturbed")
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    whole = time.monotonic() - began
    assert f"ended: {ROUNDS} rounds of questions are answered" in out
    print(f"\n{out}\nundisturbed: {whole:.0f} s")

    # A moment in each half: so many steps are done, and some seconds of the next ones have passed.
    rng = random.Random(SEED)
    folder, half = tmp_path / "killed", ROUNDS * len(STEPS) // KILLS
    with oracle(studio, "killed", truth):
        for kill in range(KILLS):
            steps, seconds = kill * half + rng.randrange(half - len(STEPS)), rng.uniform(0, whole / (ROUNDS + 1))
            process = started("killed")
            while steps_done(folder) < steps and process.poll() is None:
                time.sleep(0.05)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=seconds)
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
            assert process.returncode == -signal.SIGKILL, out + err
            print(f"kill {kill + 1}: {seconds:.0f} s after {steps} steps were done; {at(folder)}")
        process = started("killed")
        out, err = process.communicate()
    assert process.returncode == 0, out + err

    first, second = end_of(tmp_path / "undisturbed"), end_of(folder)
    assert second == first
    assert len(first["versions"]) == ROUNDS + 1
    assert [each["labelled"] for each in first["measured"]] == [
        first["measured"][0]["labelled"] + BATCH * number for number in range(ROUNDS + 1)
    ]
    # Every question stands on the server once, and was answered.
    asked = sorted(each["id"] for found in first["asked"] for each in found)
    for title in ("undisturbed", "killed"):
        assert sorted(task["data"]["project_id"] for task in studio.tasks(title)) == asked
        lines = (tmp_path / title / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        assert sorted(json.loads(line)["project_id"] for line in lines) == asked
    final = json.loads((folder / "versions" / f"{ROUNDS:03d}.json").read_text(encoding="utf-8"))
    for before, after_all in zip(shown, final, strict=True):
        wanted = truth[before["id"]] if before["id"] in asked else before["tags"]
        assert sorted(after_all["tags"]) == sorted(wanted)
    last = first["versions"][f"{ROUNDS:03d}.json"]
    print(f"killed {KILLS} times: same versions, same questions, same metrics; the last version is {last[:16]}…")
