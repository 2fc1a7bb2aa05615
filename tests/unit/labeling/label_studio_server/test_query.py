"""`tagnet label query --project`: what is chosen stands in Label Studio, and its reasons in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.bundle import Bundle
from tagnet.cli.label_query import Query, Target, run_query


def test_what_is_chosen_is_pushed(
    studio: Any, write_tiny_bundle: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", studio.token)
    records = tmp_path / "pool.jsonl"
    lines = [{"id": n, "title": f"Title {n}", "description": f"About {n}."} for n in range(12)]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    query = Query(
        records=str(records),
        bundle=write_tiny_bundle().folder,
        strategy="entropy_mean+coverage",
        batch_size=4,
        random_share=0.25,
        seed=0,
        cells=False,
        labelled=None,
        asked=(),
        members=(),
        dropout_passes=0,
        columns=(),
        device="cpu",
    )
    target = Target(None, None, "Next", studio.url, None, tmp_path / "why.json", "choices")
    run_query(query, target, taxonomy=None, features=[])
    asked = json.loads((tmp_path / "why.json").read_text())["asked"]
    assert len(asked) == 4
    assert [each["random"] for each in asked] == [False, False, False, True]
    for each in asked:
        assert studio.of_record(each["id"])
