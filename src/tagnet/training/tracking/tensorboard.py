"""TensorBoard: event files in RUN/tensorboard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tagnet.training.tracking.tracker import Fact, Line, Results, Side, Status, last_steps

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class TensorBoardStore:
    """Curves in a file for each start, whose first event tells readers to forget the later steps of those before.

    Settings and results have files of their own, which are written anew. Settings are a text; results are scalars, a
    table of tags, and TensorBoard's HParams, which hold settings against results over many runs.
    """

    tool = "tensorboard"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._facts: Mapping[str, Fact] = {}
        self._curves: SummaryWriter | None = None

    def open(self, facts: Mapping[str, Fact]) -> None:
        """Write the settings."""
        self._facts = facts
        with self._anew(".settings") as writer:
            writer.add_text("settings", _as_code(json.dumps(facts, indent=1, ensure_ascii=False)), 0)

    def resume(self, lines: Sequence[Line]) -> Mapping[Side, int]:
        """Cut off the steps that are not in metrics.jsonl; those that are have been flushed before it had them."""
        from torch.utils.tensorboard import SummaryWriter

        held = last_steps(lines)
        later = max(held.values(), default=0) + 1
        self._curves = SummaryWriter(self._folder, purge_step=later, filename_suffix=".curves")
        return held

    def send(self, lines: Sequence[Line]) -> None:
        """Write the lines through to the disk."""
        assert self._curves is not None
        for line in lines:
            for name, value in line.values.items():
                self._curves.add_scalar(name, value, line.step, walltime=line.time)
        self._curves.flush()

    def finish(self, results: Results) -> None:
        """Write the results."""
        from torch.utils.tensorboard.summary import hparams

        rows = [f"| {_in_cell(tag)} | {f1:.3f} | {support} |" for tag, f1, support in results.tags]
        settings = {k: v if isinstance(v, str | int | float) else json.dumps(v) for k, v in self._facts.items()}
        with self._anew(".results") as writer:
            for name, value in results.metrics.items():
                writer.add_scalar(name, value, results.step)
            table = "\n".join(["| tag | F1 | records |", "|---|---|---|", *rows])
            writer.add_text("tags", table, results.step)
            writer.add_text("report", _as_code(str(results.report)), results.step)
            for summary in hparams(settings, dict(results.metrics)):  # type: ignore[no-untyped-call]
                writer.file_writer.add_summary(summary, results.step)

    def close(self, status: Status) -> None:
        """Close the curves."""
        if self._curves is not None:
            self._curves.close()

    def _anew(self, suffix: str) -> SummaryWriter:
        """A writer whose file replaces the one with this suffix."""
        # Only now: where boto3 is installed TensorBoard imports that too, which takes half a second.
        from torch.utils.tensorboard import SummaryWriter

        for stale in self._folder.glob(f"*{suffix}"):
            stale.unlink()
        return SummaryWriter(self._folder, filename_suffix=suffix)


def _as_code(text: str) -> str:
    """Text that TensorBoard, which takes it for Markdown, shows as it stands."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
