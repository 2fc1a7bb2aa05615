"""Lines of standard input as texts and records, and outputs that are whole or not there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.bundle import Bundle
from tagnet.cli import predict
from tagnet.cli.predict import parse_columns, read_lines, run
from tagnet.errors import ConfigError, RecordError
from tagnet.prediction.tagger import Tagger
from tagnet.records.parse import RowSchema
from tagnet.records.record import Record

SCHEMA = RowSchema({"title": "name"}, ("title", "description"), need_tags=False)


def test_lines_are_texts_or_records() -> None:
    lines = [
        "a text \n",
        "\n",
        '{"id": "x", "name": "t", "description": ["a", "b"]}\n',
        ' {"description": 3}\n',
        "last",
    ]
    inputs, ids = read_lines(lines, SCHEMA)
    assert inputs[0] == "a text"
    assert inputs[1] == Record("x", {"title": "t", "description": "a, b"}, (), None)
    assert inputs[2] == Record(4, {"title": "", "description": "3"}, (), None)
    assert ids == [1, "x", 4, 5]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 1,', "^standard input, row 2: line: expected a JSON record, .* found broken JSON at line 2, column 1"),
        ('{"id": [1], "name": "t"}', r"^standard input, row 2: id: expected an integer .* found \[1\]$"),
        ('{"id": 1, "name": {}}', "^standard input, row 2: name: expected text, .* found {}$"),
        ('{"id": 1, "other": "t"}', "^standard input, row 2: name, description: expected some text in at least one"),
    ],
)
def test_a_line_that_is_no_record_is_refused_by_the_rules_of_files(line: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read_lines(["fine", line], SCHEMA)


def test_standard_input_must_be_utf8() -> None:
    with pytest.raises(RecordError, match="standard input: expected UTF-8, found byte 0xe9"):
        read_lines(io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8"), SCHEMA)


@pytest.mark.parametrize("word", ["title", "title=", "=name"])
def test_columns_are_pairs(word: str) -> None:
    with pytest.raises(ConfigError, match="expected OURS=THEIRS"):
        parse_columns([word])


@pytest.fixture
def bundle(write_tiny_bundle: Callable[..., Bundle]) -> Path:
    return write_tiny_bundle().folder


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    rows = [{"id": f"r{n}", "title": f"title {n} " * (n % 5 + 1), "description": "words"} for n in range(11)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def do(bundle: Path, *texts: str, **changes: Any) -> None:
    words: dict[str, Any] = {
        "input": None,
        "output": None,
        "top": None,
        "columns": [],
        "batch_size": 4,
        "device": "cpu",
    }
    words |= changes
    run(bundle, texts, words.pop("input"), words.pop("output"), **words)


def test_blocks_keep_the_order_and_change_nothing(
    bundle: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    real = Tagger.probabilities

    def watch(self: Tagger, inputs: Any, **more: Any) -> Any:
        sizes.append(len(inputs))
        return real(self, inputs, **more)

    do(bundle, input=records, output=tmp_path / "whole.jsonl")
    monkeypatch.setattr(predict, "_BLOCK", 4)
    monkeypatch.setattr(Tagger, "probabilities", watch)
    do(bundle, input=records, output=tmp_path / "blocks.jsonl")
    assert sizes == [4, 4, 3]
    whole, blocks = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("whole.jsonl", "blocks.jsonl")
    )
    assert [line["id"] for line in blocks] == [f"r{n}" for n in range(11)]
    for a, b in zip(whole, blocks, strict=True):
        assert [t["tag"] for t in a["tags"]] == [t["tag"] for t in b["tags"]]
        assert [t["probability"] for t in a["tags"]] == pytest.approx([t["probability"] for t in b["tags"]], abs=1e-6)


def test_a_failure_halfway_leaves_the_output_as_it_was(
    bundle: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out" / "tags.jsonl"
    output.parent.mkdir()
    output.write_text("of an earlier time")
    monkeypatch.setattr(predict, "_BLOCK", 4)
    real = Tagger.to_predictions
    calls = []

    def fail(self: Tagger, probs_NK: Any, top: int | None = None) -> Any:
        calls.append(len(probs_NK))
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(self, probs_NK, top)

    with monkeypatch.context() as patch:
        patch.setattr(Tagger, "to_predictions", fail)
        with pytest.raises(OSError, match="No space left on device"):
            do(bundle, input=records, output=output)
    assert output.read_text() == "of an earlier time"
    do(bundle, input=records, output=output)
    assert [path.name for path in output.parent.iterdir()] == ["tags.jsonl"]
    assert len(output.read_text().splitlines()) > 4


def test_standard_input(bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('a text\n{"id": "x", "name": "t"}\n'))
    do(bundle, columns=["title=name"], top=1)
    out, err = capsys.readouterr()
    assert [json.loads(line)["id"] for line in out.splitlines()] == [1, "x"]
    assert err == ""


def test_words_that_contradict_each_other(bundle: Path, records: Path) -> None:
    with pytest.raises(ConfigError, match="found both"):
        do(bundle, "a text", input=records)
    with pytest.raises(ConfigError, match="texts have none"):
        do(bundle, "a text", columns=["title=name"])
