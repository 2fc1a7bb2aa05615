"""The data as training would see it, in numbers: what was read, which tags there are, how they were split.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.config import SplitConfig, TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.data.sides import Split, crossing_duplicates, split_quality, unseen_tags
from tagnet.data.split import naive_quality
from tagnet.records.io import LoadedRecords, SkippedRow
from tagnet.records.record import Record, RecordId

FEW_RECORDS = 10
"""A tag with fewer training records than this is called rare."""
DATE_FIELD = "created_on"

FieldKind = Literal["id", "date", "tags", "text"]


@dataclass(frozen=True)
class Field:
    """One column of the records, as it was read."""

    name: str
    """Ours."""
    column: str
    """The file's."""
    kind: FieldKind
    num_empty: int
    """Records in which it is missing, null or blank."""
    mean_length: float | None
    """Over the records in which it is not empty (unit: characters of a text, tags of a record); None for others."""
    in_text: bool
    """Whether it is part of the text that the model reads."""


@dataclass(frozen=True)
class SkipReason:
    """Rows that could not be used for the same reason."""

    field: str
    expected: str
    count: int
    first: SkippedRow


@dataclass(frozen=True)
class TagCount:
    """How many records bear a tag."""

    tag: str
    count: int
    share: float
    """Of all records that are kept."""
    sides: Mapping[str, int]
    """`train`, `val`, `test` → records."""


@dataclass(frozen=True)
class CrossingPair:
    """Two near-identical records on two sides."""

    earlier: RecordId
    earlier_side: str
    earlier_title: str
    later: RecordId
    later_side: str
    later_title: str


@dataclass(frozen=True)
class SplitView:
    """How the records are divided."""

    source: str
    """For example `iterative stratification, seed 0`."""
    sizes: Mapping[str, int]
    num_outside: int
    """Records on no side, which only a given split can leave."""
    quality: float
    """The course's measure, see `split_quality`; 0 is even."""
    naive_quality: float
    """The same for a random split of the same records into sides of the same sizes."""
    unseen: tuple[str, ...]
    """Tags of validation or test that no training record bears."""
    crossing: tuple[CrossingPair, ...]
    num_duplicate_groups: int
    """Groups of two and more near-identical records, wherever they stand."""
    num_duplicate_records: int
    """Records in these groups."""


@dataclass(frozen=True)
class DataView:
    """Everything that can be said before a token is made."""

    source: str
    taxonomy: str | None
    fields: tuple[Field, ...]
    dates: tuple[datetime, datetime] | None
    """The first and the last, of all rows that were read; None where none has one."""
    num_rows: int
    skipped: tuple[SkipReason, ...]
    """The commonest first."""
    num_records: int
    """N, those kept."""
    num_untagged_dropped: int
    num_tags_written: int
    """Distinct tags as the file writes them."""
    tags: tuple[TagCount, ...]
    """The K tags of the label space, the commonest first."""
    num_positives: int
    """Pairs of a record and a tag that it bears."""
    tags_a_record: tuple[int, ...]
    """Entry i: how many records bear i tags."""
    outside_taxonomy: Mapping[str, int]
    resolved_aliases: Mapping[str, int]
    below_min_count: Mapping[str, int]
    excluded: Mapping[str, int]
    min_count: int
    split: SplitView
    warnings: tuple[str, ...]

    @property
    def num_skipped(self) -> int:
        """Rows that could not be used."""
        return sum(reason.count for reason in self.skipped)

    @property
    def mean_tags(self) -> float:
        """Tags a record, on average."""
        return self.num_positives / self.num_records

    @property
    def imbalance(self) -> float:
        """How many times as many records bear the commonest tag as the rarest."""
        return self.tags[0].count / self.tags[-1].count

    @property
    def rare(self) -> tuple[TagCount, ...]:
        """Tags with fewer than `FEW_RECORDS` training records, the rarest first."""
        few = [tag for tag in self.tags if tag.sides["train"] < FEW_RECORDS]
        return tuple(sorted(few, key=lambda tag: (tag.sides["train"], tag.tag)))


def view_data(prepared: Prepared, config: TrainConfig) -> DataView:
    """Gather the numbers.

    Args:
        prepared: what `prepare` made of the same settings.
        config: its data, labels, split and run.seed are used.
    """
    corpus, report = prepared.corpus, prepared.corpus.report
    records = prepared.loaded.records
    dated = [record.created_on for record in records if record.created_on is not None]
    return DataView(
        source=config.data.records,
        taxonomy=config.data.taxonomy,
        fields=view_fields(prepared.loaded, config),
        dates=(min(dated), max(dated)) if dated else None,
        num_rows=report.num_rows,
        skipped=_skip_reasons(prepared.loaded.skipped),
        num_records=report.num_records,
        num_untagged_dropped=report.num_untagged_dropped,
        num_tags_written=len({tag for record in records for tag in record.tags}),
        tags=_tag_counts(corpus.label_space.tags, corpus.y_NK, prepared.split),
        num_positives=report.num_positives,
        tags_a_record=tuple(np.bincount(corpus.y_NK.sum(axis=1, dtype=np.int64)).tolist()),
        outside_taxonomy=report.outside_taxonomy,
        resolved_aliases=report.resolved_aliases,
        below_min_count=report.below_min_count,
        excluded=report.excluded,
        min_count=config.labels.min_count,
        split=_view_split(prepared, config),
        warnings=prepared.warnings,
    )


