"""Tokens of a file, then of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagnet.cli.token import read_token
from tagnet.errors import ConfigError


def test_a_token_comes_from_a_file_then_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAGNET_TOKEN", raising=False)
    assert read_token(None, "TAGNET_TOKEN") is None
    monkeypatch.setenv("TAGNET_TOKEN", "from-environment")
    assert read_token(None, "TAGNET_TOKEN") == "from-environment"
    (tmp_path / "token").write_text("from-file\n")
    assert read_token(tmp_path / "token", "TAGNET_TOKEN") == "from-file"


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", "schlüssel".encode(), b"\xff\xfe"])
def test_what_is_no_token(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="--token-file") as refused:
        read_token(path, "TAGNET_TOKEN")
    said = str(refused.value).replace(str(path), "")
    assert "schl" not in said
    assert "two" not in said


def test_an_empty_variable_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGNET_TOKEN", "")
    with pytest.raises(ConfigError, match="TAGNET_TOKEN: expected one word"):
        read_token(None, "TAGNET_TOKEN")
