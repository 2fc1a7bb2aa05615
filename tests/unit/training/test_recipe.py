"""A run that is examined and not started."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.config import TrainConfig
from tagnet.errors import ConfigError, EncoderError, HardwareError, LabelSpaceError, RunDirectoryError
from tagnet.training import preflight, recipe
from tagnet.training.memory import BatchShape
from tagnet.training.recipe import examine

MakeConfig = Callable[..., TrainConfig]
MIB = 2**20


@pytest.fixture
def records(rows: list[dict[str, Any]], tmp_path: Path) -> str:
    rows[7]["description"] = "a description of many words " * 30
    path = tmp_path / "records.json"
    path.write_text(json.dumps(rows))
    return f"data.records={path}"


def test_the_records_say_how_long_texts_are_and_how_many_tags(make_config: MakeConfig, records: str) -> None:
    found = examine(make_config(records, "trainer.batch_size=8", "data.max_tokens=64"))
    assert (found.records, found.tags) == (200, 3)
    assert found.batch == BatchShape(8, 8, 64)
    assert (found.device, found.precision, found.processes) == ("cpu", "32-true", 1)
    assert found.problem is None
    assert found.memory is not None
    assert found.parameters * 4 <= found.memory.weights
    assert found.needed == found.memory.total - found.memory.weights


def test_windows_and_budgets_are_those_of_the_run(make_config: MakeConfig, records: str) -> None:
    windows = examine(make_config(records, "trainer.batch_size=2", "data.max_tokens=64", "data.window_overlap=16"))
    assert windows.batch.sequences > windows.batch.texts == 2
    short = examine(make_config(records, "trainer.batch_size=2", "data.feature_tokens.description=5"))
    assert short.batch.tokens < 16


def test_a_batch_is_no_larger_than_the_corpus(make_config: MakeConfig, records: str) -> None:
    assert examine(make_config(records, "trainer.batch_size=5000")).batch.texts == 200


def test_of_a_large_corpus_the_longest_are_tokenized(
    make_config: MakeConfig, records: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = examine(make_config(records, "trainer.batch_size=1"))
    monkeypatch.setattr(recipe, "_MOST_TOKENIZED", 3)
    assert examine(make_config(records, "trainer.batch_size=1")).batch == everything.batch


def test_records_of_the_hub_are_not_fetched(make_config: MakeConfig) -> None:
    found = examine(make_config("data.records=hub:nobody/nothing", "trainer.batch_size=4", "data.max_tokens=null"))
    assert found.records is None
    assert found.batch == BatchShape(4, 4, 512)


def test_the_largest_batch_that_fits_fits(
    make_config: MakeConfig, records: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (preflight, recipe):
        monkeypatch.setattr(module, "available_memory", lambda: 200 * MIB)
    hub = ("data.records=hub:nobody/nothing", "data.max_tokens=128", "trainer.eval_batch_size=1")
    first = examine(make_config(*hub))
    assert first.problem is None
    assert first.largest_batch is not None
    again = examine(make_config(*hub, f"trainer.batch_size={first.largest_batch}"))
    assert again.problem is None
    assert again.largest_batch == pytest.approx(first.largest_batch, rel=0.02)
    twice = examine(make_config(*hub, f"trainer.batch_size={2 * first.largest_batch}"))
    assert twice.problem is not None
    assert twice.problem.startswith(f"trainer.batch_size={2 * first.largest_batch}: ")
    between = examine(make_config(*hub, f"trainer.batch_size={int(1.3 * first.largest_batch)}"))
    assert between.problem is None
    assert "may not fit" in between.notes[0]


def test_a_batch_beyond_all_machines(make_config: MakeConfig) -> None:
    found = examine(
        make_config("data.records=hub:nobody/nothing", "trainer.batch_size=100000000", "data.max_tokens=512")
    )
    assert found.problem is not None
    assert "100,000,000 texts of up to 512 tokens need" in found.problem
    assert found.largest_batch is not None
    assert 0 < found.largest_batch < 10**6


def test_a_full_disk_is_a_problem(make_config: MakeConfig, records: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    found = examine(make_config(records))
    assert found.problem is not None
    assert found.problem.startswith("run.dir=nowhere: ")
    assert found.disk_needed > 10 * MIB


def test_little_shared_memory_is_told_where_processes_need_it(make_config: MakeConfig, records: str) -> None:
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    assert "--shm-size" in examine(make_config(records, *two), 64 * MIB).notes[0]
    assert examine(make_config(records, *two), 2**30).notes == ()
    assert examine(make_config(records), 64 * MIB).notes == ()


def test_adapters_and_checkpointing_are_those_of_the_run(make_config: MakeConfig, records: str) -> None:
    plain = examine(make_config(records))
    light = examine(make_config(records, "adapter=lora", "trainer.gradient_checkpointing=true"))
    assert plain.trained == plain.parameters
    assert light.trained < light.parameters / 20
    assert plain.memory is not None
    assert light.memory is not None
    assert light.memory.activations < plain.memory.activations


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (("trainer.monitor=val.mapp",), ConfigError),
        (("trainer=gpu",), HardwareError),
        (("encoder=./no-such-folder",), EncoderError),
        (("labels.min_count=1000",), LabelSpaceError),
    ],
)
def test_what_training_would_refuse_is_refused(
    settings: tuple[str, ...], error: type[Exception], make_config: MakeConfig, records: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(error):
        examine(make_config(records, *settings))


def test_a_finished_run_is_refused(make_config: MakeConfig, records: str, tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "metrics.json").write_text("{}")
    with pytest.raises(RunDirectoryError, match="finished"):
        examine(make_config(records, f"run.dir={tmp_path / 'done'}"))
