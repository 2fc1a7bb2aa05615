"""Where tasks go that a command has chosen: to a tool's file, or to a Label Studio server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tagnet.cli.label_files import choose_codec, write_batch
from tagnet.cli.label_server import Server, push_batch
from tagnet.cli.label_tasks import check_control
from tagnet.errors import ConfigError
from tagnet.labeling.tasks import TaskBatch

Send = Callable[[TaskBatch, Console], str]
"""Takes tasks where they belong, and says where that is."""


@dataclass(frozen=True)
class Target:
    """As the command line says it; none of tool, output and project: tasks go nowhere."""

    tool: str | None
    output: Path | None
    project: str | None
    url: str
    token_file: Path | None
    control: str

    def open(self) -> Send | None:
        """What sends tasks there; None where they go nowhere. Nothing is written or asked yet.

        Raises:
            ConfigError: the options name two targets or half of one, or the server's token is missing.
        """
        if (self.tool is None) != (self.output is None) or (self.tool is not None and self.project is not None):
            found = [f"--{name}" for name in ("tool", "output", "project") if getattr(self, name) is not None]
            raise ConfigError(
                f"expected --tool TOOL --output FILE, or --project TITLE, or none of them; found {' and '.join(found)}"
            )
        control = check_control(self.control)
        if self.tool is not None and self.output is not None:
            codec, output = choose_codec(self.tool, self.control, None), self.output
            return lambda batch, _: ", ".join(map(str, write_batch(codec, batch, output)))
        if self.project is None:
            return None
        server = Server(self.url, self.project, self.token_file)
        connection = server.connect()

        def send(batch: TaskBatch, messages: Console) -> str:
            push_batch(server, connection, batch, control, messages)
            return f"project {server.project!r}"

        return send
