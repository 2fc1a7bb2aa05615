"""Bad input is one clear error of one to three lines, exit code 2, no traceback, nothing left behind."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

Tagnet = Callable[..., tuple[int, str, str]]

GOOD = [
    {"id": i, "title": f"Title {i}", "description": f"Words about thing {i % 7}", "tags": ["a" if i % 2 else "b"]}
    for i in range(40)
]


@pytest.fixture
def fails(tagnet: Tagnet, tmp_path: Path) -> Callable[..., str]:
    """Run `tagnet train` with these settings and hand back its error, after the common checks."""

    def run(*settings: str, command: str = "train") -> str:
        folder = tmp_path / "run"
        words = [command, "encoder=tiny", "trainer.max_epochs=1", f"run.dir={folder}", *settings]
        code, out, err = tagnet(*words)
        assert code == 2, err
        assert out == ""
        message = err[err.index("error: ") :].strip()
        assert 1 <= len(message.splitlines()) <= 3, message
        assert "Traceback" not in err
        assert not folder.exists()
        assert not list(tmp_path.rglob("*.part*"))
        return message

    return run


@pytest.fixture
def records(tmp_path: Path) -> Callable[[Any], str]:
    """Write rows, or text as it stands, to a file; the setting that names it."""

    def write(content: Any, name: str = "records.json") -> str:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return f"data.records={path}"

    return write


def test_missing_file(fails: Callable[..., str]) -> None:
    assert "nowhere.json" in fails("data.records=nowhere.json")


def test_broken_json_names_line_and_column(fails: Callable[..., str], records: Callable[..., str]) -> None:
    message = fails(records('[\n {"id": 1, "title": }\n]'))
    assert "line 2" in message
    assert "column" in message


def test_broken_line_of_json_lines(fails: Callable[..., str], records: Callable[..., str]) -> None:
    lines = [json.dumps(row) for row in GOOD]
    lines[4] = '{"id": 4,'
    assert "row 5" in fails(records("\n".join(lines), "records.jsonl"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": None}, ["row 4", "id"]),
        ({"id": 0}, ["row 4", "id", "row 1"]),
        ({"id": [4]}, ["row 4", "id", "[4]"]),
        ({"tags": "a,b"}, ["row 4", "tags"]),
        ({"tags": [1, 2]}, ["row 4", "tags"]),
        ({"title": "", "description": None}, ["row 4"]),
    ],
)
def test_bad_rows_name_row_and_field(
    fails: Callable[..., str], records: Callable[..., str], change: dict[str, Any], words: list[str]
) -> None:
    rows = [dict(row) for row in GOOD]
    rows[3].update(change)
    message = fails(records(rows), "labels.min_count=2")
    for word in words:
        assert word in message


def test_row_without_id(fails: Callable[..., str], records: Callable[..., str]) -> None:
    rows = [dict(row) for row in GOOD]
    del rows[3]["id"]
    assert "row 4" in fails(records(rows))


def test_empty_corpus(fails: Callable[..., str], records: Callable[..., str]) -> None:
    assert "at least one record" in fails(records([]))


def test_no_tag_above_the_minimum_count(fails: Callable[..., str], records: Callable[..., str]) -> None:
    message = fails(records(GOOD), "labels.min_count=30")
    assert "labels.min_count" in message
    assert "20" in message


def test_split_file_with_unknown_ids(fails: Callable[..., str], records: Callable[..., str], tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": list(range(30)), "test": [31, 4711]}))
    assert "4711" in fails(records(GOOD), "labels.min_count=2", f"split.file={split}")


def test_split_file_with_overlapping_ids(
    fails: Callable[..., str], records: Callable[..., str], tmp_path: Path
) -> None:
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": list(range(30)), "test": [29, 30]}))
    message = fails(records(GOOD), "labels.min_count=2", f"split.file={split}")
    assert "29 in train and test" in message


def test_taxonomy_with_a_cycle(fails: Callable[..., str], records: Callable[..., str], tmp_path: Path) -> None:
    taxonomy = tmp_path / "tags.json"
    taxonomy.write_text(
        json.dumps([{"tag": "a", "aliases": [], "parents": ["b"]}, {"tag": "b", "aliases": [], "parents": ["a"]}])
    )
    message = fails(records(GOOD), f"data.taxonomy={taxonomy}")
    assert "a → b → a" in message or "b → a → b" in message


def test_an_encoder_that_cannot_be_found_says_how_to_get_it(
    fails: Callable[..., str], records: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def model_info(*words: object, **more: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    message = fails(records(GOOD), "labels.min_count=2", "encoder=nobody/no-such-model")
    assert "nobody/no-such-model" in message
    assert "hf download" in message


def test_unwritable_run_directory(fails: Callable[..., str], records: Callable[..., str], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    message = fails(records(GOOD), "labels.min_count=2", f"run.dir={blocked / 'run'}")
    assert "cannot be written" in message


def test_a_full_disk(
    tagnet: Tagnet, records: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    code, out, err = tagnet(
        "train", "encoder=tiny", records(GOOD), "labels.min_count=2", f"run.dir={tmp_path / 'run'}", "trainer=cpu"
    )
    assert (code, out) == (2, "")
    assert "cannot be written (No space left on device)" in err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.part*"))
    assert not list(tmp_path.rglob("*.json*"))[1:]  # the records alone


def test_the_directory_of_a_finished_run(tagnet: Tagnet, small_run: Any, records: Callable[..., str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_run.dir.rglob("*")}
    code, out, err = tagnet("train", "encoder=tiny", records(GOOD), f"run.dir={small_run.dir}")
    assert (code, out) == (2, "")
    assert "never overwritten" in err
    assert {path: path.stat().st_mtime_ns for path in small_run.dir.rglob("*")} == before


@pytest.mark.parametrize("value", ["0", "-1e-4", "fast", "null", "nan", "inf"])
def test_a_learning_rate_that_is_not_a_positive_number(fails: Callable[..., str], value: str) -> None:
    assert "optim.lr" in fails(f"optim.lr={value}")


@pytest.mark.parametrize(
    ("setting", "neighbour"),
    [
        ("optim.lrr=1e-4", "optim.lr"),
        ("+optim.lrr=1e-4", "optim.lr"),
        ("++optim.lrr=1e-4", "optim.lr"),
        ("los=focal", "loss"),
        ("loss=focall", "focal"),
        ("experiment=madewithm_b", "madewithml_b"),
        ("lables.min_count=3", "labels.min_count"),
        ("data.on_invalid=skp", "skip"),
        ("evaluation.baselines=[tfidf_logrg]", "tfidf_logreg"),
        ("trainer.monitor=val.mapp", "val.map"),
        ("labels.untagged=dropp", "drop"),
    ],
)
def test_a_misspelt_key_or_value_names_the_nearest(fails: Callable[..., str], setting: str, neighbour: str) -> None:
    assert f"did you mean {neighbour}?" in fails(setting)


def test_a_key_of_another_loss_is_refused(fails: Callable[..., str]) -> None:
    message = fails("loss=bce", "loss.gamma=2")
    assert "loss.gamma" in message


def test_an_unknown_option(fails: Callable[..., str]) -> None:
    assert "--epochs" in fails("--epochs=3")


def test_predict_with_a_folder_that_is_no_bundle(tagnet: Tagnet, tmp_path: Path) -> None:
    code, out, err = tagnet("predict", str(tmp_path), "some text")
    assert (code, out) == (2, "")
    assert "bundle.json" in err


def test_predict_leaves_nothing_behind_when_a_row_is_bad(tagnet: Tagnet, small_run: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "title": "a", "description": "b"}\n{"id": 1, "title": "c", "description": "d"}\n')
    code, _, err = tagnet("predict", str(small_run.dir / "bundle"), "--input", str(source), "--output", str(target))
    assert code == 2
    assert "row 2" in err
    assert "take them out of the file" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_evaluate_never_overwrites_a_run(tagnet: Tagnet, small_run: Any, small_records: Path) -> None:
    before = (small_run.dir / "metrics.json").read_bytes()
    words = ("--records", str(small_records), "--output", str(small_run.dir))
    code, out, err = tagnet("evaluate", str(small_run.dir / "bundle"), *words)
    assert (code, out) == (2, "")
    assert "never overwritten" in err
    assert (small_run.dir / "metrics.json").read_bytes() == before
