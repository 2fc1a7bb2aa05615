"""The model that is served, and how another takes its place without a request noticing.

The new one is loaded and tried beside the old one, then takes its place in one assignment; what is in flight is
finished by the old one. A folder that is damaged changes nothing, and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tagnet.errors import TagnetError
from tagnet.serving.engine import Engine
from tagnet.serving.metrics import Metrics
from tagnet.serving.refusal import Refusal

_LOG = logging.getLogger("tagnet.serving")

_DESCRIPTIONS = ("tagnet.json", "bundle.json")
_MODEL_SUFFIXES = (".json", ".onnx", ".data", ".safetensors")
"""Of the files that make a model; annotations, say, may lie beside them."""


class Served:
    """The engine in use, and its successor."""

    def __init__(self, folder: Path, load: Callable[[Path], Engine], metrics: Metrics) -> None:
        self._folder = folder
        self._load = load
        self._metrics = metrics
        self._one_at_a_time = asyncio.Lock()
        self._seen = identity(folder)
        self.engine = load(folder)
        metrics.serve(self.engine.version)

    async def reload(self) -> bool:
        """Load the folder anew; whether another model is served now.

        Raises:
            Refusal: the folder cannot be used; the old model goes on.
        """
        async with self._one_at_a_time:
            self._seen = identity(self._folder)
            try:
                engine = await asyncio.to_thread(self._load, self._folder)
            except Exception as error:
                self._metrics.reloads.labels("failed").inc()
                # The message may name paths: it is for the log alone.
                if isinstance(error, TagnetError):
                    _LOG.error("not reloaded, the model before goes on: %s", error)
                else:
                    _LOG.exception("not reloaded, the model before goes on")
                raise Refusal(
                    409,
                    "not_reloaded",
                    f"the new model cannot be used, {self.engine.version} goes on; the server's log says why",
                ) from error
            changed = engine.version != self.engine.version
            self.engine = engine
            self._metrics.serve(engine.version)
            self._metrics.reloads.labels("done").inc()
            _LOG.info("reloaded: model %s", engine.version)
            return changed

    async def watch(self, seconds: float) -> None:
        """Reload whenever the folder was replaced, and has not changed for a moment."""
        before = self._seen
        while True:
            await asyncio.sleep(seconds)
            now = identity(self._folder)
            if now != self._seen and now == before and now is not None:
                await self.try_to_reload()
            before = now

    async def try_to_reload(self) -> None:
        """Reload; a failure is in the log already."""
        try:
            await self.reload()
        except Refusal:
            return


def identity(folder: Path) -> frozenset[tuple[str, int, int, int]] | None:
    """What changes when a file of the model is replaced or written anew; None while there is no model."""
    found = set()
    try:
        for path in folder.iterdir():
            if path.name.endswith(_MODEL_SUFFIXES):
                stat = path.stat()
                found.add((path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    except OSError:
        return None
    return frozenset(found) if any(name in _DESCRIPTIONS for name, *_ in found) else None
