"""What functions said, kept beside the records: votes of a function are computed once for each of its versions.

N records, K tags, F functions, V votes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csc_array

from tagnet.atomic import write_with
from tagnet.errors import LabelingError
from tagnet.labeling.weak.functions import Example, LabelingFunction, version_of

Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class VoteMatrix:
    """The votes of F functions on N records for K tags, in coordinates, sorted by function, record and tag."""

    num_records: int
    tags: tuple[str, ...]
    functions: tuple[str, ...]
    function_V: Int32
    record_V: Int32
    tag_V: Int32
    vote_V: NDArray[np.int8]
    """+1 or −1."""
    may_vote_FK: NDArray[np.bool_]
    """For which tags a function may vote at all."""

    def of_tag(self, k: int) -> tuple[NDArray[np.int64], csc_array]:
        """The functions that may vote for a tag, (F',), and their votes, (N, F')."""
        chosen = np.flatnonzero(self.may_vote_FK[:, k])
        place_F = np.full(len(self.functions), -1)
        place_F[chosen] = np.arange(len(chosen))
        here = self.tag_V == k
        coordinates = (self.record_V[here], place_F[self.function_V[here]])
        shape = (self.num_records, len(chosen))
        return chosen, csc_array((self.vote_V[here].astype(np.float64), coordinates), shape=shape)

    def counts(self, sign: int) -> NDArray[np.int32]:
        """How many functions vote +1 (or −1) in each cell: (N, K)."""
        counts_NK = np.zeros((self.num_records, len(self.tags)), dtype=np.int32)
        here = self.vote_V == sign
        np.add.at(counts_NK, (self.record_V[here], self.tag_V[here]), 1)
        return counts_NK

    def take(self, index: NDArray[np.int64]) -> VoteMatrix:
        """The votes on some records, in this order."""
        place_N = np.full(self.num_records, -1, dtype=np.int32)
        place_N[index] = np.arange(len(index), dtype=np.int32)
        kept = place_N[self.record_V] >= 0
        parts = (self.function_V[kept], place_N[self.record_V[kept]], self.tag_V[kept], self.vote_V[kept])
        return make_matrix(len(index), self.tags, self.functions, self.may_vote_FK, *parts)


def make_matrix(
    num_records: int,
    tags: tuple[str, ...],
    functions: tuple[str, ...],
    may_vote_FK: NDArray[np.bool_],
    function_V: NDArray[np.integer],
    record_V: NDArray[np.integer],
    tag_V: NDArray[np.integer],
    vote_V: NDArray[np.integer],
) -> VoteMatrix:
    """The matrix of votes in any order."""
    order = np.lexsort((tag_V, record_V, function_V))
    function, record, tag = (np.asarray(each)[order].astype(np.int32) for each in (function_V, record_V, tag_V))
    return VoteMatrix(
        num_records, tags, functions, function, record, tag, np.asarray(vote_V)[order].astype(np.int8), may_vote_FK
    )


def collect_votes(
    functions: Sequence[LabelingFunction],
    examples: Sequence[Example],
    tags: Sequence[str],
    store: Path | None = None,
    progress: Callable[[str, bool], None] = lambda name, asked: None,
) -> VoteMatrix:
    """Ask every function about every record, but for those whose votes a store has already.

    Args:
        functions: F functions, each of a name of its own.
        examples: N records.
        tags: K tags; votes for others are left out.
        store: a folder; a file there holds the votes of one version of a function on these records.
        progress: called after each function with its name, and whether it had to be asked.

    Raises:
        LabelingError: two functions have one name, or a function answers for another number of records.
    """
    names = [function.name for function in functions]
    for name in names:
        if names.count(name) > 1:
            raise LabelingError(f"labeling functions: expected names of their own, found {name!r} twice")
    seen = version_of([[str(each.id), dict(each.fields), each.text] for each in examples], list(tags))
    column_of = {tag: k for k, tag in enumerate(tags)}
    may_FK = np.array([[tag in set(function.tags) for tag in tags] for function in functions], dtype=bool)
    parts: list[tuple[NDArray[np.int32], ...]] = []
    for place, function in enumerate(functions):
        key = hashlib.sha256(json.dumps([function.name, function.version, seen]).encode()).hexdigest()[:24]
        file = None if store is None else store / f"{key}.safetensors"
        found = None if file is None else _read(file)
        if found is None:
            found = _ask(function, examples, column_of)
            if file is not None:
                arrays = dict(zip(("record", "tag", "vote"), found, strict=True))
                note = {"function": function.name, "version": function.version}
                write_with(file, lambda path, arrays=arrays, note=note: save_file(arrays, path, note))  # type: ignore[misc]
            progress(function.name, True)
        else:
            progress(function.name, False)
        parts.append((np.full(len(found[0]), place, dtype=np.int32), *found))
    columns = [np.concatenate([part[i] for part in parts]) if parts else np.zeros(0, np.int32) for i in range(4)]
    shape_FK = may_FK.reshape(len(functions), len(tags))
    return make_matrix(len(examples), tuple(tags), tuple(names), shape_FK, *columns)


def _read(file: Path) -> tuple[Int32, Int32, Int32] | None:
    """What a file holds; None where there is none, or a damaged one, which is written anew."""
    try:
        arrays = load_file(file)
        return arrays["record"], arrays["tag"], arrays["vote"]
    except (FileNotFoundError, SafetensorError, KeyError):
        return None


def _ask(
    function: LabelingFunction, examples: Sequence[Example], column_of: dict[str, int]
) -> tuple[Int32, Int32, Int32]:
    answers = function.vote(examples)
    if len(answers) != len(examples):
        raise LabelingError(
            f"labeling function {function.name}: expected votes on {len(examples)} records, found {len(answers)}"
        )
    rows = [
        (row, column_of[tag], vote)
        for row, votes in enumerate(answers)
        for tag, vote in votes.items()
        if vote and tag in column_of
    ]
    table = np.array(rows, dtype=np.int32).reshape(len(rows), 3)
    return tuple(np.ascontiguousarray(table[:, i]) for i in range(3))  # type: ignore[return-value]
