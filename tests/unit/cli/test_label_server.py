"""What `tagnet label push`, `pull` and `status` refuse before they ask a server; none of it shows the token."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli.label_server import Server, run_pull, run_push, run_status
from tagnet.errors import ConfigError, LabelingError

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.json"
    path.write_text(json.dumps([{"id": 1, "title": "Title", "tags": ["a"]}]))
    return path


@pytest.fixture
def push(records: Path) -> Callable[..., None]:
    def run(server: Server, control: str = "choices", features: tuple[str, ...] = ()) -> None:
        settings: dict[str, Any] = {"bundle": None, "taxonomy": None, "columns": [], "device": "cpu"}
        run_push(server, str(records), features=features, control=control, **settings)

    return run


def test_without_a_token(push: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="LABEL_STUDIO_API_KEY: expected Label Studio's token, found none"):
        push(Server(NOWHERE, "Title", None))
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "two words")
    with pytest.raises(ConfigError, match="LABEL_STUDIO_API_KEY: expected one word") as refused:
        run_pull(Server(NOWHERE, "Title", None), tmp_path / "a.jsonl", taxonomy=None)
    assert "two" not in str(refused.value)


@pytest.mark.parametrize("title", ["", "ab", "x" * 51, " Title"])
def test_titles_that_label_studio_does_not_take(push: Callable[..., None], title: str) -> None:
    with pytest.raises(ConfigError, match="--project: expected the title of a project, 3 to 50 characters"):
        push(Server(NOWHERE, title, None))


def test_settings_are_checked_before_anybody_is_asked(push: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    server = Server(NOWHERE, "Title", tmp_path / "token")
    with pytest.raises(ConfigError, match=r"--control: .* did you mean taxonomy\?"):
        push(server, "taxonomi")
    with pytest.raises(ConfigError, match=r"--feature titel: .* did you mean title\?"):
        push(server, features=("titel",))
    with pytest.raises(ConfigError, match="--url: expected an address"):
        push(Server("localhost", "Title", tmp_path / "token"))


def test_a_server_that_is_down(records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setattr("tagnet.labeling.label_studio_server.connection._PAUSES", ())
    server, log = Server(NOWHERE, "Title", tmp_path / "token"), tmp_path / "answers.jsonl"
    with pytest.raises(LabelingError, match="is it up") as error:
        run_pull(server, log, taxonomy=None)
    assert "secret" not in str(error.value)
    with pytest.raises(LabelingError, match="is it up") as error:
        run_status(server, records=str(records), answers=log, features=[], columns=[])
    assert "secret" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("answers")] == []
