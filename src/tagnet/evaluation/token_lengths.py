"""How long the texts are, counted in tokens by the tokenizer of the encoder; its weights are not loaded.

Legend: N records.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tagnet.config import DataConfig
from tagnet.data.prepare import Prepared
from tagnet.data.tokens import render_texts
from tagnet.errors import EncoderError, nearest
from tagnet.records.record import text_template

_CHUNK = 4096
_NO_LIMIT = 10**6


@dataclass(frozen=True)
class Lengths:
    """Tokens of N texts."""

    name: str
    """`text`, or a field."""
    limit: int | None
    """Tokens beyond this are cut off or read in a further window; None: no limit."""
    mean: float
    median: int
    percentile_95: int
    percentile_99: int
    longest: int
    num_over: int
    """Texts longer than the limit."""


@dataclass(frozen=True)
class TokenView:
    """Lengths of the whole texts, special tokens included, and of each field, before it is cut and without them."""

    encoder: str
    window_overlap: int | None
    text: Lengths
    features: tuple[Lengths, ...]
    lengths_N: NDArray[np.int64]
    """Of the whole texts, after fields were cut to their budgets."""


def load_tokenizer(encoder: str) -> tuple[Tokenizer, int]:
    """The tokenizer of an encoder, and the most tokens, special ones included, that the encoder takes.

    Nothing is downloaded: an encoder of the Hugging Face hub has to be in the local cache.

    Raises:
        EncoderError: it cannot be found.
    """
    # Imported here: PyTorch takes a second, and only this step needs what stands beside it.
    from tagnet.model.embedded import EMBEDDED_ENCODER, embedded_folder
    from tagnet.model.encoder import TINY_ENCODER, most_tokens

    if encoder in (EMBEDDED_ENCODER, TINY_ENCODER):
        # Read without transformers, which takes seconds to import.
        tokenizer = Tokenizer.from_file(str(embedded_folder() / "tokenizer.json"))
        limit = int(
            json.loads((embedded_folder() / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]
        )
    else:
        config, loaded = _from_transformers(encoder, (EMBEDDED_ENCODER, TINY_ENCODER))
        tokenizer = loaded.backend_tokenizer
        allowed = loaded.model_max_length if loaded.model_max_length < _NO_LIMIT else None
        limit = most_tokens(config, getattr(config, "pad_token_id", None) or 0, allowed)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, limit


def _from_transformers(encoder: str, known: tuple[str, ...]) -> tuple[Any, Any]:
    folder = Path(encoder).expanduser()
    location = folder if folder.is_dir() else _cached_folder(encoder)
    if location is None:
        raise EncoderError(
            f"encoder={encoder}: no such folder, and not in the local cache of the Hugging Face hub"
            f"{nearest(encoder, known)}\n"
            f"Fetch it with `hf download {encoder}`, pass a folder, or go without lengths: --no-tokens"
        )
    from transformers import AutoConfig, AutoTokenizer

    place: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(str(location), **place)
        tokenizer = AutoTokenizer.from_pretrained(str(location), **place)
    except Exception as error:  # a folder can be wrong in more ways than transformers has classes of errors
        mend = (
            "Save them there with save_pretrained()" if folder.is_dir() else f"Fetch them with `hf download {encoder}`"
        )
        raise EncoderError(
            f"encoder={encoder}: expected config.json and a tokenizer in {location}, found none that can be read.\n"
            f"{mend}, or go without lengths: --no-tokens"
        ) from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise EncoderError(f"encoder={encoder}: expected a tokenizer of the `tokenizers` library, found a slow one.")
    return config, tokenizer


def _cached_folder(name: str) -> Path | None:
    """The files of a hub model in the local cache.

    transformers, asked for local files alone, still looks for the hub when they are not there, and on some networks
    waits long for it.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def view_tokens(prepared: Prepared, data: DataConfig, encoder: str) -> TokenView:
    """Count tokens as training would.

    Raises:
        EncoderError: the tokenizer cannot be found.
    """
    tokenizer, most = load_tokenizer(encoder)
    limit = min(data.max_tokens or most, most)
    rows = [record.fields for record in prepared.corpus.records]
    texts: Sequence[str] = prepared.texts
    if data.feature_tokens:
        texts = render_texts(tokenizer, text_template(data.features), rows, data.feature_tokens)
    lengths_N = count_tokens(tokenizer, texts, special=True)
    return TokenView(
        encoder=encoder,
        window_overlap=data.window_overlap,
        text=summarize("text", lengths_N, limit),
        features=tuple(
            summarize(
                name,
                count_tokens(tokenizer, [row.get(name, "") for row in rows], special=False),
                data.feature_tokens.get(name),
            )
            for name in data.features
        ),
        lengths_N=lengths_N,
    )


def count_tokens(tokenizer: Tokenizer, texts: Sequence[str], *, special: bool) -> NDArray[np.int64]:
    """Tokens of each text, (N,), with or without the special ones."""
    counts = [
        len(encoding.ids)
        for start in range(0, len(texts), _CHUNK)
        for encoding in tokenizer.encode_batch_fast(list(texts[start : start + _CHUNK]), add_special_tokens=special)
    ]
    return np.asarray(counts, dtype=np.int64)


def summarize(name: str, lengths_N: NDArray[np.int64], limit: int | None) -> Lengths:
    """The figures that a person wants of N ≥ 1 lengths; percentiles are lengths that occur.

    >>> summarize("text", np.arange(1, 101), 90)
    Lengths(name='text', limit=90, mean=50.5, median=50, percentile_95=95, percentile_99=99, longest=100, num_over=10)
    """
    median, p95, p99 = np.percentile(lengths_N, [50, 95, 99], method="inverted_cdf").astype(int).tolist()
    over = 0 if limit is None else int((lengths_N > limit).sum())
    return Lengths(name, limit, float(lengths_N.mean()), median, p95, p99, int(lengths_N.max()), over)
