from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.config import KFoldSplitConfig, TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.data.sides import split_quality
from tagnet.evaluation.data_view import split_source, view_data

Make = Callable[..., tuple[Prepared, TrainConfig]]
Rows = list[dict[str, Any]]


def test_rows_fields_and_dates_are_counted(make: Make, rows: Rows) -> None:
    rows[0]["stars"] = 12
    rows[1]["title"] = "  "
    view = view_data(*make(rows=rows))
    assert (view.num_rows, view.num_records, view.num_untagged_dropped, view.num_skipped) == (26, 25, 1, 0)
    fields = {field.name: field for field in view.fields}
    assert [field.kind for field in view.fields] == ["id", "date", "tags", "text", "text", "text"]
    assert (fields["title"].num_empty, fields["description"].num_empty, fields["stars"].num_empty) == (1, 1, 25)
    assert fields["stars"].mean_length == 2
    assert (fields["title"].in_text, fields["stars"].in_text) == (True, False)
    assert fields["tags"].mean_length == pytest.approx((12 + 24 + 2 + 1) / 26)
    assert view.dates == (datetime(2010, 3, 1), datetime(2018, 3, 1))


def test_without_dates_there_is_no_date_field(make: Make, rows: Rows) -> None:
    for row in rows:
        del row["created_on"]
    view = view_data(*make(rows=rows))
    assert view.dates is None
    assert "date" not in [field.kind for field in view.fields]


def test_a_renamed_column_is_shown_with_both_names(make: Make, rows: Rows) -> None:
    for row in rows:
        row["headline"] = row.pop("title")
    view = view_data(*make("data.columns={title: headline}", rows=rows))
    assert [(f.name, f.column) for f in view.fields if f.name != f.column] == [("title", "headline")]


def test_skipped_rows_are_grouped_by_reason(make: Make, rows: Rows) -> None:
    rows += [{"id": 90, "title": "a", "tags": "x"}, {"id": 91, "title": "a", "tags": 3}, {"title": "a", "tags": []}]
    view = view_data(*make("data.on_invalid=skip", rows=rows))
    assert view.num_skipped == 3
    assert [(s.field, s.count, s.first.row) for s in view.skipped] == [("tags", 2, 27), ("id", 1, 29)]


def test_what_became_of_the_tags(make: Make) -> None:
    view = view_data(*make("labels.exclude=[gnn]"))
    assert [(tag.tag, tag.count) for tag in view.tags] == [("vision", 13), ("graphs", 12)]
    assert view.tags[0].share == pytest.approx(13 / 25)
    assert all(sum(tag.sides.values()) == tag.count for tag in view.tags)
    assert view.outside_taxonomy == {"nobody": 1}
    assert view.resolved_aliases == {"gnn-alias": 12}
    assert view.below_min_count == {"old": 1}
    assert view.excluded == {"gnn": 12}
    assert view.num_tags_written == 5
    assert view.num_positives == 25
    assert view.tags_a_record == (0, 25)
    assert view.imbalance == pytest.approx(13 / 12)
    assert view.mean_tags == 1


def test_rare_tags_are_those_with_few_training_records(make: Make) -> None:
    view = view_data(*make("labels.min_count=1"))
    assert view.rare[0].tag == "old"
    assert [tag.sides["train"] for tag in view.rare] == sorted(tag.sides["train"] for tag in view.rare)
    assert all(tag.sides["train"] < 10 for tag in view.rare)
    enough = {tag.tag for tag in view.tags} - {tag.tag for tag in view.rare}
    assert all(tag.sides["train"] >= 10 for tag in view.tags if tag.tag in enough)


def test_a_given_split_is_measured_as_it_stands(make: Make, rows: Rows, tmp_path: Path) -> None:
    rows[20] |= {"title": rows[0]["title"], "description": rows[0]["description"]}
    file = tmp_path / "split.json"
    file.write_text(json.dumps({"train": list(range(1, 13)), "val": [13, 14], "test": [21, 22, 25]}))
    prepared, config = make(f"split.file={file}", "labels.min_count=1", rows=rows)
    split = view_data(prepared, config).split
    assert split.sizes == {"train": 12, "val": 2, "test": 3}
    assert split.num_outside == 8
    assert split.source == f"file {file}"
    assert split.unseen == ("gnn", "graphs", "old")
    assert [(p.earlier, p.earlier_side, p.later, p.later_side) for p in split.crossing] == [(1, "train", 21, "test")]
    assert split.crossing[0].later_title == "Vision kit"
    assert (split.num_duplicate_groups, split.num_duplicate_records) == (1, 2)
    assert split.quality == split_quality(prepared.corpus.y_NK, prepared.split)
    assert np.isfinite(split.naive_quality)


def test_a_drawn_split_says_how(make: Make) -> None:
    assert view_data(*make("run.seed=3")).split.source == "iterative stratification, seed 3"
    assert view_data(*make("split=date")).split.source == "by date"
    assert view_data(*make("split=kfold", "split.folds=4")).split.source == "fold 0 of 4, stratified, seed 0"
    within = KFoldSplitConfig("ids.json", "B", 0.15, None, "kfold", 5, 2)
    found = split_source(within, seed=3)
    assert found == "fold 2 of 5, stratified within train and validation of file ids.json, key B, seed 3"


def test_real_data(shared_data: Path, make: Make) -> None:
    del make
    from tagnet.cli.compose import compose_plain
    from tagnet.data.prepare import prepare
    from tagnet.strict_build import build

    words = [f"data.records={shared_data}/projects.json", f"data.taxonomy={shared_data}/tags.json"]
    config = build(TrainConfig, compose_plain([*words, "labels.min_count=30"]))
    view = view_data(prepare(config), config)
    assert view.num_rows == 2032
    assert view.num_tags_written == 2527
    assert view.split.quality < view.split.naive_quality
    assert view.num_positives == sum(n * count for n, count in enumerate(view.tags_a_record))
