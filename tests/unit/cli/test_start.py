"""The root's help says what the command table says, without importing it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from tagnet.cli.main import app
from tagnet.cli.start import COMMANDS, main, root_help

MOST_MODULES = 40
"""Modules that `--help` may import beyond those of a bare interpreter; typer alone brings over three hundred."""


def test_each_command_stands_there_with_what_it_says_of_itself() -> None:
    table = typer.main.get_command(app)
    assert {name: command.get_short_help_str(1000) for name, command in table.commands.items()} == COMMANDS  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_help_fits_the_terminal(width: int) -> None:
    lines = root_help(width).splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines if line.startswith("   ") and line[3] != " "][2:] == list(COMMANDS)


@pytest.mark.parametrize("word", ["--help", "-h", "--version"])
def test_help_and_version_import_next_to_nothing(word: str) -> None:
    script = (
        "import sys; bare = set(sys.modules)\n"
        "from tagnet.cli.start import main; main(sys.argv[1:])\n"
        "print(len(set(sys.modules) - bare), 'typer' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, word], capture_output=True, text=True, check=True, timeout=60)
    assert "tagnet" in done.stdout
    number, typer_is_there = done.stderr.split()
    assert typer_is_there == "False"
    assert int(number) <= (MOST_MODULES if word != "--version" else 4 * MOST_MODULES)


def test_other_words_go_to_the_command_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tagnet", "nonsense"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "nonsense" in capsys.readouterr().err


def test_training_begins_without_what_it_needs_afterwards() -> None:
    script = "import tagnet.cli.train, tagnet.training.fit, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert not {"sklearn", "pandas", "pyarrow", "datasets", "optuna", "ray", "mlflow", "wandb"} & set(
        done.stdout.split()
    )
