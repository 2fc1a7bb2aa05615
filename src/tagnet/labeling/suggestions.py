"""What a bundle suggests, as shown tags. The only part of the labelling loop that needs torch, when it is called.

Shapes: N records, K tags.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tagnet.labeling.tasks import ShownTag
from tagnet.records.record import Record

if TYPE_CHECKING:
    from tagnet.prediction.tagger import Tagger


def suggest(
    tagger: Tagger, records: Sequence[Record], *, progress: Callable[[int], object] | None = None
) -> list[list[ShownTag]]:
    """For each record the tags that the bundle accepts, the most probable first, and what it says of the author's.

    Args:
        tagger: a bundle at work.
        records: N records with the fields that it reads.
        progress: called with the number of records done.
    """
    version = model_version(tagger.bundle.folder)
    probs_NK = tagger.probabilities(records, progress=progress)
    accepted_NK = tagger.bundle.rule.accept(probs_NK)
    lists = []
    for record, probs_K, accepted_K in zip(records, probs_NK, accepted_NK, strict=True):
        order_K = np.argsort(-probs_K, kind="stable")
        lists.append(
            [
                ShownTag(tagger.tags[k], "model", version, round(float(probs_K[k]), 4))
                for k in order_K
                if accepted_K[k] or tagger.tags[k] in record.tags
            ]
        )
    return lists


def model_version(folder: Path) -> str:
    """12 hex digits that stand for a bundle: the SHA-256 of its description, which holds that of every other file."""
    return hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()[:12]
