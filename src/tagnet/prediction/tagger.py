"""A bundle that predicts: records or texts in, tags with probabilities out.

Shapes: N texts, K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from tagnet.bundle import Bundle, load_network, load_tokenizer, read_bundle
from tagnet.data.tokens import render_texts, tokenize
from tagnet.errors import RecordError
from tagnet.prediction.device import choose_device
from tagnet.prediction.inference import compute_logits
from tagnet.records.record import Record

Input = str | Mapping[str, str] | Record


@dataclass(frozen=True, slots=True)
class TagPrediction:
    """What a tagger says of one tag of one text."""

    tag: str
    probability: float
    threshold: float
    accepted: bool


class Tagger:
    """Predicts with a bundle.

    >>> tagger = Tagger.load("runs/quickstart/bundle")              # doctest: +SKIP
    >>> [p.tag for p in tagger.predict(["A tiny SQL engine"])[0] if p.accepted]  # doctest: +SKIP
    ['databases', 'data-engineering']
    """

    def __init__(self, bundle: Bundle, device: torch.device) -> None:
        self.bundle = bundle
        self._network = load_network(bundle).to(device)
        self._tokenizer = load_tokenizer(bundle)

    @classmethod
    def load(cls, folder: str | Path, device: str = "auto") -> Self:
        """Load a bundle.

        Args:
            folder: the bundle's folder.
            device: `cpu`, `gpu`, or `auto` for a GPU where there is one.

        Raises:
            BundleError: the folder is no whole bundle.
            HardwareError: a GPU was asked for where there is none.
            ConfigError: there is no such device.
        """
        return cls(read_bundle(folder), choose_device(device))

    @property
    def tags(self) -> tuple[str, ...]:
        """The label space, in the order of the columns of `probabilities`."""
        return self.bundle.tags

    def probabilities(
        self, inputs: Sequence[Input], *, batch_size: int = 64, progress: Callable[[int], object] | None = None
    ) -> NDArray[np.float64]:
        """Calibrated probabilities, (N, K).

        Args:
            inputs: texts as they stand, or records with the fields that the bundle was trained on; a field that is
                missing or None is empty.
            batch_size: texts in a batch.
            progress: called with the number of texts done after every batch.

        Raises:
            RecordError: a record has none of the bundle's fields, or one that is no text.
            TypeError: `inputs` is one text and no list of them.
        """
        tokens = tokenize(
            self._tokenizer, self._texts(inputs), self.bundle.text.max_tokens, self.bundle.text.window_overlap
        )
        logits_NK = compute_logits(self._network, tokens, self.bundle.pad_id, batch_size=batch_size, progress=progress)
        return self.bundle.rule.probabilities(logits_NK)

    def _texts(self, inputs: Sequence[Input]) -> list[str]:
        """What the network reads of each input."""
        if isinstance(inputs, str | Mapping):
            raise TypeError("expected a list of texts or records, found a single one: put it in brackets")
        settings = self.bundle.text
        rows = [
            {} if isinstance(each, str) else _fields(each, settings.features, place)
            for place, each in enumerate(inputs)
        ]
        rendered = render_texts(self._tokenizer, settings.template, rows, settings.feature_tokens)
        return [
            _speakable(each) if isinstance(each, str) else made for each, made in zip(inputs, rendered, strict=True)
        ]

    def predict(
        self, inputs: Sequence[Input], *, top: int | None = None, batch_size: int = 64
    ) -> list[list[TagPrediction]]:
        """The tags of each input from the most to the least probable; `top` keeps that many."""
        return self.to_predictions(self.probabilities(inputs, batch_size=batch_size), top)

    def to_predictions(self, probs_NK: NDArray[np.float64], top: int | None = None) -> list[list[TagPrediction]]:
        """Probabilities (N, K) as predictions, from the most to the least probable; `top` keeps that many."""
        rule = self.bundle.rule
        accepted_NK = rule.accept(probs_NK)
        order_NK = np.argsort(-probs_NK, axis=1, kind="stable")[:, :top]
        return [
            [
                TagPrediction(self.tags[k], float(probs_K[k]), float(rule.thresholds_K[k]), bool(accepted_K[k]))
                for k in order
            ]
            for order, probs_K, accepted_K in zip(order_NK, probs_NK, accepted_NK, strict=True)
        ]


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
