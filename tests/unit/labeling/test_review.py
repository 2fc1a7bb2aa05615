"""The review file holds each entry once."""

from __future__ import annotations

import json
from pathlib import Path

from tagnet.labeling.review import ReviewEntry, add_to_review, review_path

ENTRY = ReviewEntry("unknown_tags", 1, "ann", ("x",), "not known", "t.json, item 1", {"task": 3})
OTHER = ReviewEntry("not_our_task", None, None, (), "no slip", "t.json, item 2", {"task": 4})


def test_entries_are_added_once(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    assert add_to_review(output, []) == 0
    assert not review_path(output).exists()
    assert add_to_review(output, [ENTRY]) == 1
    assert add_to_review(output, [ENTRY, OTHER]) == 1
    first, second = map(json.loads, review_path(output).read_text().splitlines())
    assert (first["reason"], first["tags"], first["found"]) == ("unknown_tags", ["x"], {"task": 3})
    assert second["project_id"] is None


def test_lines_that_people_left_behind_hide_no_entry(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    add_to_review(output, [ENTRY])
    path = review_path(output)
    path.write_text(path.read_text() * 2 + "\n\n")
    assert add_to_review(output, [ENTRY, OTHER]) == 1
    assert '"not_our_task"' in path.read_text()
