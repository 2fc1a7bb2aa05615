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
from tagnet.errors import EncoderError
from tagnet.records.record import text_template

_CHUNK = 4096
_NO_LIMIT = 10**6
_DEFAULT_POSITIONS = 512


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

    Raises:
        EncoderError: it cannot be found.
    """
    # Imported here: PyTorch takes a second, and only this step needs what stands beside it.
    from tagnet.model.encoder import EMBEDDED_ENCODER, TINY_ENCODER, embedded_folder

    folder = embedded_folder() if encoder in (EMBEDDED_ENCODER, TINY_ENCODER) else Path(encoder)
    if (folder / "tokenizer.json").is_file() and (folder / "config.json").is_file():
        return _from_folder(folder, encoder)
    from transformers import AutoConfig, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(encoder)
        loaded: Any = AutoTokenizer.from_pretrained(encoder)
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"encoder={encoder}: its tokenizer cannot be found: no such folder, and the Hugging Face hub did not give "
            "it.\nPass a folder with tokenizer.json and config.json, or --no-tokens to go without lengths"
        ) from error
    if getattr(loaded, "backend_tokenizer", None) is None:
        raise EncoderError(f"encoder={encoder}: expected a tokenizer of the `tokenizers` library, found a slow one")
    return _plain(loaded.backend_tokenizer), most_tokens(config.to_dict(), loaded.model_max_length)


def most_tokens(config: dict[str, Any], tokenizer_limit: float | None) -> int:
    """The length limit that a config.json and its tokenizer set together.

    >>> most_tokens({"model_type": "bert", "max_position_embeddings": 512}, 256)
    256
    >>> most_tokens({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, None)
    512
    """
    from tagnet.model.encoder import _POSITIONS_AFTER_PADDING

    limit = int(tokenizer_limit) if tokenizer_limit is not None and tokenizer_limit < _NO_LIMIT else None
    after_padding = config.get("model_type") in _POSITIONS_AFTER_PADDING
    reserved = (config.get("pad_token_id") or 0) + 1 if after_padding else 0
    positions = config.get("max_position_embeddings") or limit or _DEFAULT_POSITIONS
    return min(positions - reserved, limit or positions)


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


def _from_folder(folder: Path, encoder: str) -> tuple[Tokenizer, int]:
    """Without transformers, which takes seconds to import."""
    try:
        settings = _read(folder / "tokenizer_config.json")
        config = _read(folder / "config.json")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises nothing narrower
        raise EncoderError(
            f"encoder={encoder}: expected a tokenizer in {folder}, found files that cannot be read: {error}"
        ) from error
    return _plain(tokenizer), most_tokens(config, settings.get("model_max_length"))


def _plain(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    settings = json.loads(path.read_text(encoding="utf-8"))
    return settings if isinstance(settings, dict) else {}
