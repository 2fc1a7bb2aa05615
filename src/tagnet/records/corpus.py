"""Prepared records: tags made canonical and counted, the label space built, untagged records dropped.

N records, K tags.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tagnet.config import LabelsConfig
from tagnet.records.io import LoadedRecords
from tagnet.records.label_space import LabelSpace, build_label_space, count_tags, unknown_tag_warnings
from tagnet.records.record import Record, RecordId, render, text_template
from tagnet.records.sparse_labels import SparseLabels
from tagnet.records.taxonomy import Taxonomy


@dataclass(frozen=True)
class CorpusReport:
    """What became of the rows and the tags. Each mapping is tag → number of records, the commonest first."""

    num_rows: int
    """Rows in the source."""
    num_skipped: int
    """Rows that could not be used."""
    num_records: int
    """Records that stay (N)."""
    num_untagged_dropped: int
    """Records that were dropped because no kept tag was left."""
    num_positives: int
    """Cells of y_NK that are 1."""
    outside_taxonomy: Mapping[str, int]
    """Tags, as written, that the taxonomy does not know."""
    resolved_aliases: Mapping[str, int]
    """Aliases, as written, that were replaced by their tag."""
    below_min_count: Mapping[str, int]
    """Tags that too few records bear."""
    excluded: Mapping[str, int]
    """Tags that the settings exclude."""
    warnings: tuple[str, ...]
    """Of the taxonomy, of tags that differ by blanks alone, and of settings that have nothing to act upon."""
    fingerprint: str
    """Of the source, see `LoadedRecords`."""


@dataclass(frozen=True)
class Corpus:
    """Records that are ready to be split."""

    records: tuple[Record, ...]
    """Those kept, in file order, with their tags as written."""
    label_space: LabelSpace
    taxonomy: Taxonomy | None
    labels: SparseLabels
    """The tags that each record bears."""
    report: CorpusReport
    dropped_ids: tuple[RecordId, ...] = ()
    """Ids of the records that were dropped as untagged: known, but not among `records`."""

    @cached_property
    def y_NK(self) -> NDArray[np.uint8]:
        """The labels as a matrix, (N, K), 1 where the record bears the tag; made when it is first asked for."""
        return self.labels.dense_NK()

    def texts(self, features: Sequence[str]) -> list[str]:
        """The N texts that these fields make."""
        template = text_template(features)
        return [render(template, record.fields) for record in self.records]


def prepare_corpus(
    loaded: LoadedRecords, taxonomy: Taxonomy | None, labels: LabelsConfig, keep_ids: Collection[str] = ()
) -> Corpus:
    """Records as read → label space and labels.

    In this order: aliases become their tags and tags outside the taxonomy are dropped; ancestors are added; excluded
    tags are dropped; tags are counted over all records, and scarce ones dropped; records without a tag are dropped,
    unless `labels.untagged` says that they truly have none, or `keep_ids` (as text) names them. Without a taxonomy,
    tags are taken as they stand.

    Raises:
        LabelSpaceError: no tag is left.
    """
    tag_lists, outside, aliases = _canonical_tags(loaded.records, taxonomy, labels)
    counts = count_tags(tag_lists)
    label_space = build_label_space(tag_lists, labels)
    borne = label_space.encode_sparse(tag_lists)
    kept_N = np.diff(borne.starts) > 0 if labels.untagged == "drop" else np.ones(len(tag_lists), dtype=bool)
    if keep_ids:
        kept_N |= np.fromiter((str(record.id) in keep_ids for record in loaded.records), dtype=bool, count=len(kept_N))
    borne = borne.take(np.flatnonzero(kept_N))
    left_out = {tag: count for tag, count in counts.items() if tag not in label_space}
    report = CorpusReport(
        num_rows=len(loaded.records) + len(loaded.skipped),
        num_skipped=len(loaded.skipped),
        num_records=borne.shape[0],
        num_untagged_dropped=int((~kept_N).sum()),
        num_positives=len(borne.tags),
        outside_taxonomy=_by_count(outside),
        resolved_aliases=_by_count(aliases),
        below_min_count=_by_count({tag: n for tag, n in left_out.items() if tag not in labels.exclude}),
        excluded=_by_count({tag: n for tag, n in left_out.items() if tag in labels.exclude}),
        warnings=(
            *(taxonomy.warnings if taxonomy else ()),
            *_parent_warnings(taxonomy, labels),
            *_blank_warnings(loaded.records, taxonomy),
            *unknown_tag_warnings(labels, counts, _hints(taxonomy, outside, aliases)),
        ),
        fingerprint=loaded.fingerprint,
    )
    return Corpus(
        records=tuple(record for record, kept in zip(loaded.records, kept_N, strict=True) if kept),
        label_space=label_space,
        taxonomy=taxonomy,
        labels=borne,
        report=report,
        dropped_ids=tuple(record.id for record, kept in zip(loaded.records, kept_N, strict=True) if not kept),
    )


def _canonical_tags(
    records: Sequence[Record], taxonomy: Taxonomy | None, labels: LabelsConfig
) -> tuple[list[Sequence[str]], Counter[str], Counter[str]]:
    """The tags of each record, and how many records bear each tag outside the taxonomy and each resolved alias."""
    outside: Counter[str] = Counter()
    aliases: Counter[str] = Counter()
    tag_lists: list[Sequence[str]] = []
    for record in records:
        if taxonomy is None:
            tag_lists.append(record.tags)
            continue
        tags, unknown = taxonomy.canonical(
            record.tags, resolve_aliases=labels.resolve_aliases, add_parents=labels.add_parents
        )
        tag_lists.append(tags)
        outside.update(unknown)
        aliases.update(
            tag for tag in record.tags if tag not in unknown and taxonomy.resolve(tag, aliases=False) is None
        )
    return tag_lists, outside, aliases


def _hints(taxonomy: Taxonomy | None, outside: Mapping[str, int], aliases: Mapping[str, int]) -> dict[str, str]:
    hints = dict.fromkeys(outside, "the taxonomy does not know it")
    if taxonomy is not None:
        hints.update({alias: f"it is an alias; name {taxonomy.resolve(alias)!r}" for alias in aliases})
    return hints


def _parent_warnings(taxonomy: Taxonomy | None, labels: LabelsConfig) -> list[str]:
    if taxonomy is not None or not labels.add_parents:
        return []
    return ["labels.add_parents=true adds nothing without a taxonomy; name one with data.taxonomy=tags.json"]


def _blank_warnings(records: Sequence[Record], taxonomy: Taxonomy | None) -> list[str]:
    """Tags that a person would take for one and the same."""
    counts = count_tags(record.tags for record in records)
    alike: dict[str, set[str]] = defaultdict(set)
    for tag in [*counts, *(taxonomy.tags if taxonomy else ())]:
        alike[tag.strip()].add(tag)
    odd = sorted(tag for trimmed, tags in alike.items() if len(tags) > 1 for tag in tags - {trimmed} if tag in counts)
    if not odd:
        return []
    shown = ", ".join(f"{tag!r} ({counts[tag]} records)" for tag in odd[:3]) + (", …" if len(odd) > 3 else "")
    return [
        f"{len(odd)} tag(s) differ from another tag only by blanks at their ends: {shown}; tags are never trimmed, so "
        "each counts as a tag of its own"
    ]


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
