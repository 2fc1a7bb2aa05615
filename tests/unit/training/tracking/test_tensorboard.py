"""TensorBoard's event files, read back with TensorBoard."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tagnet.training.tracking.tensorboard import TensorBoardStore
from tagnet.training.tracking.tracker import Line, Results


def lines(*steps: int, value: float = 0.5) -> list[Line]:
    return [Line("train", step, {"train.loss": value}, 1000.0 + step) for step in steps]


def start(folder: Path, before: Sequence[Line]) -> TensorBoardStore:
    """A start of the run, which is never closed: it is killed."""
    store = TensorBoardStore(folder)
    store.open({"optim.lr": 0.1, "data.features": ["title"], "run.seed": None})
    assert store.resume(before) == ({"train": before[-1].step} if before else {})
    return store


def read(folder: Path) -> Any:
    with warnings.catch_warnings():
        # TensorBoard's reader takes numbers from bytes in a way that NumPy has renamed.
        warnings.simplefilter("ignore", DeprecationWarning)
        from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

        reader: Any = event_accumulator.EventAccumulator(
            str(folder / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0}
        )
        reader.Reload()
    return reader


def test_steps_after_the_point_from_which_a_run_goes_on_are_forgotten(tmp_path: Path) -> None:
    start(tmp_path, []).send(lines(1, 2, 3, value=1.0))
    start(tmp_path, []).send(lines(1, 2, 3, 4, value=2.0))
    store = start(tmp_path, lines(1, 2))
    store.send(lines(3, 4, 5, value=3.0))
    store.close("finished")
    points = [(event.step, event.value) for event in read(tmp_path).Scalars("train.loss")]
    assert points == [(1, 2.0), (2, 2.0), (3, 3.0), (4, 3.0), (5, 3.0)]


def test_results_that_are_said_again_are_there_once(tmp_path: Path) -> None:
    results = Results({"final.val.map": 0.5}, 2, [("c|d", 0.25, 3)], tmp_path / "report.html")
    for _ in range(2):
        store = start(tmp_path, lines(1, 2))
        store.finish(results)
        store.close("finished")
    reader = read(tmp_path)
    assert [(event.step, event.value) for event in reader.Scalars("final.val.map")] == [(2, 0.5)]
    (table,) = reader.Tensors("tags/text_summary")
    assert table.tensor_proto.string_val[0].decode().splitlines()[2] == "| c\\|d | 0.250 | 3 |"
    assert "_hparams_/experiment" in reader.Tags()["tensors"] or reader.summary_metadata.get("_hparams_/experiment")
