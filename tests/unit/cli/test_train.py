"""What `tagnet train` says of itself, and which words it takes."""

from __future__ import annotations

import pytest

from tagnet.cli.compose import config_groups
from tagnet.cli.train import run, split_arguments, usage
from tagnet.errors import ConfigError


def test_the_help_lists_every_choice() -> None:
    lines = {line.split()[0]: line for line in usage().partition("Choices")[2].splitlines() if line.startswith("  ")}
    for group, options in config_groups().items():
        if len(options) > 1 or group == "experiment":
            assert lines[group].split(maxsplit=1)[1] == ", ".join(options)
    assert "madewithml_b" in lines["experiment"]


def test_show_prints_the_composed_settings_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run(["loss=focal", "--cfg", "job"])
    assert "name: focal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cfg"], "expected `--cfg job`, found None"),
        (["--cfg", "hydra"], "expected `--cfg job`, found 'hydra'"),
        (["--epochs=3"], "tagnet train has no such option"),
    ],
)
def test_words_that_cannot_be_read(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split_arguments(words, "train")
