"""Tools by name."""

from __future__ import annotations

import pytest

from tagnet.errors import ConfigError
from tagnet.labeling.tools.registry import CODECS, find_codec


def test_these_are_the_tools() -> None:
    names = "label-studio doccano prodigy argilla universal-data-tool scale brat superintendent csv tagnet"
    assert list(CODECS) == names.split()
    assert all(find_codec(name).name == name for name in CODECS)


def test_an_unknown_tool_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean label-studio"):
        find_codec("labelstudio")
