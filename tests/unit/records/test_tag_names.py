"""The names by which texts speak of tags."""

from __future__ import annotations

from tagnet.records.tag_names import TagNames, names_of_tags
from tagnet.records.taxonomy import build_taxonomy

ROWS = [
    {"tag": "vision", "aliases": ["cv"], "parents": []},
    {"tag": "detection", "aliases": ["object detection"], "parents": ["vision"]},
    {"tag": "yolo", "aliases": [], "parents": ["detection"]},
    {"tag": "audio", "aliases": [], "parents": []},
]


def test_a_name_speaks_for_its_tag_and_for_those_above_it() -> None:
    found = names_of_tags(["vision", "detection"], build_taxonomy(ROWS, "tags.json"))
    assert TagNames(("vision", "cv"), (0,)) in found
    assert any(each.names == ("detection", "object detection") and set(each.columns) == {0, 1} for each in found)


def test_a_tag_outside_the_label_space_speaks_for_those_above_it_alone() -> None:
    taxonomy = build_taxonomy(ROWS, "tags.json")
    found = {each.names[0]: set(each.columns) for each in names_of_tags(["vision"], taxonomy)}
    assert found == {"vision": {0}, "detection": {0}, "yolo": {0}}
    assert [each.names[0] for each in names_of_tags(["vision"], taxonomy, below=False)] == ["vision"]


def test_a_tag_that_the_taxonomy_does_not_know_has_its_own_name() -> None:
    assert names_of_tags(["other"], build_taxonomy(ROWS, "tags.json")) == [TagNames(("other",), (0,))]
