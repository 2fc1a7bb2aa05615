"""uvicorn with our bounds, and a stop that finishes what is in flight and tells the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from tagnet.errors import ConfigError
from tagnet.serving.connections import BoundedProtocol, sweep, unread_bytes
from tagnet.serving.guard import Guard
from tagnet.serving.limits import Limits

_LOG = logging.getLogger("tagnet.serving")

_SEEN_STOPPING = 1.0
"""How long a server that stops goes on saying so, at least (unit: seconds): whoever sends it requests looks again."""


class StoppingServer(uvicorn.Server):
    """A server whose first signal refuses new requests, and whose second one ends it at once."""

    def __init__(self, config: uvicorn.Config, guard: Guard, limits: Limits, started: Callable[[int], object]) -> None:
        super().__init__(config)
        self._guard = guard
        self._limits = limits
        self._said_started = started
        self._stop_since: float | None = None
        self._last_sweep = 0.0

    async def startup(self, sockets: object = None) -> None:
        """Listen, and say on which port."""
        await super().startup()
        self._said_started(self.servers[0].sockets[0].getsockname()[1])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: stop, or stop at once."""
        if self._stop_since is None:
            self._stop_since = time.monotonic()
            self._guard.stopping = True
        else:
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: end late connections; stop once nothing is in flight, and all answers are taken."""
        now = time.monotonic()
        if now - self._last_sweep >= 1:
            self._last_sweep = now
            sweep(self.server_state.connections)
        if self._stop_since is not None:
            waited = now - self._stop_since
            rest = self._guard.in_flight or unread_bytes(self.server_state.connections)
            if waited > self._limits.stop_seconds or (waited > _SEEN_STOPPING and not rest):
                self.should_exit = True
        return await super().on_tick(counter)


def make_server(guard: Guard, host: str, port: int, limits: Limits, started: Callable[[int], object]) -> StoppingServer:
    """A server that is not running yet.

    Args:
        guard: the application.
        host: the address to listen on.
        port: 0 for one that is free.
        limits: the bounds.
        started: called with the port, once requests are taken.
    """
    protocol = type("Protocol", (BoundedProtocol,), {"limits": limits})
    config = uvicorn.Config(
        guard,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=2,
    )
    return StoppingServer(config, guard, limits, started)


def serve(guard: Guard, host: str, port: int, limits: Limits, started: Callable[[int], object]) -> None:
    """Serve until a signal stops it; the arguments are those of `make_server`.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    try:
        make_server(guard, host, port, limits, started).run()
    except SystemExit as error:
        raise ConfigError(
            f"--host {host} --port {port}: cannot be listened on; is the port taken? --port 0 finds a free one"
        ) from error
