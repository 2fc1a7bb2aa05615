from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli.inspect import parse, run
from tagnet.errors import ConfigError, LabelSpaceError, RunDirectoryError


@pytest.fixture
def records(tmp_path: Path) -> str:
    rows: list[dict[str, Any]] = [
        {
            "id": n,
            "title": f"Kit {n}",
            "description": f"words {n} [bold]of[/bold] a text",
            "tags": ["a", "[b]"][: 1 + n % 2],
        }
        for n in range(30)
    ]
    file = tmp_path / "records.json"
    file.write_text(json.dumps(rows))
    return f"data.records={file}"


def test_everything_is_printed(records: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([records, "labels.min_count=2"])
    out, err = capsys.readouterr()
    assert err == ""
    for heading in ("Records", "Fields", "Tags", "What became of the tags", "Split", "Tokens", "warnings"):
        assert heading in out
    assert "[b]" in out


@pytest.mark.parametrize("width", [40, 56, 80, 120])
def test_nothing_is_wider_than_the_terminal(
    records: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run([records, "labels.min_count=2", "--no-tokens"])
    run([records, "labels.min_count=2", "--tag", "[b]"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


def test_one_tag_is_printed_with_its_texts_as_they_stand(records: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([records, "--tag=[b]"])
    out = capsys.readouterr().out
    assert out.startswith("[b]\n")
    assert "15, 50% of those kept" in out
    assert "[bold]of[/bold]" in out
    assert "Tokens" not in out


def test_no_tokens_leaves_the_tokenizer_alone(records: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([records, "encoder=/no/such/encoder", "--no-tokens"])
    assert "Tokens" not in capsys.readouterr().out


def test_the_page_is_written(records: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "new folder" / "data.html"
    run([records, "--output", str(page), "--tag", "a"])
    html = page.read_text(encoding="utf-8")
    assert '<section id="one">' in html
    assert '<section id="lengths">' in html
    assert str(page) in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_one_error(records: str, tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        run([records, "--no-tokens", "--output", str(tmp_path)])


def test_no_run_directory_is_made(
    records: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run([records, "--no-tokens"])
    assert [path.name for path in tmp_path.iterdir()] == ["records.json"]
    assert capsys.readouterr().out


def test_settings_that_leave_no_tag_show_the_tags_there_are(records: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LabelSpaceError, match=r"lower labels\.min_count"):
        run([records, "labels.min_count=1000"])
    out = capsys.readouterr().out
    assert "The commonest of 2 tags, as written" in out
    assert "title" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tga", "x"], "--tga: .*no such option; did you mean --tag"),
        (["--output"], "--output: expected a value"),
        (["--tag="], "--tag: expected a value"),
        (["--no-tokens=1"], "--no-tokens"),
        (["--cfg", "job"], "--cfg: .*no such option"),
    ],
)
def test_options_that_cannot_be_read(words: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        parse(words)


def test_a_misspelt_setting_names_the_nearest(records: str) -> None:
    with pytest.raises(ConfigError, match=r"did you mean labels\.min_count"):
        run([records, "labels.min_cuont=2"])


def test_help_imports_nothing_heavy(repository: Path) -> None:
    code = (
        "import sys; from tagnet.cli.inspect import run; run(['--tag', '-h']);"
        "print(sorted({'torch', 'hydra', 'sklearn', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository / "src", capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("Usage: tagnet inspect")
    assert done.stdout.endswith("[]\n")
