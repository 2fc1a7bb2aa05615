"""`tagnet serve`: a bundle, or an ONNX export of one, over HTTP."""

from __future__ import annotations

import ipaddress
import logging
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from tagnet.cli.console import message_console, speak_to
from tagnet.cli.extras import missing_packages, require_extra
from tagnet.cli.token import read_token
from tagnet.errors import BundleError, ConfigError, MissingExtraError

if TYPE_CHECKING:
    from tagnet.serving.limits import Limits

_LOG = logging.getLogger("tagnet.serving")

TOKEN_VARIABLE = "TAGNET_TOKEN"


@dataclass(frozen=True)
class LabelStudioOptions:
    """What the command line says of Label Studio."""

    asked_for: bool
    events: Path | None
    on_labelled: str | None
    batch: int | None


def run(
    bundle: Path,
    *,
    host: str,
    port: int,
    annotations: Path | None,
    token_file: Path | None,
    label_studio: LabelStudioOptions,
    threads: int | None,
    batch_size: int,
    limits: Limits,
) -> None:
    """Run the command."""
    require_extra("serve", "serve")
    from tagnet.serving.app import LabelStudio, Settings, build_app
    from tagnet.serving.engine import Engine, load_engine
    from tagnet.serving.server import serve

    messages = message_console()
    speak_to(messages)
    command = labelled_command(label_studio)
    backend = LabelStudio(label_studio.events, command, label_studio.batch or 1) if label_studio.asked_for else None
    token = read_token(token_file, TOKEN_VARIABLE)
    if token is None and not _is_loopback(host):
        _LOG.warning("--host %s: whoever reaches it is answered; --token-file FILE asks for a token", host)

    def load(folder: Path) -> Engine:
        return load_engine(onnx_of(folder), threads)

    guard = build_app(Settings(bundle, load, limits, batch_size, annotations, token, backend))

    def started(port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        messages.print(Text(f"serving {bundle} at http://{shown}:{port}/ (Ctrl-C stops)"), soft_wrap=True)

    serve(guard, host, port, limits, started)
    messages.print(Text("stopped"))


def labelled_command(options: LabelStudioOptions) -> tuple[str, ...] | None:
    """Program and arguments of what is started for a batch of finished tasks; no shell reads them.

    Raises:
        ConfigError: options are missing that go together, or there is no such program.
    """
    if not options.asked_for:
        given = {
            "--label-studio-events": options.events,
            "--on-labelled": options.on_labelled,
            "--labelled-batch": options.batch,
        }
        for name, value in given.items():
            if value is not None:
                raise ConfigError(f"{name}: expected --label-studio beside it, found none")
    if options.on_labelled is None:
        if options.batch is not None:
            raise ConfigError("--labelled-batch: expected --on-labelled COMMAND beside it, found none")
        return None
    if options.events is None or options.batch is None:
        missing = "--label-studio-events FILE" if options.events is None else "--labelled-batch N"
        raise ConfigError(f"--on-labelled: expected {missing} beside it, found none")
    try:
        words = tuple(shlex.split(options.on_labelled))
    except ValueError as fault:
        raise ConfigError(f"--on-labelled: expected words as a shell splits them, found a fault ({fault})") from fault
    if not words or shutil.which(words[0]) is None:
        found = repr(words[0]) if words else "nothing"
        raise ConfigError(f"--on-labelled: expected a program that can be started, found {found}; is it on the PATH?")
    return words


def onnx_of(folder: Path) -> Path:
    """The ONNX export to serve: the folder itself, or one made of a bundle, once, in the cache.

    The export is made by a process of its own: torch never comes into the server.

    Raises:
        BundleError: the folder is neither, or the bundle cannot be exported.
        MissingExtraError: it is a bundle, and what exports it is not installed.
    """
    from tagnet.bundle import read_bundle
    from tagnet.prediction.onnx_folder import DESCRIPTION_FILE, read_onnx_folder
    from tagnet.records.fetch import cache_folder

    if (folder / DESCRIPTION_FILE).is_file():
        return folder
    bundle = read_bundle(folder)
    made = cache_folder("onnx") / bundle.fingerprint[:32]
    if _is_whole(made):
        return made
    missing = missing_packages("export")
    if missing:
        raise MissingExtraError(
            f"{folder}: a bundle is served from its ONNX export, and what makes one is not installed: "
            f"{', '.join(missing)}.\nMake it where tagnet[export] is installed, and serve that folder: "
            f"tagnet export {folder} --to onnx --output DIR"
        )
    _LOG.info("exporting the bundle to ONNX, once, into %s", made)
    if made.is_dir():
        shutil.rmtree(made)
    words = ["export", str(folder.resolve()), "--to", "onnx", "--output", str(made)]
    done = subprocess.run(
        [sys.executable, "-m", "tagnet.cli.main", *words], capture_output=True, text=True, errors="replace"
    )
    # Another server may have made it meanwhile.
    if done.returncode and not _is_whole(made):
        raise BundleError(f"{folder}: cannot be exported to ONNX\n{done.stderr.strip()[-1000:]}")
    read_onnx_folder(made)
    return made


def _is_whole(folder: Path) -> bool:
    from tagnet.prediction.onnx_folder import read_onnx_folder

    try:
        read_onnx_folder(folder)
    except BundleError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
