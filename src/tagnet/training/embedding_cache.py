"""Embeddings that an earlier run on this machine computed from the same texts with the same weights.

Every trial of a sweep starts its head from the same ones. They are kept in the user's cache folder (XDG_CACHE_HOME, or
~/.cache), the latest files of it; without a folder that can be written to they are computed each time.

Shapes: N texts, H hidden width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tagnet.atomic import write_with
from tagnet.data.tokens import TokenizedTexts
from tagnet.errors import RunDirectoryError
from tagnet.model.network import TaggerNetwork
from tagnet.records.fetch import cache_folder

MOST_FILES = 32
"""A file of 2,048 texts and a width of 384 takes 3 MB."""
_FORMAT = 1
"""Another one wherever tagnet computes embeddings in another way."""


def remembered(
    network: TaggerNetwork,
    texts: Sequence[TokenizedTexts],
    compute: Callable[[], list[NDArray[np.float32]]],
    *,
    how: str,
) -> list[NDArray[np.float32]]:
    """Embeddings of each of some lists of texts, (N, H): from the cache, or computed and put there.

    Args:
        network: whose encoder and pooling the embeddings come from.
        texts: lists of tokenized texts.
        compute: the embeddings of each list.
        how: whatever else they follow from, such as the precision they are computed in.
    """
    try:
        path = cache_folder("embeddings") / f"{_key(network, texts, how)}.safetensors"
    except RuntimeError:  # nobody knows where this user's home is
        return compute()
    found = _read(path)
    if found is not None:
        return found
    computed = compute()
    with suppress(OSError, RunDirectoryError, SafetensorError):  # the last one says that the disk is full, too
        arrays = {str(place): np.ascontiguousarray(each) for place, each in enumerate(computed)}
        write_with(path, lambda temporary: save_file(arrays, temporary))
        _forget_oldest(path.parent)
    return computed


def _key(network: TaggerNetwork, texts: Sequence[TokenizedTexts], how: str) -> str:
    """The SHA-256 of all that the embeddings follow from."""
    config = getattr(network.encoder, "config", None)
    architecture = config.to_json_string(use_diff=False) if config is not None else repr(network.encoder)
    # Another number of threads rounds otherwise, and a run shall not depend on those before it.
    machine = [torch.__version__, torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()]
    about = [_FORMAT, *machine, how, architecture, repr(network.pooling)]
    key = hashlib.sha256(json.dumps(about).encode())
    for part in (network.encoder, network.pooling):
        for name, value in part.state_dict().items():
            key.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            key.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    for each in texts:
        for array in (each.token_ids, each.sequence_starts, each.text_starts):
            key.update(f"{array.dtype} {array.shape}".encode())
            key.update(np.ascontiguousarray(array).data)
    return key.hexdigest()


def _read(path: Path) -> list[NDArray[np.float32]] | None:
    try:
        arrays = load_file(path)
        path.touch()  # the latest are kept
    except (OSError, SafetensorError):  # not there, or not whole: a disk can lose what was written
        return None
    return [arrays[str(place)] for place in range(len(arrays))]


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[MOST_FILES:]:
        path.unlink(missing_ok=True)
