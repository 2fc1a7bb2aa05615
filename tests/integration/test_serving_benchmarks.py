"""The benchmarks of the server and of prediction in streams, at a small size: what they would find is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.serving import endurance, million, throughput


@pytest.fixture(autouse=True)
def _children_find_tagnet(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(repository / "src"))


def test_throughput(exports: Path, tmp_path: Path) -> None:
    found = throughput.measure(exports / "one", rounds=2, requests=40, log=tmp_path / "log.txt")
    assert len(found["rounds"]) == 2
    assert found["of_bare_batches"] > 0


@pytest.mark.slow
def test_endurance(exports: Path, tmp_path: Path) -> None:
    found = endurance.measure(exports / "one", exports / "two", requests=3000, clients=16, log=tmp_path / "log.txt")
    assert found["first_faults"] == []
    assert found["faults"] == found["tracebacks_in_log"] == 0
    assert found["sent_whole"] == found["answered"] > 2800
    assert {name.split("-")[0] for name in found["models"]} == {"one", "two"}
    for kind in ("plain 200", "slow 200", "cut", "too large 413", "broken 422"):
        assert found["statuses"][kind] > 0


@pytest.mark.slow
def test_endurance_sees_wrong_answers(exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endurance, "MOST_OFF", 0.0)
    monkeypatch.setattr(endurance, "_difference", lambda tags, expected_K, result: 1e-3)
    found = endurance.measure(exports / "one", exports / "two", requests=200, clients=4, log=tmp_path / "log.txt")
    assert found["faults"] > 100


def test_endurance_sees_that_all_is_refused_and_that_a_model_never_came() -> None:
    seen = endurance.Seen()
    seen.statuses.update({"plain 200": 90, "plain 429": 10, "broken 422": 500})
    seen.versions.update({"one": 50, "two": 40})
    assert endurance.too_few_answers(seen, {"one", "two"}) == []
    seen.statuses["plain 429"] += 1
    seen.versions.pop("two")
    assert len(endurance.too_few_answers(seen, {"one", "two"})) == 2


@pytest.mark.slow
def test_million(exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = million.measure(exports / "one", tmp_path / "m", 40_000, 1, ray=False)
    assert found["same"]
    assert found["lines"] == 40_000
    assert [attempt["killed"] for attempt in found["attempts"]["killed"]] == [True, True, True, False]
    again = million.measure(exports / "one", tmp_path / "m", 40_000, 1, ray=False)
    assert again["attempts"] == found["attempts"]
