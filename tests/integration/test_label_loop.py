"""`tagnet label loop` by file: to its end, killed before every write, gone on with, and bad input of every kind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import tagnet.atomic
from tagnet.cli import main as cli

Tagnet = Callable[..., tuple[int, str, str]]
Rows = list[dict[str, Any]]

LABELLED, BATCH, ROUNDS = 130, 8, 2
SETTINGS = (
    "encoder=tiny",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "trainer.batch_size=64",
    "labels.min_count=8",
    "evaluation.bootstrap_samples=50",
    "logger=none",
)


class Killed(BaseException):
    """In place of SIGKILL: nothing that handles errors sees it."""


@pytest.fixture(scope="module", autouse=True)
def _no_reports() -> Iterator[None]:
    """A run's report takes longer to draw than these runs take to train, and no loop reads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tagnet.evaluation.report.write_report", lambda path, *rest, **more: path.write_text(""))
        yield


@pytest.fixture(scope="module")
def truth() -> Rows:
    """What a person would say of every record."""
    rows: Rows = json.loads((files("tagnet.corpus") / "projects.json").read_text(encoding="utf-8"))
    return rows[-190:]


@pytest.fixture(scope="module")
def records(truth: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, of which most have tags, and one is another's twin."""
    path = tmp_path_factory.mktemp("records") / "all.json"
    rows = [row if place < LABELLED else {**row, "tags": []} for place, row in enumerate(truth)]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def call(*words: object) -> int:
    """The command line in this process: its exit code; what it says goes nowhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["tagnet", "label", "loop", *map(str, words)])
        try:
            cli.main()
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def started(folder: Path, records: Path, *more: object) -> tuple[object, ...]:
    """The words that start a loop."""
    rounds = ("--rounds", ROUNDS, "--batch-size", BATCH)
    return ("--dir", folder, "--records", records, "--tool", "doccano", *rounds, *more, *SETTINGS)


def answer(folder: Path, truth: Rows, only: int | None = None) -> None:
    """Put the answers to the newest questions in place, as doccano exports them."""
    tags = {row["id"]: row["tags"] for row in truth}
    waiting = [path for path in sorted((folder / "rounds").iterdir()) if (path / "sent.json").is_file()]
    place = waiting[-1]
    tasks = [json.loads(line) for line in (place / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps({**task, "label": tags[task["project_id"]]}) for task in tasks[:only]]
    (place / "answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def finish(folder: Path, truth: Rows, *words: object) -> None:
    """Answer and go on until the loop has ended."""
    assert call(*words) == 0
    while not read(folder / "curve.json")["stop"]:
        answer(folder, truth)
        assert call("--dir", folder) == 0


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def end_of(folder: Path) -> dict[str, Any]:
    """All that has to be the same, however often the loop was killed."""
    rounds = sorted((folder / "rounds").iterdir())
    return {
        "versions": {path.name: path.read_bytes() for path in sorted((folder / "versions").glob("0??.json"))},
        "asked": [read(path / "query.json")["asked"] for path in rounds if (path / "query.json").is_file()],
        "splits": [read(path / "split.json") for path in rounds],
        "answers": (folder / "answers.jsonl").read_text(encoding="utf-8"),
        "curve": read(folder / "curve.json"),
    }


@pytest.fixture(scope="module")
def undisturbed(records: Path, truth: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop at its end."""
    folder = tmp_path_factory.mktemp("loops") / "undisturbed"
    finish(folder, truth, *started(folder, records))
    return folder


@pytest.fixture
def loop(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoiled."""
    folder = tmp_path / "loop"
    shutil.copytree(undisturbed, folder)
    return folder


@pytest.fixture
def fails(tagnet: Tagnet) -> Callable[..., str]:
    """A call that has to fail with one clear error; the error."""

    def run(*words: object) -> str:
        code, _, err = tagnet("label", "loop", *map(str, words))
        assert code == 2, err
        message = err[err.index("error: ") :].strip()
        assert 1 <= len(message.splitlines()) <= 3, message
        assert "Traceback" not in err
        return message

    return run


def test_what_judges_is_the_same_in_all_rounds_and_was_never_asked_for(undisturbed: Path, records: Path) -> None:
    start, curve = read(undisturbed / "start.json"), read(undisturbed / "curve.json")
    judges = {*start["val"], *start["test"]}
    labelled = {row["id"] for row in read(records)[:LABELLED]}
    assert judges < labelled
    assert {*start["train"], *judges} == labelled
    rounds = sorted((undisturbed / "rounds").iterdir())
    assert len(rounds) == ROUNDS + 1
    asked: set[int] = set()
    for number, place in enumerate(rounds):
        split = read(place / "split.json")
        assert split["val"] == start["val"]
        assert split["test"] == start["test"]
        assert set(split["train"]) == set(start["train"]) | asked
        assert tuple(read(place / "run" / "bundle" / "decision_rule.json")["tags"]) == tuple(start["tags"])
        assert curve["rounds"][number]["labelled"] == len(start["train"]) + number * BATCH
        if number < ROUNDS:
            new = {each["id"] for each in read(place / "query.json")["asked"]}
            assert len(new) == BATCH
            assert not new & (labelled | asked)
            asked |= new
    assert curve["stop"] == f"{ROUNDS} rounds of questions are answered"


def test_the_last_version_is_the_first_with_the_answers(undisturbed: Path, truth: Rows) -> None:
    start = read(undisturbed / "start.json")
    asked = {each["id"] for path in undisturbed.glob("rounds/*/query.json") for each in read(path)["asked"]}
    first, last = (read(undisturbed / "versions" / f"{number:03d}.json") for number in (0, ROUNDS))
    tags = {row["id"]: row["tags"] for row in truth}
    for before, after in zip(first, last, strict=True):
        assert after == {**before, "tags": tags[before["id"]] if before["id"] in asked else before["tags"]}
    assert asked <= set(start["pool"])


@pytest.mark.slow
def test_killed_before_every_write_it_ends_as_if_nothing_had_been(
    undisturbed: Path, records: Path, truth: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, struck = tmp_path / "killed", set[Path]()
    really = tagnet.atomic.write_with

    def write_with(path: Path, write: Callable[[Path], object]) -> None:
        # Kills of a run are tests/integration/test_kills.py's; here the run is whole and nobody has recorded it.
        if "run" not in path.parts and folder in path.parents and path not in struck:
            struck.add(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.dead.part").write_text("half a f")
            raise Killed
        really(path, write)

    monkeypatch.setattr("tagnet.atomic.write_with", write_with)
    words: tuple[object, ...] = started(folder, records)
    kills = 0
    while True:
        try:
            assert call(*words) == 0
        except Killed:
            kills += 1
            continue
        if (folder / "curve.json").is_file() and read(folder / "curve.json")["stop"]:
            break
        answer(folder, truth)
    names = {path.name for path in struck}
    assert {"loop.json", "rules.json", "start.json", "records.json", "split.json", "trained.json", "curve.json"} < names
    assert {"loop.html", "query.json", "tasks.jsonl", "sent.json", "answers.jsonl", "answered.json"} < names
    assert {"merged.json", "001.json", "001.version.json", "answers.provenance.jsonl"} < names
    assert kills == len(struck) > 30
    assert end_of(folder) == end_of(undisturbed)


def test_a_loop_that_has_ended_goes_on_with_more_rounds_and_leaves_what_was_done(
    loop: Path, truth: Rows, tagnet: Tagnet
) -> None:
    before = {path: path.read_bytes() for path in loop.rglob("*") if path.is_file() and "rounds" in path.parts}
    code, out, _ = tagnet("label", "loop", "--dir", str(loop), "--rounds", str(ROUNDS + 1))
    assert code == 0
    assert f"waits: round {ROUNDS}: {BATCH} of {BATCH} answers are missing" in out
    assert f"then:  tagnet label loop --dir {loop}" in out
    assert {path: path.read_bytes() for path in before} == before
    answer(loop, truth, only=3)
    code, out, _ = tagnet("label", "loop", "--dir", str(loop))
    assert f"round {ROUNDS}: {BATCH - 3} of {BATCH} answers are missing" in out
    assert f"waits for {BATCH - 3} of {BATCH} answers" in (loop / "loop.html").read_text(encoding="utf-8")
    code, out, _ = tagnet("label", "loop", "--dir", str(loop), "--partial")
    assert code == 0
    start, curve = read(loop / "start.json"), read(loop / "curve.json")
    assert curve["rounds"][-1]["labelled"] == len(start["train"]) + ROUNDS * BATCH + 3
    assert f"ended: {ROUNDS + 1} rounds of questions are answered" in out


def test_it_ends_where_the_target_is_reached_and_where_the_budget_is_spent(
    loop: Path, truth: Rows, tagnet: Tagnet
) -> None:
    code, out, _ = tagnet("label", "loop", "--dir", str(loop), "--rounds", "9", "--target", "f1_micro=0.001")
    assert code == 0
    assert "ended: the score is" in out
    assert "the target 0.001" in out
    budget = len(read(loop / "start.json")["train"]) + ROUNDS * BATCH + 3
    finish(loop, truth, "--dir", loop, "--target", "f1_macro=1", "--budget", budget)
    curve = read(loop / "curve.json")
    assert curve["rounds"][-1]["labelled"] == budget
    assert curve["stop"] == f"{budget} records are labelled, the budget is {budget}"


def test_other_settings_are_refused_by_name(
    loop: Path, records: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    before = {path: path.read_bytes() for path in loop.rglob("*") if path.is_file() and path.name != ".lock"}
    go_on = ("--dir", loop)
    assert "--batch-size: the loop in" in fails(*go_on, "--batch-size", 9)
    assert "started with 8, found 9" in fails(*go_on, "--batch-size", 9)
    assert "--strategy: the loop in" in fails(*go_on, "--strategy", "random")
    assert "optim.lr: the loop in" in fails(*go_on, *SETTINGS, "optim.lr=1e-3")
    assert "did you mean optim.lr" in fails(*go_on, *SETTINGS, "optim.lrr=1e-3")
    assert "did you mean random" in fails(*go_on, "--strategy", "randon")
    assert "--target f1_makro: expected f1_micro, f1_macro" in fails(*go_on, "--target", "f1_makro=.7")
    assert "expected METRIC=SCORE" in fails(*go_on, "--target", "f1_macro")
    assert "target: expected a score above 0" in fails(*go_on, "--target", "f1_macro=7")
    assert "--project: the loop in" in fails(*go_on, "--project", "Mine")
    assert "--partial: expected no --wait" in fails(*go_on, "--wait", "--partial")
    for key in ("run.dir=x", "data.records=x", "labels.untagged=drop"):
        assert "tagnet label loop chooses it" in fails(*go_on, key)
    assert "split.file: expected null" in fails(*go_on, "split.file=madewithml", "split.key=B")
    assert "trainer.strategy: expected single" in fails(*go_on, "trainer=ddp")
    assert {path: path.read_bytes() for path in before} == before
    new = tmp_path / "new"
    assert "--records: expected the records of a new loop" in fails("--dir", new)
    assert "expected --project TITLE" in fails("--dir", new, "--records", records)
    assert "--project: expected a Label Studio server" in fails(*started(new, records), "--project", "Mine")
    assert "--tool tagnet: expected a tool that takes tasks" in fails(
        "--dir", new, "--records", records, "--tool", "tagnet"
    )
    assert not new.exists()
    (new / "other").mkdir(parents=True)
    assert "found other; choose another --dir" in fails(*started(new, records))


def test_files_that_changed_are_named(
    loop: Path, records: Path, tmp_path: Path, fails: Callable[..., str], truth: Rows
) -> None:
    go_on = ("--dir", loop, "--rounds", ROUNDS + 1)

    def spoiled(path: Path, content: bytes) -> str:
        before = path.read_bytes()
        path.write_bytes(content)
        said = fails(*go_on)
        path.write_bytes(before)
        return said

    lines = (loop / "answers.jsonl").read_bytes().splitlines(keepends=True)
    assert "answers.jsonl: expected the" in spoiled(loop / "answers.jsonl", b"".join(lines[1:]))
    version = loop / "versions" / "001.json"
    assert "expected the version that round 0 came to" in spoiled(version, version.read_bytes() + b" ")
    first = loop / "versions" / "000.json"
    assert "the records of round 0 changed since" in spoiled(first, first.read_bytes() + b" ")
    asked = loop / "rounds" / "000" / "query.json"
    other = read(asked)
    other["asked"] = other["asked"][1:]
    assert "the questions changed since" in spoiled(asked, json.dumps(other).encode())
    assert "expected a step of a labelling loop" in spoiled(asked, b"[]")
    assert "broken JSON" in spoiled(loop / "loop.json", b"{")
    assert "the records changed since the loop was started" in spoiled(records, records.read_bytes() + b" ")
    records_aside = records.rename(tmp_path / "aside.json")
    assert call(*go_on) == 0  # it has versions of its own
    records_aside.rename(records)


def test_records_that_make_no_loop(records: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    rows, folder = read(records), tmp_path / "loop"

    def refused(rows: Rows, *more: object) -> str:
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
        said = fails(*started(folder, path, *more))
        assert not (folder / "start.json").exists()
        return said

    assert "found none without tags" in refused(rows[:LABELLED])
    assert "found none with tags" in refused(rows[LABELLED:])
    assert "found none without tags" in refused([*rows[:LABELLED], {**rows[-1], "title": "", "description": " "}])
    twins = [{**row, "id": -row["id"], "tags": []} for row in rows[:LABELLED]]
    split = tmp_path / "split.json"
    ids = [row["id"] for row in rows[:LABELLED]]
    split.write_text(json.dumps({"train": [], "val": ids[:60], "test": ids[60:]}))
    assert "all of them judge" in refused(rows, "--evaluation", split)
    split.write_text(json.dumps({"train": [], "val": [rows[-1]["id"]], "test": ids[60:]}))
    assert "val: expected ids of records with tags, found 1 of others" in refused(rows, "--evaluation", split)
    split.write_text(json.dumps({"train": [], "val": ids[:60], "test": ids[59:100]}))
    assert "on one side" in refused(rows, "--evaluation", split)
    split.write_text(json.dumps({"train": [], "val": ids[:60], "test": ids[60:129]}))
    assert "only twins" in refused([*rows[:LABELLED], *twins[:60]], "--evaluation", split)
    # Nothing has started: the same folder takes other records and settings.
    assert call(*started(folder, records, "--strategy", "random", "--rounds", 0)) == 0
    assert read(folder / "curve.json")["stop"] == "0 rounds of questions are answered"
