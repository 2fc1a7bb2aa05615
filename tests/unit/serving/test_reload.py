"""Another model takes the place of the one before, or nothing changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import BundleError
from tagnet.serving.engine import Engine
from tagnet.serving.metrics import Metrics
from tagnet.serving.reload import Served, identity

Start = Callable[..., Any]


class Shelf:
    """Hands out one model after the other."""

    def __init__(self, *models: Any) -> None:
        self.models = list(models)

    def load(self, folder: Path) -> Engine:
        model = self.models.pop(0)
        if isinstance(model, Exception):
            raise model
        return Engine(model)


def test_the_endpoint_needs_a_token_to_be_there(start: Start, make_model: Any) -> None:
    shelf = Shelf(make_model("v1"), make_model("v2"), make_model("v2"))
    asker = start(load=shelf.load, token="secret")
    assert asker("POST", "/v1/reload").status == 401
    header = {"authorization": "Bearer secret"}
    assert asker("POST", "/v1/reload", **header).json == {"model_version": "v2", "changed": True}
    assert asker("GET", "/v1/labels", **header).json["model_version"] == "v2"
    assert asker("POST", "/v1/reload", **header).json == {"model_version": "v2", "changed": False}
    assert 'tagnet_model_info{version="v2"} 1.0' in asker("GET", "/metrics", **header).body.decode()


@pytest.mark.parametrize("error", [BundleError("/secret/path is damaged"), RuntimeError("/secret/path")])
def test_a_damaged_model_changes_nothing(
    start: Start, make_model: Any, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    asker = start(load=Shelf(make_model("v1"), error).load, token="secret")
    answer = asker("POST", "/v1/reload", authorization="Bearer secret")
    assert answer.error == (409, "not_reloaded")
    assert b"secret" not in answer.body
    assert "the model before goes on" in caplog.text
    answer = asker("POST", "/v1/tags", {"records": [{"title": "t"}]}, authorization="Bearer secret")
    assert answer.json["model_version"] == "v1"


def test_a_folder_that_was_replaced_is_noticed_once_it_rests(tmp_path: Path, make_model: Any) -> None:
    (tmp_path / "tagnet.json").write_text("1")
    served = Served(tmp_path, Shelf(make_model("v1"), make_model("v2")).load, Metrics())

    async def go() -> None:
        watching = asyncio.ensure_future(served.watch(0.01))
        await asyncio.sleep(0.05)
        assert served.engine.version == "v1"
        (tmp_path / "tagnet.json").write_text("22")
        for _ in range(300):
            await asyncio.sleep(0.01)
            if served.engine.version == "v2":
                break
        assert served.engine.version == "v2"
        (tmp_path / "tagnet.json").unlink()
        await asyncio.sleep(0.05)
        assert served.engine.version == "v2"
        watching.cancel()

    asyncio.run(go())


def test_a_folder_that_is_copied_file_by_file_is_loaded_once_it_is_whole(tmp_path: Path, make_model: Any) -> None:
    (tmp_path / "tagnet.json").write_text("1")
    shelf = Shelf(make_model("v1"), BundleError("model.onnx is not the one of tagnet.json"), make_model("v2"))
    served = Served(tmp_path, shelf.load, Metrics())

    async def go() -> None:
        watching = asyncio.ensure_future(served.watch(0.01))
        (tmp_path / "tagnet.json").write_text("22")
        while len(shelf.models) > 1:
            await asyncio.sleep(0.01)
        (tmp_path / "model.onnx").write_text("2")
        async with asyncio.timeout(5):
            while served.engine.version != "v2":
                await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(go())


def test_what_lies_beside_a_model_is_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "tagnet.json").write_text("1")
    first = identity(tmp_path)
    (tmp_path / "answers.jsonl").write_text("{}")
    assert identity(tmp_path) == first
    (tmp_path / "tokenizer.json").write_text("{}")
    assert identity(tmp_path) != first


def test_identity(tmp_path: Path) -> None:
    assert identity(tmp_path) is None
    (tmp_path / "bundle.json").write_text("1")
    first = identity(tmp_path)
    (tmp_path / "bundle.json").unlink()
    (tmp_path / "bundle.json").write_text("22")
    assert first != identity(tmp_path) is not None
