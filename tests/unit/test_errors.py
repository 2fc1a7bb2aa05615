"""The tree of errors."""

from __future__ import annotations

import inspect
import re

import pytest

from tagnet import errors
from tagnet.errors import TagnetError, nearest

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, TagnetError)]


def test_the_drawing_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([│├└─ ]*)(\w+Error)\b", line)
        if match and (match[1] or match[2] == "TagnetError"):
            depth = len(match[1]) // 4
            above = [*above[:depth], match[2]]
            if depth:
                drawn[match[2]] = above[depth - 1]
    bases = {each.__name__: each.__bases__[0].__name__ for each in CLASSES if each is not TagnetError}
    assert drawn == bases


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_ends_a_command_with_code_2(error: type[TagnetError]) -> None:
    assert error.exit_code == 2
    assert str(error("why")) == "why"
    assert error.__doc__


@pytest.mark.parametrize(
    ("word", "hint"),
    [("optim.lrr", "; did you mean optim.lr?"), ("zzz", ""), ("", ""), ("seed", "; did you mean run.seed?")],
)
def test_nearest(word: str, hint: str) -> None:
    assert nearest(word, ["optim.lr", "run.seed"]) == hint


def test_nearest_of_nothing() -> None:
    assert nearest("word", []) == ""
    assert nearest("word", iter(["words"])) == "; did you mean words?"
