"""Which record bears which tag, kept as the tags of each record: N records × K tags without a matrix of N · K cells."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.records.ragged import starts_of, take_rows


@dataclass(frozen=True, eq=False)
class SparseLabels:
    """The tags of N records, one record after the other: the rows of a compressed sparse matrix of ones."""

    tags: NDArray[np.int32]
    """The columns that are 1, those of a record ascending."""
    starts: NDArray[np.int64]
    """(N + 1,): record n bears tags[starts[n]:starts[n + 1]]."""
    num_tags: int
    """K."""

    @property
    def shape(self) -> tuple[int, int]:
        """N, K."""
        return len(self.starts) - 1, self.num_tags

    @classmethod
    def from_lists(cls, columns_of: Iterable[Collection[int]], num_tags: int) -> SparseLabels:
        """From the columns of each record, in any order.

        >>> SparseLabels.from_lists([[2, 0], []], 3).dense_NK().tolist()
        [[1, 0, 1], [0, 0, 0]]
        """
        flat, sizes = array("i"), array("q")
        for columns in columns_of:
            flat.extend(sorted(columns))
            sizes.append(len(columns))
        return cls(np.asarray(flat, dtype=np.int32), starts_of(np.asarray(sizes, dtype=np.int64)), num_tags)

    @classmethod
    def from_dense(cls, y_NK: NDArray[np.uint8]) -> SparseLabels:
        """From a matrix that is not 0 where a record bears a tag."""
        rows, tags = np.nonzero(y_NK)
        return cls._of_pairs(rows, tags, y_NK.shape[0], y_NK.shape[1])

    @classmethod
    def _of_pairs(
        cls, rows: NDArray[np.int64], tags: NDArray[np.int64], num_records: int, num_tags: int
    ) -> SparseLabels:
        """From pairs in ascending order."""
        return cls(tags.astype(np.int32), starts_of(np.bincount(rows, minlength=num_records)), num_tags)

    def dense_NK(self) -> NDArray[np.uint8]:
        """The matrix, 1 where a record bears a tag."""
        y_NK = np.zeros(self.shape, dtype=np.uint8)
        y_NK[self.rows(), self.tags] = 1
        return y_NK

    def rows(self) -> NDArray[np.int64]:
        """The record of each entry of `tags`."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def counts_K(self) -> NDArray[np.int64]:
        """How many records bear each tag."""
        return np.bincount(self.tags, minlength=self.num_tags)

    def take(self, index: NDArray[np.int64]) -> SparseLabels:
        """The records of these indices, in that order."""
        return SparseLabels(*take_rows(self.tags, self.starts, np.asarray(index, dtype=np.int64)), self.num_tags)

    def grouped(self, group_N: NDArray[np.int64], num_groups: int) -> SparseLabels:
        """One row a group, which bears the tags that any of its records bears.

        >>> SparseLabels.from_lists([[0], [1], [0]], 2).grouped(np.array([0, 1, 0]), 2).dense_NK().tolist()
        [[1, 0], [0, 1]]
        """
        keys = np.sort(group_N[self.rows()] * self.num_tags + self.tags)
        # Not np.unique, whose hash table takes ten times as long where most are different.
        keys = keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys
        return self._of_pairs(keys // self.num_tags, keys % self.num_tags, num_groups, self.num_tags)

    def records_by_tag(self) -> SparseLabels:
        """The other way round: row k holds the records that bear tag k, ascending."""
        order = np.argsort(self.tags, kind="stable")
        return SparseLabels(self.rows()[order].astype(np.int32), starts_of(self.counts_K()), self.shape[0])

    def to_csr(self) -> Any:
        """The matrix as SciPy's `csr_matrix` of ones, uint8."""
        from scipy.sparse import csr_matrix

        return csr_matrix((np.ones(len(self.tags), dtype=np.uint8), self.tags, self.starts), shape=self.shape)
