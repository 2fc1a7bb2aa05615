"""What a tagger is asked about: texts or records, made into what the network reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer

from tagnet.bundle import TextSettings
from tagnet.data.tokens import TokenizedTexts, render_texts, tokenize
from tagnet.errors import RecordError
from tagnet.records.record import Record

Input = str | Mapping[str, str] | Record
"""A text as it stands, or a record with the fields that the bundle was trained on."""


def texts_of(inputs: Sequence[Input], tokenizer: Tokenizer, settings: TextSettings) -> list[str]:
    """What the network reads of each input; a field that is missing or None is empty.

    Raises:
        RecordError: a record has none of the fields, or one that is no text.
        TypeError: `inputs` is one text and no list of them.
    """
    if isinstance(inputs, str | Mapping):
        raise TypeError("expected a list of texts or records, found a single one: put it in brackets")
    rows = [
        {} if isinstance(each, str) else _fields(each, settings.features, place) for place, each in enumerate(inputs)
    ]
    rendered = render_texts(tokenizer, settings.template, rows, settings.feature_tokens)
    return [_speakable(each) if isinstance(each, str) else made for each, made in zip(inputs, rendered, strict=True)]


def tokens_of(inputs: Sequence[Input], tokenizer: Tokenizer, settings: TextSettings) -> TokenizedTexts:
    """The token ids of each input, cut or read in windows as the settings say; raises as `texts_of` does."""
    return tokenize(tokenizer, texts_of(inputs, tokenizer, settings), settings.max_tokens, settings.window_overlap)


def _fields(each: Mapping[str, str] | Record, features: Sequence[str], place: int) -> dict[str, str]:
    """The features of a record, "" for those that it lacks.

    Raises:
        RecordError: it has none of them, or one is no text.
    """
    found = each.fields if isinstance(each, Record) else each
    if not set(features) & set(found):
        raise RecordError(
            f"record {place} of the input: expected at least one of the fields {', '.join(features)}, "
            f"found {', '.join(map(str, found)) or 'none'}"
        )
    fields = {name: "" if found.get(name) is None else found[name] for name in features}
    for name, value in fields.items():
        if not isinstance(value, str):
            raise RecordError(f"record {place} of the input: expected a text as its {name}, found {value!r}")
    return {name: _speakable(value) for name, value in fields.items()}


def _speakable(text: str) -> str:
    """The text with U+FFFD for every half of a surrogate pair, which no tokenizer takes."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
