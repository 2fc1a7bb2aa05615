"""Which of the packages that tagnet asks for are installed, by its own metadata: the core's, and each extra's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*(\[(?P<extras>[^\]]*)\])?\s*(?P<versions>[^;]*)(;(?P<marker>.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_NOT_FOR_USERS = "dev"
_CORE = "core"


@dataclass(frozen=True)
class _Requirement:
    package: str
    extras: tuple[str, ...]
    versions: str
    """As written, such as `>=2,<3`."""
    asked_by: str
    """The extra that asks for it, or `core`."""


def versions() -> dict[str, str | None]:
    """Versions: of tagnet, and of the packages of its core and of the train extra; None: not installed."""
    return {name: _version(name) for name in ("tagnet", *(each.package for each in (*_of(_CORE), *_of("train"))))}


def missing_packages() -> dict[str, tuple[str, ...]]:
    """Extras → those of their packages that are missing, or too old or new, in words; empty: the extra is installed."""
    names = dict.fromkeys(each.asked_by for each in _requirements())
    return {
        extra: tuple(dict.fromkeys(fault for each in _of(extra) if (fault := _fault(each)) is not None))
        for extra in names
        if extra not in (_CORE, _NOT_FOR_USERS)
    }


def _of(extra: str) -> Iterator[_Requirement]:
    """What an extra asks for, also through other extras."""
    for each in _requirements():
        if each.asked_by == extra:
            if each.package == "tagnet":
                for inner in each.extras:
                    yield from _of(inner)
            else:
                yield each


def _requirements() -> list[_Requirement]:
    try:
        return [_parse(text) for text in requires("tagnet") or ()]
    except PackageNotFoundError:
        return []


def _parse(text: str) -> _Requirement:
    """A line of the metadata.

    >>> _parse('ray[default]>=2.60 ; extra == "ray"')
    _Requirement(package='ray', extras=('default',), versions='>=2.60', asked_by='ray')
    """
    match = _REQUIREMENT.fullmatch(text.strip())
    assert match is not None, text
    extra = _EXTRA.search(match["marker"] or "")
    names = tuple(name.strip() for name in (match["extras"] or "").split(",") if name.strip())
    return _Requirement(match["name"], names, match["versions"].strip(), extra[1] if extra else _CORE)


def _fault(requirement: _Requirement) -> str | None:
    found = _version(requirement.package)
    if found is None:
        return requirement.package
    # Not of the core: where it is missing, names alone are compared.
    if find_spec("packaging") is None:
        return None
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(requirement.versions).contains(found, prereleases=True):
        return None
    return f"{requirement.package}{requirement.versions} (found {found})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
