"""The label space: the K tags that a model learns, in a fixed order, and their 0/1 matrix.

N records, K tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tagnet.config import LabelsConfig
from tagnet.errors import LabelSpaceError, nearest
from tagnet.records.sparse_labels import SparseLabels


@dataclass(frozen=True)
class LabelSpace:
    """K tags, sorted by code point; a tag's place is its column.

    >>> space = LabelSpace(("nlp", "vision"))
    >>> space.encode([["vision", "unheard-of"], []]).tolist()
    [[0, 1], [0, 0]]
    """

    tags: tuple[str, ...]

    def __post_init__(self) -> None:
        if list(self.tags) != sorted(set(self.tags)):
            raise LabelSpaceError(f"a label space holds each tag once, sorted; found {list(self.tags)!r}")

    def __len__(self) -> int:
        return len(self.tags)

    def __contains__(self, tag: object) -> bool:
        return tag in self._columns

    def index_of(self, tag: str) -> int:
        """The column of a tag.

        Raises:
            LabelSpaceError: the tag is not in the label space.
        """
        column = self._columns.get(tag)
        if column is None:
            raise LabelSpaceError(f"{tag!r} is none of the {len(self.tags)} tags{nearest(tag, self.tags)}")
        return column

    def encode(self, tag_lists: Sequence[Iterable[str]]) -> NDArray[np.uint8]:
        """The matrix y_NK: (N, K), 1 where the record bears the tag; tags outside the label space are passed over."""
        y_NK = np.zeros((len(tag_lists), len(self.tags)), dtype=np.uint8)
        for row, tags in enumerate(tag_lists):
            for tag in tags:
                column = self._columns.get(tag)
                if column is not None:
                    y_NK[row, column] = 1
        return y_NK

    def encode_sparse(self, tag_lists: Sequence[Iterable[str]]) -> SparseLabels:
        """What `encode` gives, without the matrix.

        >>> LabelSpace(("nlp", "vision")).encode_sparse([["vision", "unheard-of"], []]).tags.tolist()
        [1]
        """
        columns = self._columns
        return SparseLabels.from_lists(
            ({columns[tag] for tag in tags if tag in columns} for tags in tag_lists), len(self)
        )

    def decode(self, y_NK: NDArray[np.generic]) -> list[tuple[str, ...]]:
        """The tags of each row of y_NK: (N, K), those whose cell is not 0."""
        return [tuple(self.tags[column] for column in np.flatnonzero(y_K)) for y_K in y_NK]

    def to_plain(self) -> list[str]:
        """The tags as a list, for JSON."""
        return list(self.tags)

    @classmethod
    def from_plain(cls, tags: Sequence[str]) -> LabelSpace:
        """The inverse of `to_plain`.

        Raises:
            LabelSpaceError: the tags are not sorted, or one stands twice.
        """
        return cls(tuple(tags))

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {tag: column for column, tag in enumerate(self.tags)}


def count_tags(tag_lists: Iterable[Iterable[str]]) -> Counter[str]:
    """How many records bear each tag; a record that bears a tag twice counts once.

    >>> count_tags([["a", "b", "a"], ["a"]])
    Counter({'a': 2, 'b': 1})
    """
    return Counter(tag for tags in tag_lists for tag in set(tags))


def build_label_space(tag_lists: Sequence[Iterable[str]], labels: LabelsConfig) -> LabelSpace:
    """The tags that at least `labels.min_count` records bear or `labels.include` names, less `labels.exclude`.

    A tag that no record bears is never in it, whoever names it: there is nothing to learn from.

    Raises:
        LabelSpaceError: no tag is left.
    """
    counts = count_tags(tag_lists)
    for tag in labels.exclude:
        counts.pop(tag, None)
    kept = [tag for tag, count in counts.items() if count >= labels.min_count or tag in labels.include]
    if kept:
        return LabelSpace(tuple(sorted(kept)))
    if not counts:
        raise LabelSpaceError(
            f"no tag is left: none of the {len(tag_lists)} records bears a tag that the taxonomy knows and "
            "labels.exclude leaves in.\nLook at the tags with `tagnet inspect`, or set data.taxonomy=null to take "
            "them as they stand."
        )
    tag, count = min(counts.items(), key=lambda item: (-item[1], item[0]))
    raise LabelSpaceError(
        f"no tag has at least {labels.min_count} records; the commonest is {tag!r} with {count}; "
        f"lower labels.min_count to at most {count}"
    )


def unknown_tag_warnings(
    labels: LabelsConfig, known: Iterable[str], hints: Mapping[str, str] | None = None
) -> list[str]:
    """A warning for each tag that `labels.include` or `labels.exclude` names and no record bears.

    Args:
        labels: the settings.
        known: the tags that records bear.
        hints: for some tags, why no record bears them; else the nearest known tag is named.
    """
    known = sorted(set(known))
    return [
        f"labels.{setting} names {tag!r}, which no record bears"
        + (f": {hints[tag]}" if hints and tag in hints else nearest(tag, known))
        for setting, tags in (("include", labels.include), ("exclude", labels.exclude))
        for tag in tags
        if tag not in known
    ]
