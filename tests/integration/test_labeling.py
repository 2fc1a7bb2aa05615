"""`tagnet label` from the command line: out, answered, back in, merged, trained on; and bad input of every kind."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.training.fit import Run

Tagnet = Callable[..., tuple[int, str, str]]

ANSWER_KEYS = ["project_id", "annotator", "at", "kept", "added", "removed", "skipped", "empty", "comment"]
LABEL_STUDIO = ("--tool", "label-studio")


@pytest.fixture
def rows(small_records: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(small_records.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def run(tagnet: Tagnet) -> Callable[..., str]:
    """A command that has to succeed; what it said."""

    def run(*words: object) -> str:
        code, out, err = tagnet(*map(str, words))
        assert code == 0, err
        return out + err

    return run


@pytest.fixture
def fails(tagnet: Tagnet) -> Callable[..., str]:
    """A command that has to fail with one clear error; the error."""

    def run(*words: object) -> str:
        code, _, err = tagnet(*map(str, words))
        assert code == 2, err
        message = err[err.index("error: ") :].strip()
        assert 1 <= len(message.splitlines()) <= 3, message
        assert "Traceback" not in err
        return message

    return run


def annotate(path: Path, choose: Callable[[int, list[str]], list[str] | None], who: int = 1) -> None:
    """Answers as Label Studio exports them; `choose` gives the tags of the task at a place, None to skip."""
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for place, task in enumerate(tasks):
        shown = [tag for part in task["predictions"][0]["result"] for tag in part["value"]["choices"]]
        chosen = choose(place, shown)
        value = {"from_name": "tags", "to_name": "text", "type": "choices", "value": {"choices": chosen}}
        annotation = {"completed_by": who, "was_cancelled": chosen is None, "result": [value] if chosen else []}
        task.setdefault("annotations", []).append({**annotation, "updated_at": f"2026-11-0{who}T10:00:00Z"})
    path.write_text(json.dumps(tasks), encoding="utf-8")


def test_out_back_merged_rebuilt_and_trained_on(
    run: Callable[..., str],
    small_records: Path,
    rows: list[dict[str, Any]],
    small: tuple[str, ...],
    tmp_path: Path,
) -> None:
    tasks, answers, new = tmp_path / "tasks.json", tmp_path / "answers.jsonl", tmp_path / "new.json"
    run("label", "export", *LABEL_STUDIO, "--records", small_records, "--output", tasks)
    kinds: dict[int, Callable[[list[str]], list[str] | None]] = {
        0: lambda shown: shown,
        1: lambda shown: [*shown[1:], "fresh-tag"],
        2: lambda shown: None,
        3: lambda shown: [],
    }
    annotate(tasks, lambda place, shown: kinds[place % 4](shown))
    said = run("label", "import", *LABEL_STUDIO, tasks, "--output", answers)
    assert "300 new answers" in said
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    assert all(list(line) == ANSWER_KEYS for line in lines)
    assert [line["project_id"] for line in lines] == [row["id"] for row in rows]
    assert "300 known" in run("label", "import", *LABEL_STUDIO, tasks, "--output", answers)
    assert len(answers.read_text().splitlines()) == 300

    said = run("label", "merge", "--records", small_records, "--answers", answers, "--output", new)
    merged = json.loads(new.read_text(encoding="utf-8"))
    for place, (before, after) in enumerate(zip(rows, merged, strict=True)):
        expected = kinds[place % 4](before["tags"])
        assert after == {**before, "tags": before["tags"] if expected is None else expected}
        assert list(after) == list(before)
    fingerprint = hashlib.sha256(new.read_bytes()).hexdigest()
    assert fingerprint[:16] in said
    version = json.loads((tmp_path / "new.version.json").read_text())
    assert version["fingerprint"] == fingerprint
    review = [json.loads(line) for line in (tmp_path / "answers.review.jsonl").read_text().splitlines()]
    assert {(entry["reason"], *entry["tags"]) for entry in review} == {("unknown_tags", "fresh-tag")}

    again = tmp_path / "again.json"
    rebuild = ("--records", small_records, "--answers", answers, "--output", again)
    run("label", "rebuild", tmp_path / "new.version.json", *rebuild)
    assert again.read_bytes() == new.read_bytes()

    folder = tmp_path / "run"
    run("train", *small, "trainer.max_epochs=1", "labels.untagged=negative", f"data.records={new}", f"run.dir={folder}")
    assert fingerprint in (folder / "data.json").read_text()


def test_two_annotators_disagree(run: Callable[..., str], small_records: Path, tmp_path: Path) -> None:
    tasks, answers = tmp_path / "tasks.json", tmp_path / "answers.jsonl"
    run("label", "export", *LABEL_STUDIO, "--records", small_records, "--output", tasks)
    annotate(tasks, lambda place, shown: shown, who=1)
    annotate(tasks, lambda place, shown: shown[place % 2 :], who=2)
    run("label", "import", *LABEL_STUDIO, tasks, "--output", answers)
    found = {}
    for rule in ("latest", "majority", "dawid-skene"):
        new = tmp_path / f"{rule}.json"
        words = ("--records", small_records, "--answers", answers, "--output", new, "--resolve", rule)
        said = run("label", "merge", *words)
        assert "Least agreed tags" in said
        found[rule] = json.loads(new.with_suffix(".version.json").read_text())
        assert found[rule]["counts"]["conflicts"] == 150
    # Half of two is no majority: the author's tags stay. The latest answers are the second annotator's.
    assert (found["majority"]["counts"]["changed"], found["latest"]["counts"]["changed"]) == (0, 150)
    assert all(-1 <= row["alpha"] <= 1 for row in found["latest"]["agreement"] if row["alpha"] is not None)


def test_a_bundle_suggests(run: Callable[..., str], small_run: Run, small_records: Path, tmp_path: Path) -> None:
    tasks, answers, new = tmp_path / "tasks.json", tmp_path / "answers.jsonl", tmp_path / "new.json"
    bundle = ("--bundle", small_run.dir / "bundle", "--device", "cpu")
    run("label", "export", *LABEL_STUDIO, "--records", small_records, *bundle, "--output", tasks)
    suggested = [json.loads(task["data"]["tagnet"])["shown"] for task in json.loads(tasks.read_text())]
    assert {source for row in suggested for _, source, _, _ in row} == {"author", "model"}
    authors = [[tag for tag, source, _, _ in row if source == "author"] for row in suggested]
    # Whoever turns every suggestion down leaves the records as they are.
    annotate(tasks, lambda place, shown: authors[place])
    run("label", "import", *LABEL_STUDIO, tasks, "--output", answers)
    run("label", "merge", "--records", small_records, "--answers", answers, "--output", new)
    assert json.loads(new.read_text()) == json.loads(small_records.read_text())
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    assert [line["removed"] for line in lines] == [
        [tag for tag, source, _, _ in row if source == "model"] for row in suggested
    ]


def test_a_taxonomy_on_the_way_back(run: Callable[..., str], small_records: Path, tmp_path: Path) -> None:
    taxonomy = tmp_path / "tags.json"
    taxonomy.write_text(json.dumps([{"tag": "child", "aliases": ["kid"], "parents": ["parent"]}, {"tag": "parent"}]))
    tasks, answers, new = tmp_path / "tasks.json", tmp_path / "answers.jsonl", tmp_path / "new.json"
    run("label", "export", *LABEL_STUDIO, "--records", small_records, "--taxonomy", taxonomy, "--output", tasks)
    assert '<Choice value="child"/>' in (tmp_path / "tasks.config.xml").read_text()
    annotate(tasks, lambda place, shown: ["kid", "stranger"] if place == 0 else None)
    run("label", "import", *LABEL_STUDIO, tasks, "--output", answers, "--taxonomy", taxonomy)
    merge = ("label", "merge", "--records", small_records, "--answers", answers, "--taxonomy", taxonomy)
    run(*merge, "--output", new)
    assert json.loads(new.read_text())[0]["tags"] == ["child", "parent"]
    for name in ("answers", "new"):
        (entry,) = map(json.loads, (tmp_path / f"{name}.review.jsonl").read_text().splitlines())
        assert (entry["reason"], entry["tags"]) == ("unknown_tags", ["stranger"])


# -------------------------------------------------------------------------------------------------------- bad input


@pytest.fixture
def exported(run: Callable[..., str], small_records: Path, tmp_path: Path) -> Path:
    tasks = tmp_path / "tasks.json"
    run("label", "export", *LABEL_STUDIO, "--records", small_records, "--output", tasks)
    return tasks


def test_names_that_are_wrong(fails: Callable[..., str], small_records: Path, exported: Path, tmp_path: Path) -> None:
    out = ("--output", tmp_path / "x.json")
    assert "label-studio" in fails("label", "export", "--tool", "labelstudio", "--records", small_records, *out)
    assert "nowhere.json" in fails("label", "export", *LABEL_STUDIO, "--records", "nowhere.json", *out)
    assert "taxonomy" in fails("label", "export", *LABEL_STUDIO, "--records", small_records, *out, "--control", "tree")
    assert "did you mean tasks.json" in fails("label", "import", *LABEL_STUDIO, tmp_path / "task.json", *out)
    assert "prodigy" in fails("label", "export", *LABEL_STUDIO, "--records", small_records, *out, "--max-choices", 3)
    answers = ("--answers", tmp_path / "no.jsonl")
    assert "no.jsonl" in fails("label", "merge", "--records", small_records, *answers, *out)
    (tmp_path / "no.jsonl").write_text("")
    assert "latest" in fails("label", "merge", "--records", small_records, *answers, *out, "--resolve", "newest")
    assert "only `tagnet label import`" in fails(
        "label", "export", "--tool", "tagnet", "--records", small_records, *out
    )
    assert not (tmp_path / "x.json").exists()


def test_work_is_never_overwritten(
    fails: Callable[..., str], run: Callable[..., str], small_records: Path, exported: Path
) -> None:
    again = ("label", "export", *LABEL_STUDIO, "--records", small_records, "--output", exported)
    run(*again)
    annotate(exported, lambda place, shown: shown)
    before = exported.read_bytes()
    assert "people may have worked" in fails(*again)
    assert exported.read_bytes() == before


def test_a_foreign_export_leaves_the_log_alone(
    fails: Callable[..., str], run: Callable[..., str], exported: Path, tmp_path: Path
) -> None:
    log = tmp_path / "answers.jsonl"
    annotate(exported, lambda place, shown: shown)
    run("label", "import", *LABEL_STUDIO, exported, "--output", log)
    before = log.read_bytes()
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps([{"id": 1, "data": {"text": "x"}, "annotations": [{"result": []}]}]))
    assert "none of its 1 tasks" in fails("label", "import", *LABEL_STUDIO, foreign, "--output", log)
    half = tmp_path / "half.json"
    half.write_text(exported.read_text()[:5000])
    assert "half-written" in fails("label", "import", *LABEL_STUDIO, half, "--output", log)
    assert "expected" in fails("label", "import", "--tool", "doccano", exported, "--output", log)
    assert log.read_bytes() == before
    assert not list(tmp_path.rglob("*.part*"))


def test_an_answer_to_a_task_never_sent_goes_to_review(
    run: Callable[..., str], exported: Path, small_records: Path, tmp_path: Path
) -> None:
    annotate(exported, lambda place, shown: shown[:1])
    tasks = json.loads(exported.read_text())
    tasks[0]["data"]["project_id"] = 999_999
    del tasks[1]["data"]["tagnet"]
    tasks[2]["data"]["text"] = "Another text"
    exported.write_text(json.dumps(tasks))
    log, new = tmp_path / "answers.jsonl", tmp_path / "new.json"
    said = run("label", "import", *LABEL_STUDIO, exported, "--output", log)
    assert "297 new answers" in said
    assert "3 to look at" in said
    entries = [json.loads(line) for line in (tmp_path / "answers.review.jsonl").read_text().splitlines()]
    assert [entry["reason"] for entry in entries] == ["not_our_task", "not_our_task", "text_changed"]
    assert all(entry["found"]["annotation"]["result"] for entry in entries)
    run("label", "merge", "--records", small_records, "--answers", log, "--output", new)
    assert json.loads(new.read_text())[:3] == json.loads(small_records.read_text())[:3]


def test_a_text_that_changed_after_it_was_sent(
    run: Callable[..., str], exported: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    annotate(exported, lambda place, shown: [])
    log, new, moved = tmp_path / "answers.jsonl", tmp_path / "new.json", tmp_path / "moved.json"
    run("label", "import", *LABEL_STUDIO, exported, "--output", log)
    rows[0]["description"] += " More."
    moved.write_text(json.dumps(rows[:-1]), encoding="utf-8")
    said = run("label", "merge", "--records", moved, "--answers", log, "--output", new)
    assert "2 to look at" in said
    merged = json.loads(new.read_text())
    assert (merged[0], merged[1]["tags"]) == (rows[0], [])
    entries = [json.loads(line) for line in (tmp_path / "new.review.jsonl").read_text().splitlines()]
    assert {entry["reason"] for entry in entries} == {"text_changed", "unknown_record"}


def test_an_answers_file_written_by_hand(
    run: Callable[..., str], fails: Callable[..., str], small_records: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    log, new = tmp_path / "hand.jsonl", tmp_path / "new.json"
    tags = rows[0]["tags"]
    answer = dict(
        zip(ANSWER_KEYS, [rows[0]["id"], "ann", None, tags[1:], ["x"], tags[:1], False, False, ""], strict=True)
    )
    log.write_text(json.dumps(answer) + "\n")
    run("label", "merge", "--records", small_records, "--answers", log, "--output", new)
    assert json.loads(new.read_text())[0]["tags"] == [*tags[1:], "x"]
    log.write_text(json.dumps(answer) + "\n" + json.dumps(answer)[:40])
    words = ("label", "merge", "--records", small_records, "--answers", log, "--output", tmp_path / "other.json")
    assert "line 2" in fails(*words)
    log.write_text(json.dumps({**answer, "empty": True}))
    assert "empty" in fails(*words)
    log.write_text("")
    assert "never overwritten" in fails(*words[:-1], new)


# ------------------------------------------------------------------------------------------------------ light core


def test_the_core_install_is_enough(small_records: Path, repository: Path, tmp_path: Path) -> None:
    gone = "torch,transformers,pandas,sklearn,scipy,crowdkit,krippendorff,hydra,omegaconf,datasets,pyarrow,yaml,jinja2"
    script = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(',')))\n"
        "from tagnet.cli.main import main; sys.exit(main())"
    )

    def run(*words: object) -> None:
        command = [sys.executable, "-c", script, gone, "label", *map(str, words)]
        done = subprocess.run(command, cwd=repository / "src", capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr

    tasks, answers, new = tmp_path / "tasks.csv", tmp_path / "answers.jsonl", tmp_path / "new.json"
    run("export", "--tool", "csv", "--records", small_records, "--output", tasks)
    run("import", "--tool", "csv", tasks, "--output", answers, "--annotator", "ann")
    run("import", "--tool", "csv", tasks, "--output", answers, "--annotator", "bob")
    run("merge", "--records", small_records, "--answers", answers, "--output", new)
    assert json.loads(new.read_text()) == json.loads(small_records.read_text())
