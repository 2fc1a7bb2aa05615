"""The labelled corpus that a simulation replays, and who learns from it.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.config import TrainConfig
from tagnet.data.prepare import prepare
from tagnet.errors import ConfigError, nearest
from tagnet.records.record import Record
from tagnet.workflows.simulation_learners import HeadLearner, Learner, NetworkLearner, encoder_embeddings

LearnerName = Literal["head", "finetune"]
LEARNERS: tuple[LearnerName, ...] = ("head", "finetune")


@dataclass(frozen=True, eq=False)
class ReplayCorpus:
    """N labelled records of K tags."""

    records: Sequence[Record]
    y_NK: NDArray[np.uint8]
    groups_N: NDArray[np.int64]
    """Near-identical records have the same number."""
    tags: tuple[str, ...]
    taxonomy: str | None
    """Its source."""
    fingerprint: str
    """Of the records, as they were read."""


def replay_corpus(config: TrainConfig, num_tags: int | None) -> ReplayCorpus:
    """The records of a training configuration with their most frequent tags; records without any of them are left out.

    Args:
        config: its data and labels count.
        num_tags: how many tags; None: all that its labels keep.

    Raises:
        DataError: records or tags cannot be used.
        ConfigError: there are not so many tags.
    """
    prepared = prepare(config)
    y_NK, tags = prepared.corpus.y_NK, prepared.corpus.label_space.tags
    if num_tags is not None and not 1 <= num_tags <= len(tags):
        raise ConfigError(f"tags: expected 1 to the {len(tags)} that the records have, found {num_tags}")
    kept_K = np.sort(np.argsort(-y_NK.sum(axis=0, dtype=np.int64), kind="stable")[:num_tags])
    y_NK = y_NK[:, kept_K]
    kept_N = np.flatnonzero(y_NK.any(axis=1)) if config.labels.untagged == "drop" else np.arange(len(y_NK))
    return ReplayCorpus(
        [prepared.corpus.records[row] for row in kept_N],
        y_NK[kept_N],
        prepared.groups[kept_N],
        tuple(tags[k] for k in kept_K),
        prepared.taxonomy_source,
        prepared.loaded.fingerprint,
    )


def make_learner(name: str, config: TrainConfig, corpus: ReplayCorpus, folder: Path) -> Learner:
    """The learner of a name.

    Raises:
        ConfigError: there is none.
    """
    match name:
        case "head":
            embeddings_ND = encoder_embeddings(config, corpus.records)
            return HeadLearner(embeddings_ND, corpus.y_NK, config.calibrator, config.thresholds)
        case "finetune":
            return NetworkLearner(config, corpus.records, corpus.y_NK, corpus.tags, corpus.taxonomy, folder / "runs")
    raise ConfigError(f"learner: expected {' or '.join(LEARNERS)}, found {name!r}{nearest(name, LEARNERS)}")
