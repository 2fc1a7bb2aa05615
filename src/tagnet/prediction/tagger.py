"""A bundle that predicts: records or texts in, tags with probabilities out.

Shapes: N texts, K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from tagnet.bundle import Bundle, load_network, load_tokenizer, read_bundle
from tagnet.errors import ConfigError
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.device import choose_device
from tagnet.prediction.inference import compute_embeddings, compute_logits
from tagnet.prediction.inputs import Input, texts_of, tokens_of
from tagnet.prediction.tag_prediction import TagPrediction, to_predictions


class Tagger:
    """Predicts with a bundle.

    >>> tagger = Tagger.load("runs/quickstart/bundle")              # doctest: +SKIP
    >>> [p.tag for p in tagger.predict(["A tiny SQL engine"])[0] if p.accepted]  # doctest: +SKIP
    ['databases', 'data-engineering']
    """

    def __init__(self, bundle: Bundle, device: torch.device, network: TaggerNetwork | None = None) -> None:
        """Of a bundle; `network`: one of the same shape in place of the bundle's own."""
        self.bundle = bundle
        self._network = (load_network(bundle) if network is None else network).to(device)
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
        tokens = tokens_of(inputs, self._tokenizer, self.bundle.text)
        logits_NK = compute_logits(self._network, tokens, self.bundle.pad_id, batch_size=batch_size, progress=progress)
        return self.bundle.rule.probabilities(logits_NK)

    def embeddings(self, inputs: Sequence[Input], *, batch_size: int = 64) -> NDArray[np.float32]:
        """The pooled vector of each text, before the head, (N, H); inputs and errors as `probabilities`."""
        tokens = tokens_of(inputs, self._tokenizer, self.bundle.text)
        return compute_embeddings(self._network, tokens, self.bundle.pad_id, batch_size=batch_size)

    def dropout_probabilities(
        self, inputs: Sequence[Input], passes: int, seed: int, *, batch_size: int = 64
    ) -> NDArray[np.float64]:
        """Probabilities of so many passes with dropout, (passes, N, K); inputs and errors as `probabilities`.

        Raises:
            ConfigError: the network has no dropout, so that all passes would be the same.
        """
        rates = [module.p for module in self._network.modules() if isinstance(module, torch.nn.Dropout)]
        if not any(rates):
            raise ConfigError(
                f"{self.bundle.folder}: expected a network with dropout, found none in it: all passes would be the same"
            )
        tokens = tokens_of(inputs, self._tokenizer, self.bundle.text)
        members = []
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for _ in range(passes):
                logits_NK = compute_logits(
                    self._network, tokens, self.bundle.pad_id, batch_size=batch_size, dropout=True
                )
                members.append(self.bundle.rule.probabilities(logits_NK))
        return np.stack(members)

    def texts(self, inputs: Sequence[Input]) -> list[str]:
        """What the network reads of texts or records: the template filled in, fields cut to their budgets.

        Raises:
            RecordError: a record has none of the bundle's fields, or one that is no text.
            TypeError: `inputs` is one text and no list of them.
        """
        return texts_of(inputs, self._tokenizer, self.bundle.text)

    def predict(
        self, inputs: Sequence[Input], *, top: int | None = None, batch_size: int = 64
    ) -> list[list[TagPrediction]]:
        """The tags of each input from the most to the least probable; `top` keeps that many."""
        return self.to_predictions(self.probabilities(inputs, batch_size=batch_size), top)

    def to_predictions(self, probs_NK: NDArray[np.float64], top: int | None = None) -> list[list[TagPrediction]]:
        """Probabilities (N, K) as predictions, from the most to the least probable; `top` keeps that many."""
        return to_predictions(self.bundle.rule, probs_NK, top)
