"""The taxonomy: which tags there are, their other names, and which tag is a kind of which.

A tags.json is an array of `{"tag", "aliases", "parents"}`. Tags, aliases and parents are opaque strings: they match
exactly or not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tagnet.errors import TaxonomyError, nearest
from tagnet.records.json_files import describe, read_json

_KEYS = ("tag", "aliases", "parents")


@dataclass(frozen=True)
class TaxonomyEntry:
    """One tag, as declared."""

    tag: str
    aliases: tuple[str, ...]
    parents: tuple[str, ...]


@dataclass(frozen=True)
class Taxonomy:
    """A checked taxonomy: no cycle, no alias with two meanings; made by `build_taxonomy`.

    >>> rows = [{"tag": "nlp", "aliases": ["text"], "parents": []}, {"tag": "qa", "aliases": [], "parents": ["text"]}]
    >>> taxonomy = build_taxonomy(rows, "tags.json")
    >>> taxonomy.resolve("text"), taxonomy.resolve("text", aliases=False), taxonomy.ancestors("qa")
    ('nlp', None, ('nlp',))
    >>> taxonomy.canonical(["qa", "vision"], resolve_aliases=True, add_parents=True)
    (['qa', 'nlp'], ['vision'])
    """

    entries: tuple[TaxonomyEntry, ...]
    warnings: tuple[str, ...] = ()
    """What was odd but could be read: parents that nobody declares, aliases that are tags too, unknown keys."""

    @property
    def tags(self) -> tuple[str, ...]:
        """The declared tags, in the order declared."""
        return tuple(self._by_tag)

    def resolve(self, tag: str, aliases: bool = True) -> str | None:
        """The canonical tag that `tag` stands for, with or without the help of aliases; None when it is outside."""
        if tag in self._by_tag:
            return tag
        return self._tag_of_alias.get(tag) if aliases else None

    def aliases_of(self, tag: str) -> tuple[str, ...]:
        """The other names of a declared tag.

        Raises:
            TaxonomyError: the tag is not declared.
        """
        return self._entry(tag).aliases

    def parents_of(self, tag: str) -> tuple[str, ...]:
        """The declared tags directly above a declared tag; aliases among its parents are resolved.

        Raises:
            TaxonomyError: the tag is not declared.
        """
        self._entry(tag)
        return self._parents[tag]

    def children(self, tag: str) -> tuple[str, ...]:
        """The tags directly below a declared tag, in the order declared.

        Raises:
            TaxonomyError: the tag is not declared.
        """
        self._entry(tag)
        return self._children[tag]

    def ancestors(self, tag: str) -> tuple[str, ...]:
        """Every tag above a declared tag, each once, the nearest first.

        Raises:
            TaxonomyError: the tag is not declared.
        """
        self._entry(tag)
        found = dict.fromkeys(self._parents[tag])
        queue = list(found)
        for above in queue:
            new = [parent for parent in self._parents[above] if parent not in found]
            found.update(dict.fromkeys(new))
            queue.extend(new)
        return tuple(found)

    def canonical(
        self, tags: Iterable[str], *, resolve_aliases: bool, add_parents: bool
    ) -> tuple[list[str], list[str]]:
        """Canonical tags of a record, each once, and those of its tags that are outside the taxonomy."""
        kept: dict[str, None] = {}
        outside = []
        for tag in tags:
            found = self.resolve(tag, aliases=resolve_aliases)
            if found is None:
                outside.append(tag)
            else:
                kept[found] = None
                if add_parents:
                    kept.update(dict.fromkeys(self._ancestors[found]))
        return list(kept), outside

    def _entry(self, tag: str) -> TaxonomyEntry:
        entry = self._by_tag.get(tag)
        if entry is None:
            raise TaxonomyError(f"{tag!r} is not a tag of the taxonomy{nearest(tag, self._by_tag)}")
        return entry

    @cached_property
    def _by_tag(self) -> dict[str, TaxonomyEntry]:
        return {entry.tag: entry for entry in self.entries}

    @cached_property
    def _tag_of_alias(self) -> dict[str, str]:
        return {alias: entry.tag for entry in self.entries for alias in entry.aliases if alias not in self._by_tag}

    @cached_property
    def _parents(self) -> dict[str, tuple[str, ...]]:
        return {
            entry.tag: tuple(dict.fromkeys(tag for p in entry.parents if (tag := self.resolve(p)) is not None))
            for entry in self.entries
        }

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        below: dict[str, list[str]] = {tag: [] for tag in self._by_tag}
        for tag, parents in self._parents.items():
            for parent in parents:
                below[parent].append(tag)
        return {tag: tuple(children) for tag, children in below.items()}

    @cached_property
    def _ancestors(self) -> dict[str, tuple[str, ...]]:
        return {tag: self.ancestors(tag) for tag in self._by_tag}


def build_taxonomy(rows: Iterable[Mapping[str, Any]], source: str) -> Taxonomy:
    """Check the entries of a taxonomy and put them together.

    A parent that is no tag is looked up among the aliases; where it is none of these either, it is ignored with a
    warning. An alias that is also a tag means that tag, with a warning.

    Args:
        rows: objects with the keys `tag`, `aliases`, `parents`; the last two may be missing.
        source: the file's name, for messages.

    Raises:
        TaxonomyError: an entry has the wrong shape, a tag is declared twice, two tags claim one alias, or a tag is
            its own ancestor.
    """
    entries: list[TaxonomyEntry] = []
    unknown_keys: dict[str, None] = {}
    for number, row in enumerate(rows, start=1):
        entries.append(_entry(row, f"{source}, entry {number}"))
        unknown_keys.update(dict.fromkeys(str(key) for key in row if key not in _KEYS))
    warnings = [f"{source}: the key {key!r} is not read{nearest(key, _KEYS)}" for key in unknown_keys]
    _check_tags(entries, source)
    warnings += _check_aliases(entries, source)
    taxonomy = Taxonomy(tuple(entries))
    cycle = _find_cycle({tag: taxonomy.parents_of(tag) for tag in taxonomy.tags})
    if cycle:
        raise TaxonomyError(
            f"{source}: parents run in a circle: {' → '.join(cycle)}\n"
            "Take one of these parents out; no tag can be above itself."
        )
    warnings += _undeclared_parents(taxonomy, source)
    return Taxonomy(taxonomy.entries, tuple(warnings))


def load_taxonomy(path: Path) -> Taxonomy:
    """Read and check a tags.json.

    Raises:
        TaxonomyError: the file is missing, its JSON is broken, or `build_taxonomy` refuses what it holds.
    """
    rows = read_json(path, "a JSON array of tags", TaxonomyError)
    if not isinstance(rows, list):
        raise TaxonomyError(f'{path}: expected an array of {{"tag", "aliases", "parents"}}, found {describe(rows)}')
    return build_taxonomy(rows, str(path))


def to_rows(taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """The entries as they would stand in a tags.json."""
    return [{"tag": e.tag, "aliases": list(e.aliases), "parents": list(e.parents)} for e in taxonomy.entries]


def _entry(row: object, place: str) -> TaxonomyEntry:
    if not isinstance(row, Mapping):
        raise TaxonomyError(f'{place}: expected an object {{"tag", "aliases", "parents"}}, found {describe(row)}')
    tag = row.get("tag")
    if not isinstance(tag, str) or not tag:
        found = describe(tag) if "tag" in row else "nothing" + nearest("tag", map(str, row))
        raise TaxonomyError(f"{place}: tag: expected a non-empty string, found {found}")
    return TaxonomyEntry(
        tag, _strings(row, "aliases", f"{place} ({tag!r})"), _strings(row, "parents", f"{place} ({tag!r})")
    )


def _strings(row: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    values = row.get(key)
    if values is None:
        return ()
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise TaxonomyError(f"{place}: {key}: expected a list of strings, found {describe(values)}")
    return tuple(dict.fromkeys(values))


def _check_tags(entries: list[TaxonomyEntry], source: str) -> None:
    first: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        if entry.tag in first:
            raise TaxonomyError(
                f"{source}: the tag {entry.tag!r} is declared twice, "
                f"in entries {first[entry.tag]} and {number}; join them"
            )
        first[entry.tag] = number


def _check_aliases(entries: list[TaxonomyEntry], source: str) -> list[str]:
    tags = {entry.tag for entry in entries}
    owner: dict[str, str] = {}
    warnings = []
    for entry in entries:
        for alias in entry.aliases:
            if alias == entry.tag:
                continue
            if alias in tags:
                warnings.append(f"{source}: {alias!r} is an alias of {entry.tag!r} and a tag too; it means the tag")
                continue
            if alias in owner:
                raise TaxonomyError(
                    f"{source}: the alias {alias!r} stands for two tags, {owner[alias]!r} and {entry.tag!r}; "
                    "leave it to one of them"
                )
            owner[alias] = entry.tag
    return warnings


def _undeclared_parents(taxonomy: Taxonomy, source: str) -> list[str]:
    children_of = defaultdict(list)
    for entry in taxonomy.entries:
        for parent in entry.parents:
            if taxonomy.resolve(parent) is None:
                children_of[parent].append(entry.tag)
    return [
        f"{source}: {parent!r}, parent of {', '.join(children)}, is neither a tag nor an alias; it is ignored"
        + nearest(parent, taxonomy.tags)
        for parent, children in children_of.items()
    ]


def _find_cycle(parents: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The tags of one cycle, the first repeated at the end; empty when there is none.

    >>> _find_cycle({"a": ("b",), "b": ("c",), "c": ("b",)})
    ['b', 'c', 'b']
    """
    done: set[str] = set()
    for start in parents:
        path: list[str] = []
        on_path: set[str] = set()
        # A stack of our own, for a chain of parents may be longer than Python's.
        stack = [(start, iter(parents[start]))] if start not in done else []
        while stack:
            tag, rest = stack[-1]
            if tag not in on_path:
                path.append(tag)
                on_path.add(tag)
            above = next((parent for parent in rest if parent not in done), None)
            if above is None:
                done.add(tag)
                on_path.discard(path.pop())
                stack.pop()
            elif above in on_path:
                return [*path[path.index(above) :], above]
            else:
                stack.append((above, iter(parents[above])))
    return []