def view_fields(loaded: LoadedRecords, config: TrainConfig) -> tuple[Field, ...]:
    """The columns that were found: id, date, tags, the fields of the text, and all others."""
    records, features = loaded.records, config.data.features
    names = dict.fromkeys(features)
    for record in records:
        names.update(dict.fromkeys(record.fields))
    has_dates = any(record.created_on is not None for record in records)
    tag_counts = [len(record.tags) for record in records if record.tags]

    def field(name: str, kind: FieldKind, num_empty: int, mean_length: float | None) -> Field:
        return Field(name, config.data.columns.get(name, name), kind, num_empty, mean_length, name in features)

    found = [field("id", "id", 0, None)]
    if has_dates:
        found.append(field(DATE_FIELD, "date", sum(record.created_on is None for record in records), None))
    found.append(field("tags", "tags", len(records) - len(tag_counts), _mean(tag_counts)))
    for name in names:
        if name == DATE_FIELD and has_dates and name not in features:
            continue
        lengths = [len(text) for record in records if (text := record.fields.get(name, "").strip())]
        found.append(field(name, "text", len(records) - len(lengths), _mean(lengths)))
    return tuple(found)


def title_of(record: Record, features: Sequence[str]) -> str:
    """The first field of the text that is not empty, on one line."""
    texts = (" ".join(record.fields.get(name, "").split()) for name in features)
    return next((text for text in texts if text), "")


def side_of_records(split: Split, num_records: int) -> list[str]:
    """The side of each record by name; "" for those on none."""
    sides = [""] * num_records
    for side, index in split.sides().items():
        for i in index.tolist():
            sides[i] = side
    return sides


def split_source(split: SplitConfig, seed: int) -> str:
    """Where a split comes from, in words."""
    file = f"file {split.file}" + (f", key {split.key}" if split.key else "")
    if split.name == "kfold":
        whole = "" if split.file is None else f" within train and validation of {file}"
        return f"fold {split.fold} of {split.folds}, stratified{whole}, seed {seed}"
    if split.file is not None:
        return file
    return "by date" if split.name == "date" else f"iterative stratification, seed {seed}"


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None


def _skip_reasons(skipped: Sequence[SkippedRow]) -> tuple[SkipReason, ...]:
    counts = Counter((row.field, row.expected) for row in skipped)
    first: dict[tuple[str, str], SkippedRow] = {}
    for row in skipped:
        first.setdefault((row.field, row.expected), row)
    return tuple(SkipReason(*key, count, first[key]) for key, count in counts.most_common())


def _tag_counts(tags: Sequence[str], y_NK: NDArray[np.uint8], split: Split) -> tuple[TagCount, ...]:
    counts_K = y_NK.sum(axis=0, dtype=np.int64).tolist()
    by_side = {side: y_NK[index].sum(axis=0, dtype=np.int64).tolist() for side, index in split.sides().items()}
    found = [
        TagCount(tag, counts_K[k], counts_K[k] / len(y_NK), {side: by_side[side][k] for side in by_side})
        for k, tag in enumerate(tags)
    ]
    return tuple(sorted(found, key=lambda tag: (-tag.count, tag.tag)))


def _view_split(prepared: Prepared, config: TrainConfig) -> SplitView:
    corpus, split = prepared.corpus, prepared.split
    group_sizes = np.bincount(prepared.groups)
    sizes = {side: len(index) for side, index in split.sides().items()}
    side_of = side_of_records(split, len(corpus.records))

    def place(index: int) -> tuple[RecordId, str, str]:
        record = corpus.records[index]
        return record.id, side_of[index], title_of(record, config.data.features)

    return SplitView(
        source=split_source(config.split, config.run.seed),
        sizes=sizes,
        num_outside=len(corpus.records) - sum(sizes.values()),
        quality=split_quality(corpus.y_NK, split),
        naive_quality=naive_quality(corpus.y_NK, split, config.run.seed),
        unseen=tuple(unseen_tags(corpus.y_NK, split, corpus.label_space.tags)),
        crossing=tuple(CrossingPair(*place(a), *place(b)) for a, b in crossing_duplicates(prepared.groups, split)),
        num_duplicate_groups=int((group_sizes > 1).sum()),
        num_duplicate_records=int(group_sizes[group_sizes > 1].sum()),
    )
