"""A server as a process of its own, and what it says of itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def resident_megabytes(self) -> float:
        """The memory that the process holds now (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def figures(self) -> dict[str, float]:
        """What /metrics says, by name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


@contextmanager
def running(folder: Path, log: Path, *words: str) -> Iterator[Server]:
    """`tagnet serve FOLDER` on a free port, stopped at the end."""
    command = [sys.executable, "-m", "tagnet.cli.main", "serve", str(folder), "--port", "0", *words]
    with log.open("w") as stream:
        process = subprocess.Popen(command, stderr=stream, env=os.environ.copy())
    try:
        while "/ (Ctrl-C" not in (said := log.read_text()):
            if process.poll() is not None:
                raise SystemExit(f"the server did not start:\n{said}")
            time.sleep(0.05)
        yield Server(int(said.rsplit(":", 1)[1].split("/")[0]), process)
    finally:
        process.terminate()
        process.wait(timeout=120)
