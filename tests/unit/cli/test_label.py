"""The table of `tagnet label`."""

from __future__ import annotations

from typer.testing import CliRunner

from tagnet.cli.main import app
from tagnet.labeling.tools.registry import CODECS


def test_help_names_commands_and_tools() -> None:
    runner = CliRunner(env={"COLUMNS": "400"})
    said = runner.invoke(app, ["label", "--help"]).output
    more = ("audit", "loop", "query", "simulate", "weak")
    for command in ("export", "import", "push", "pull", "status", "merge", "rebuild", *more):
        assert command in said
        assert runner.invoke(app, ["label", command, "--help"]).exit_code == 0
    said = runner.invoke(app, ["label", "export", "--help"]).output
    assert all(name in said for name in CODECS if name != "tagnet")
