"""From a source of records to a labelled, split corpus: what training, inspection and cross-validation start from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.config import TrainConfig
from tagnet.data.duplicates import duplicate_groups
from tagnet.data.split import Split, make_split
from tagnet.records.corpus import Corpus, prepare_corpus
from tagnet.records.io import LoadedRecords, load_records
from tagnet.records.sources import resolve_taxonomy
from tagnet.records.taxonomy import load_taxonomy


@dataclass(frozen=True)
class Prepared:
    """Records, labels and sides, before any token is made."""

    loaded: LoadedRecords
    corpus: Corpus
    texts: tuple[str, ...]
    """The N texts of the corpus, features joined, nothing cut."""
    split: Split
    groups: NDArray[np.int64]
    """(N,) near-identical records have the same number."""
    warnings: tuple[str, ...]
    """All that a person should know and that is no error."""


def prepare(config: TrainConfig, rows: Iterable[Mapping[str, object]] | None = None) -> Prepared:
    """Read, check, label and split.

    Args:
        config: its data, labels, split and run.seed are used.
        rows: records at hand, in place of `data.records`.

    Raises:
        DataError: anything about records, taxonomy, labels or split that cannot be used.
    """
    data = config.data
    source = data.records if rows is None else rows
    loaded = load_records(source, data.columns, data.on_invalid, data.features)
    taxonomy = None if data.taxonomy is None else load_taxonomy(resolve_taxonomy(data.taxonomy))
    corpus = prepare_corpus(loaded, taxonomy, config.labels)
    texts = tuple(corpus.texts(data.features))
    groups = duplicate_groups(texts, config.split.duplicate_similarity)
    split, split_warnings = make_split(corpus, groups, config.split, config.run.seed)
    return Prepared(
        loaded=loaded,
        corpus=corpus,
        texts=texts,
        split=split,
        groups=groups,
        warnings=(*corpus.report.warnings, *split_warnings),
    )
