"""A loaded model as the server uses it: what it knows, and how its answers are written.

Shapes: N texts, K tags.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tagnet.data.tokens import TokenizedTexts
from tagnet.errors import BundleError, nearest
from tagnet.prediction.onnx_folder import DESCRIPTION_FILE, OnnxFolder
from tagnet.prediction.onnx_tagger import OnnxTagger
from tagnet.serving.refusal import Refusal

_WARM_UP_TEXTS = (1, 2, 8)


class Model(Protocol):
    """What an engine needs of an `OnnxTagger`."""

    @property
    def described(self) -> OnnxFolder:
        """Tags, decision rule, text settings, taxonomy."""

    def tokenize(self, inputs: Sequence[Any]) -> TokenizedTexts:
        """The token ids of records."""

    def decide(self, tokens: TokenizedTexts, *, batch_size: int = 64) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Probabilities and decisions, both (N, K)."""


class Engine:
    """One model, and the parts of answers that are the same for every record."""

    def __init__(self, model: Model) -> None:
        described = model.described
        self.model = model
        self.version = described.model_version
        self.features = described.text.features
        self.tags = described.tags
        self.column_of = {tag: column for column, tag in enumerate(self.tags)}
        self._rule = described.rule
        self._thresholds = described.rule.thresholds_K.tolist()
        self._heads = [
            f'{{"tag": {json.dumps(tag)}, "threshold": {threshold!r}, "probability": '
            for tag, threshold in zip(self.tags, self._thresholds, strict=True)
        ]
        self._version_json = json.dumps(self.version)

    def render(self, probs_NK: NDArray[np.float64], top: int | None) -> bytes:
        """The body of an answer of /v1/tags: tags from the most to the least probable, `top` of them."""
        order_NK = np.argsort(-probs_NK, axis=1, kind="stable")[:, :top].tolist()
        accepted_NK = self._rule.accept(probs_NK).tolist()
        heads = self._heads
        results = ", ".join(
            '{"tags": ['
            + ", ".join(
                [f'{heads[k]}{probs_K[k]!r}, "accepted": {"true" if accepted_K[k] else "false"}}}' for k in order]
            )
            + "]}"
            for order, probs_K, accepted_K in zip(order_NK, probs_NK.tolist(), accepted_NK, strict=True)
        )
        return f'{{"results": [{results}], "model_version": {self._version_json}}}'.encode()

    def accept(self, probs_NK: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which tags are accepted, (N, K)."""
        return self._rule.accept(probs_NK)

    def labels(self, *, annotations: bool) -> bytes:
        """The body of /v1/labels."""
        described = self.model.described
        taxonomy = described.taxonomy
        known = frozenset(taxonomy.tags) if taxonomy is not None else frozenset()
        tags = [
            {
                "tag": tag,
                "threshold": threshold,
                "aliases": list(taxonomy.aliases_of(tag)) if taxonomy is not None and tag in known else [],
                "parents": list(taxonomy.parents_of(tag)) if taxonomy is not None and tag in known else [],
                "train_count": described.train_counts[tag],
            }
            for tag, threshold in zip(self.tags, self._thresholds, strict=True)
        ]
        answer = {
            "model_version": self.version,
            "features": list(self.features),
            "annotations": annotations,
            "tags": tags,
        }
        return json.dumps(answer).encode()

    def fields(self, record: Mapping[str, Any], most_characters: int, place: str = "the record") -> dict[str, str]:
        """The texts of a record that the model reads, "" where one is null or missing.

        Raises:
            Refusal: it has none of them, or one that is no text, or they are too long together.
        """
        fields: dict[str, str] = {}
        characters = 0
        missing = 0
        for name in self.features:
            value = record.get(name)
            if value is None:
                missing += name not in record
                value = ""
            elif not isinstance(value, str):
                raise Refusal(
                    422, "not_text", f"{place}: expected a text or null as its {name}, found {type(value).__name__}"
                )
            characters += len(value)
            fields[name] = value
        if missing == len(self.features):
            found = ", ".join(str(name)[:40] for name in list(record)[:8]) or "none"
            hint = next((tail for name in list(record)[:8] if (tail := nearest(str(name)[:100], self.features))), "")
            raise Refusal(
                422,
                "no_text",
                f"{place}: expected at least one of the fields {', '.join(self.features)}, found {found}{hint}",
            )
        if characters > most_characters:
            raise Refusal(
                413,
                "text_too_long",
                f"{place} has {characters} characters; at most {most_characters} are read. Send a shorter text.",
            )
        return fields

    def check_tags(self, tags: Sequence[str], place: str) -> None:
        """Refuse tags that the model does not know.

        Raises:
            Refusal: with the nearest tag.
        """
        for tag in tags:
            if tag not in self.column_of:
                hint = nearest(tag[:100], self.tags) or "; /v1/labels names all tags"
                raise Refusal(422, "unknown_tag", f"{place}: {tag[:100]!r} is no tag of the model{hint}")


def load_engine(folder: Path, threads: int | None) -> Engine:
    """Load an ONNX export and let it run once, for a first call is slow.

    Args:
        folder: what `tagnet export --to onnx` wrote.
        threads: how many threads one batch is computed with; None: as many as there are cores.

    Raises:
        BundleError: it is damaged, or was replaced while it was read.
        MissingExtraError: onnxruntime is not installed.
    """
    description = folder / DESCRIPTION_FILE
    before = _content(description)
    tagger = OnnxTagger.load(folder, threads=threads)
    if _content(description) != before:
        raise BundleError(f"{folder}: was replaced while it was read; load it again")
    for size in _WARM_UP_TEXTS:
        tagger.probabilities(["warm up"] * size)
    return Engine(tagger)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
