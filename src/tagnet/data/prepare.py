"""From a source of records to a labelled, split corpus: what training, inspection and cross-validation start from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagnet.config import DataConfig, TrainConfig
from tagnet.data.duplicates import duplicate_groups
from tagnet.data.soft_targets import SoftTargets, split_around_targets, take_targets, without_own_tags
from tagnet.data.split import Split, make_split
from tagnet.records.corpus import Corpus, prepare_corpus
from tagnet.records.io import GIVEN, LoadedRecords, load_records
from tagnet.records.record import Record, render, text_template
from tagnet.records.sources import EMBEDDED, MADEWITHML, resolve_taxonomy
from tagnet.records.targets import read_targets
from tagnet.records.taxonomy import load_taxonomy

_USUAL_FIELDS = ("title", "description")


@dataclass(frozen=True)
class Prepared:
    """Records, labels and sides, before any token is made."""

    source: str
    """What the records were read from: a path, a name, or "the given records"."""
    taxonomy_source: str | None
    """The same of the taxonomy; None: there is none."""
    loaded: LoadedRecords
    corpus: Corpus
    texts: tuple[str, ...]
    """The N texts of the corpus, features joined, nothing cut."""
    split: Split
    groups: NDArray[np.int64]
    """(N,) near-identical records have the same number."""
    warnings: tuple[str, ...]
    """All that a person should know and that is no error."""
    soft: SoftTargets | None = None
    """With `data.targets`: what is trained on; the corpus has its hard labels then."""


def prepare(
    config: TrainConfig,
    rows: Iterable[Mapping[str, object]] | None = None,
    *,
    taxonomy: str | Path | None = None,
) -> Prepared:
    """Read, check, label and split.

    Args:
        config: its data, labels, split and run.seed are used.
        rows: records at hand, in place of `data.records`. The taxonomy of the records that they replace has nothing
            to do with them and is left out.
        taxonomy: a path, or `embedded` or `madewithml`, in place of `data.taxonomy`.

    Raises:
        DataError: anything about records, taxonomy, labels or split that cannot be used.
    """
    data = config.data
    source = data.records if rows is None else rows
    loaded = load_records(source, data.columns, data.on_invalid, data.features)
    given = None if data.targets is None else read_targets(Path(data.targets))
    if given is not None:
        loaded = without_own_tags(loaded, given)
    taxonomy_source = _taxonomy_source(data, rows is not None, taxonomy)
    corpus = prepare_corpus(
        loaded,
        None if taxonomy_source is None else load_taxonomy(resolve_taxonomy(taxonomy_source)),
        config.labels,
        keep_ids=frozenset() if given is None else {str(identity) for identity in given.ids},
    )
    texts = tuple(corpus.texts(data.features))
    # Where they are the texts themselves, these are not made a second time.
    compared = texts if tuple(data.features) == _USUAL_FIELDS else compared_texts(corpus.records, data.features)
    groups = duplicate_groups(compared, config.split.duplicate_similarity)
    soft, target_warnings = None, list[str]()
    if given is None:
        split, split_warnings = make_split(corpus, groups, config.split, config.run.seed)
    else:
        corpus, soft, target_warnings = take_targets(corpus, given)
        split, split_warnings = split_around_targets(corpus, groups, soft, config.split, config.run.seed)
    return Prepared(
        source=data.records if rows is None else GIVEN,
        taxonomy_source=taxonomy_source,
        loaded=loaded,
        corpus=corpus,
        texts=texts,
        split=split,
        groups=groups,
        warnings=(*corpus.report.warnings, *target_warnings, *split_warnings),
        soft=soft,
    )


def compared_texts(records: Sequence[Record], features: Sequence[str]) -> list[str]:
    """The N texts by which near-identical records are found.

    Where a feature is the title or the description, both are compared, so that runs with more features or fewer have
    the same split; where neither is, or a record has neither, the features are.
    """
    usual, chosen = text_template(_USUAL_FIELDS), text_template(features)
    if not set(features) & set(_USUAL_FIELDS):
        usual = chosen
    return [render(usual, record.fields) or render(chosen, record.fields) for record in records]


def _taxonomy_source(data: DataConfig, has_rows: bool, asked: str | Path | None) -> str | None:
    if asked is not None:
        return str(asked)
    # As on the command line: somebody's own records have nothing to do with the taxonomy of those they replace.
    if has_rows and data.taxonomy == data.records and data.taxonomy in (EMBEDDED, MADEWITHML):
        return None
    return data.taxonomy
