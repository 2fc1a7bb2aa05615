"""Checkpoints on the disk: there whole or not at all, and one clear error where one cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from tagnet.atomic import write_with
from tagnet.errors import RunDirectoryError
from tagnet.model.pretrained import first_line

_PARTS = ".*.part"


class WholeFiles(TorchCheckpointIO):
    """Writes beside the file and renames: Lightning's own copies from /tmp, which may be small or another disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            RunDirectoryError: the folder cannot be written to, or the disk is full; nothing is left behind.
        """
        write_with(Path(path), lambda part: _save(checkpoint, part))


def load_file(path: Path) -> dict[str, Any]:
    """A checkpoint of weights and plain values, on the CPU.

    Raises:
        RunDirectoryError: it is missing or damaged.
    """
    try:
        # PyTorch writes checksums and never looks at them.
        with ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise BadZipFile(f"{damaged} has changed")
    except Exception as error:  # zipfile raises whatever damage leads it to
        raise RunDirectoryError(
            f"{path}: expected the weights that the run has saved, found a file that cannot be read "
            f"({first_line(error)}).\nChoose another run.dir, or delete the run's folder and train again."
        ) from error
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def remove_parts(folder: Path) -> None:
    """Free the disk of what a killed process was writing; whoever calls it must be the only one that writes there."""
    for path in folder.glob(_PARTS):
        path.unlink(missing_ok=True)


def _save(checkpoint: dict[str, Any], part: Path) -> None:
    try:
        with part.open("wb") as stream:
            torch.save(checkpoint, stream)
    except RuntimeError as error:
        # PyTorch's writer finds its position wrong, where the disk had no room for what came before.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise
