"""Tags by the taxonomy's rule."""

from __future__ import annotations

from tagnet.labeling.canonical import canonical
from tagnet.records.taxonomy import Taxonomy


def test_aliases_parents_and_strangers(taxonomy: Taxonomy) -> None:
    found = canonical(["aleph", "x", "b", "a"], taxonomy)
    assert found.tags == ("a", "top", "x", "b")
    assert found.outside == ("x",)
    assert found.parents == ("top",)


def test_twice_is_once(taxonomy: Taxonomy) -> None:
    once = canonical(["aleph", "x", "b"], taxonomy)
    assert canonical(once.tags, taxonomy).tags == once.tags
