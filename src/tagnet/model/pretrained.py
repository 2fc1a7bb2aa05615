"""Published transformers, read by the transformers library from a folder or the Hugging Face hub, without its noise.

Nothing is unpickled, and no code that comes with a model is run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer
from torch import nn

from tagnet.errors import EncoderError, nearest

_HUB_SECONDS = 10.0
_NO_LIMIT = 10**6
_ERRORS_ONLY = logging.ERROR


class Pretrained(NamedTuple):
    """What was read."""

    module: nn.Module
    """The transformer in float32."""
    tokenizer: Tokenizer
    limit: int | None
    """The most tokens that the tokenizer's settings allow; None: they do not say."""


def load_pretrained(name: str, dropout: float | None, known: tuple[str, ...] = ()) -> Pretrained:
    """Read a transformer and its tokenizer.

    Args:
        name: a folder, else a hub name.
        dropout: replaces every dropout inside; None keeps what it was published with.
        known: other names that the user may have meant.

    Raises:
        EncoderError: it cannot be found, or is no whole encoder of text with safetensors weights and fast tokenizer.
    """
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return _checked(name, str(folder), dropout, local=True)
    try:
        with quiet_transformers(bars=False):
            return _load(name, name, dropout, local=True)
    except EncoderError:
        raise
    except Exception:
        # Not in the cache, or not whole. Left to itself, transformers would ask a hub that does not answer again and
        # again for half a minute.
        ask_hub(name, known)
    return _checked(name, name, dropout, local=False)


def _checked(name: str, location: str, dropout: float | None, *, local: bool) -> Pretrained:
    try:
        with quiet_transformers(bars=not local):
            return _load(name, location, dropout, local=local)
    except EncoderError:
        raise
    except Exception as error:  # a folder can be wrong in more ways than transformers has classes of errors
        raise EncoderError(
            f"encoder={name}: expected config.json, model.safetensors and a tokenizer; {first_line(error)}\n"
            "Save them into a folder with save_pretrained() of model and tokenizer, and pass that folder."
        ) from error


def _load(name: str, location: str, dropout: float | None, *, local: bool) -> Pretrained:
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    # trust_remote_code is False and not left open: transformers would ask the user at the terminal.
    place: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(location, **place)
    if getattr(config, "is_encoder_decoder", False):
        raise EncoderError(
            f"encoder={name}: expected an encoder, found an encoder with a decoder ({config.model_type})"
        )
    if dropout is not None:
        set_dropout(name, config, dropout)
    module, report = AutoModel.from_pretrained(
        location, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **place
    )
    # A pooler that was not saved is no loss: we pool ourselves.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise EncoderError(
            f"encoder={name}: expected the weights of the architecture in its config.json, {config.model_type}; "
            f"{len(missing)} tensors are missing, {missing[0]} among them"
        )
    tokenizer = AutoTokenizer.from_pretrained(location, **place)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EncoderError(f"encoder={name}: expected a tokenizer of the `tokenizers` library, found a slow one.")
    # Where no tokenizer was saved, transformers makes one that knows the special tokens alone.
    if set(backend.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise EncoderError(
            f"encoder={name}: expected a tokenizer beside the weights, found none.\n"
            "Save it into the same folder with save_pretrained(), or copy its tokenizer.json there."
        )
    rows = module.get_input_embeddings().num_embeddings
    largest = max(backend.get_vocab(with_added_tokens=False).values())
    if largest >= rows:
        raise EncoderError(
            f"encoder={name}: its tokenizer has ids up to {largest} and its embeddings {rows} rows; "
            "expected a tokenizer and weights that belong together"
        )
    limit = tokenizer.model_max_length
    return Pretrained(module, backend, int(limit) if limit < _NO_LIMIT else None)


def ask_hub(name: str, known: tuple[str, ...]) -> None:
    """Return if the hub has a model of that name, after one question."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    embedded = f"or use the embedded one: encoder={known[0]}" if known else "or pass another one"
    try:
        HfApi().model_info(name, timeout=_HUB_SECONDS)
    except HFValidationError as error:
        beside = Path(name).expanduser().parent
        folders = [str(each) for each in beside.iterdir()] if beside.is_dir() else []
        raise EncoderError(
            f"encoder={name}: no such folder, and no name that the Hugging Face hub could have"
            f"{nearest(name, [*known, *folders])}\n"
            f"Pass a folder with config.json, model.safetensors and a tokenizer, a hub name, {embedded}"
        ) from error
    except RepositoryNotFoundError as error:
        raise EncoderError(
            f"encoder={name}: no such folder, and the Hugging Face hub has no such model, or shows it only to those "
            f"who log in{nearest(name, known)}\n"
            f"Pass the name as it stands in the model's address, a folder, {embedded}"
        ) from error
    except Exception as error:  # whatever the HTTP library of the hub's client raises
        raise EncoderError(
            f"encoder={name}: no such folder, not in the local cache, and the Hugging Face hub did not answer "
            f"({first_line(error)}){nearest(name, known)}\n"
            f"On a machine with network run `hf download {name} --local-dir DIR`, copy DIR here and pass encoder=DIR,\n"
            f"{embedded}"
        ) from error


def set_dropout(name: str, config: Any, rate: float) -> None:
    """Replace every dropout of an architecture's settings.

    Raises:
        EncoderError: it has none.
    """
    settings = [key for key in config.to_dict() if key.endswith(("dropout", "dropout_prob", "pdrop"))]
    settings = [key for key in settings if "classif" not in key]
    if not settings:
        raise EncoderError(f"model.encoder_dropout: the encoder {name} has no dropout to set; expected null")
    for key in settings:
        setattr(config, key, rate)


def first_line(error: BaseException) -> str:
    r"""The first line of an error's message, or the name of its class where it has none.

    >>> first_line(ValueError("this\nand that"))
    'this'
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def quiet_transformers(*, bars: bool) -> Iterator[None]:
    """Without its tables of unused weights, and without progress bars unless something may be downloaded."""
    from transformers.utils import logging as noise

    verbosity, had_bars = noise.get_verbosity(), noise.is_progress_bar_enabled()
    noise.set_verbosity(_ERRORS_ONLY)
    if not bars:
        noise.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        noise.set_verbosity(verbosity)
        if had_bars and not bars:
            noise.enable_progress_bar()  # type: ignore[no-untyped-call]
