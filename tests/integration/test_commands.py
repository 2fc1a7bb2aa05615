"""The commands as a script drives them: the names and shapes that do not change."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.training.fit import Run

Tagnet = Callable[..., tuple[int, str, str]]

NEW: list[dict[str, Any]] = [
    {"id": "b-7", "title": "A tiny SQL engine", "description": "It queries Parquet files in your own process."},
    {"id": 3, "title": "Robots in simulation", "description": None},
    {"id": "a", "title": "日本語の形態素解析", "description": "🎉 {braces}", "tags": "not read", "url": 3},
]


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Records to predict, none of which has tags that could be learned from."""
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in NEW), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_train_from_the_command_line_is_fit(
    tagnet: Tagnet,
    small: tuple[str, ...],
    small_run: Run,
    small_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    folder = tmp_path / "run"
    code, out, err = tagnet("train", *small, f"data.records={small_records}", f"run.dir={folder}")
    assert code == 0, err
    assert (folder / "metrics.json").read_bytes() == (small_run.dir / "metrics.json").read_bytes()
    for word in (*small_run.tagger("cpu").tags, "transformer", str(folder / "report.html"), "tagnet predict"):
        assert word in out


def test_metrics_name_every_baseline(small_run: Run) -> None:
    metrics = json.loads((small_run.dir / "metrics.json").read_text())
    assert list(metrics["baselines"]) == ["prior", "rules", "tfidf_logreg", "tfidf_svm"]
    for sides in metrics["baselines"].values():
        for side in ("val", "test"):
            for name in ("f1_micro", "f1_macro", "f1_weighted", "map", "ece"):
                assert set(sides[side][name]) == {"value", "low", "high"}


def test_predict_writes_a_line_a_record_in_order_with_every_tag(
    tagnet: Tagnet, small_run: Run, new: Path, tmp_path: Path
) -> None:
    target = tmp_path / "tags.jsonl"
    code, out, err = tagnet("predict", str(small_run.dir / "bundle"), "--input", str(new), "--output", str(target))
    assert (code, out) == (0, ""), err
    lines = read_lines(target)
    assert [line["id"] for line in lines] == ["b-7", 3, "a"]
    tagger = small_run.tagger("cpu")
    for line in lines:
        assert list(line) == ["id", "tags"]
        assert {tag["tag"] for tag in line["tags"]} == set(tagger.tags)
        assert [list(tag) for tag in line["tags"]] == [["tag", "probability", "threshold", "accepted"]] * len(
            tagger.tags
        )
        probabilities = [tag["probability"] for tag in line["tags"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(tag["accepted"] is (tag["probability"] >= tag["threshold"]) for tag in line["tags"])
    fields = [{name: row[name] or "" for name in ("title", "description")} for row in NEW]
    for line, expected in zip(lines, tagger.predict(fields), strict=True):
        assert [tag["tag"] for tag in line["tags"]] == [p.tag for p in expected]
        assert [tag["probability"] for tag in line["tags"]] == pytest.approx(
            [p.probability for p in expected], abs=1e-6
        )


def test_predict_keeps_the_most_probable_tags(tagnet: Tagnet, small_run: Run, new: Path) -> None:
    code, whole, _ = tagnet("predict", str(small_run.dir / "bundle"), "--input", str(new))
    assert code == 0
    code, out, err = tagnet("predict", str(small_run.dir / "bundle"), "--input", str(new), "--top", "2")
    assert code == 0, err
    for line, full in zip(out.splitlines(), whole.splitlines(), strict=True):
        assert json.loads(line)["tags"] == json.loads(full)["tags"][:2]


def test_predict_reads_texts_and_records_from_standard_input(
    tagnet: Tagnet, small_run: Run, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, from_file, _ = tagnet("predict", str(small_run.dir / "bundle"), "--input", str(new))
    text = "A tiny SQL engine It queries Parquet files in your own process.\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n" + new.read_text(encoding="utf-8")))
    code, out, err = tagnet("predict", str(small_run.dir / "bundle"))
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["id"] for line in lines] == [1, "b-7", 3, "a"]
    by_tag = [{tag["tag"]: tag["probability"] for tag in line["tags"]} for line in lines]
    assert by_tag[0] == pytest.approx(by_tag[1], abs=1e-6)
    for line, expected in zip(lines[1:], from_file.splitlines(), strict=True):
        found, wanted = (
            {tag["tag"]: tag["probability"] for tag in each["tags"]} for each in (line, json.loads(expected))
        )
        assert found == pytest.approx(wanted, abs=1e-6)


def test_predict_with_columns_of_other_names(tagnet: Tagnet, small_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("id,name,about\n1,a,b\n")
    words = ("predict", str(small_run.dir / "bundle"), "--input", str(path))
    code, _, err = tagnet(*words)
    assert code == 2
    assert "--column title=COLUMN" in err
    code, out, err = tagnet(*words, "--column", "title=name", "--column", "description=about")
    assert code == 0, err
    assert json.loads(out)["id"] == 1


def test_evaluate_finds_what_the_run_found(tagnet: Tagnet, small_run: Run, small_records: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "evaluation"
    words = ("--records", str(small_records), "--split", str(small_run.dir / "split.json"), "--output", str(output))
    code, out, err = tagnet("evaluate", str(small_run.dir / "bundle"), *words, "--device", "cpu")
    assert code == 0, err
    found = json.loads((output / "metrics.json").read_text())
    for name, estimate in small_run.metrics["test"].items():
        assert found[name] == pytest.approx(estimate, abs=1e-6), name
    assert (output / "per_tag.csv").read_text().count("\n") == len(small_run.tagger("cpu").tags) + 1
    assert f"{found['records']} records" in out
