"""`tagnet drift`: new records against those of the training, and whether it is time to label again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.cli.predict import parse_columns
from tagnet.errors import ConfigError

if TYPE_CHECKING:
    from tagnet.evaluation.drift import DriftReport, Sample
    from tagnet.prediction.tagger import Tagger
    from tagnet.records.record import Record


def run(
    folder: Path,
    records: str,
    reference: str | None,
    *,
    training: str | None,
    level: float,
    gate: bool,
    output: Path | None,
    columns: tuple[str, ...],
    device: str,
    seed: int,
) -> None:
    """Run the command.

    Raises:
        ConfigError: a bundle without reference records.
        Exit: with 1, when it is time to label again and the gate is asked for.
    """
    require_extra("train", "drift")
    from tagnet.atomic import write_json
    from tagnet.evaluation.drift import drift_report
    from tagnet.prediction.tagger import Tagger
    from tagnet.records.io import AS_FLAGS, load_records
    from tagnet.workflows.judged_records import is_run

    messages, results = message_console(), result_console()
    speak_to(messages)
    tagger = Tagger.load(folder / "bundle" if is_run(folder) else folder, device)
    features = tagger.bundle.text.features
    asked = parse_columns(columns)
    new = load_records(records, asked, "error", features, need_tags=False, hints=AS_FLAGS).records
    learned: tuple[str, ...] | None = None
    held = None
    if is_run(folder):
        held, learned = _of_run(folder, training)
    elif training is not None:
        raise ConfigError(f"--training: expected a run, whose records they were, found the bundle {folder}")
    if reference is not None:
        old = load_records(reference, asked, "error", features, need_tags=False, hints=AS_FLAGS).records
        held = _sample(tagger, old)
    if held is None:
        raise ConfigError(f"--reference: expected records to hold new ones against, for {folder} is a bundle")
    with messages.status("looking at records"):
        fresh = _sample(tagger, new)
        if min(len(held.texts), len(fresh.texts)) < 2:
            raise ConfigError(f"expected two records and more on each side, found {len(held.texts)} and {len(new)}")
        found = drift_report(held, fresh, tags=tagger.tags, training_texts=learned, level=level, seed=seed)
    _show(found, results)
    if output is not None:
        plain = {
            "reference": found.num_reference,
            "new": found.num_new,
            "level": found.level,
            "label_again": found.label_again,
            "tests": [asdict(test) for test in found.tests],
        }
        write_json(output, plain)
    if gate and found.label_again:
        raise typer.Exit(1)


def _sample(tagger: Tagger, records: tuple[Record, ...]) -> Sample:
    from tagnet.evaluation.drift import Sample
    from tagnet.prediction.evaluate import labels_of

    y_NK = labels_of(tagger.bundle, records) if records and all(record.tags for record in records) else None
    return Sample(tuple(tagger.texts(records)), tagger.probabilities(records), y_NK)


def _of_run(folder: Path, records: str | None) -> tuple[Sample, tuple[str, ...] | None]:
    """A run's validation and test records, which it was not trained on, and the texts that it was."""
    import numpy as np

    from tagnet.evaluation.drift import Sample
    from tagnet.workflows.judged_records import judged_records

    val = judged_records(folder, records, {}, side="val", option="--training")
    sides = [val.judged]
    if (folder / "metrics.json").is_file() and '"test"' in (folder / "metrics.json").read_text(encoding="utf-8"):
        sides.append(judged_records(folder, records, {}, side="test", option="--training").judged)
    texts = tuple(text for side in sides for text in side.texts)
    probs_NK = np.concatenate([side.probs_NK for side in sides])
    return Sample(texts, probs_NK, np.concatenate([side.y_NK for side in sides])), val.training_texts


def _show(found: DriftReport, results: Console) -> None:
    from tagnet.evaluation.table_parts import new_table, titled

    table = new_table()
    for column in ("", "then", "now", "what", "p"):
        table.add_column(column, justify="left" if column in ("", "what") else "right", no_wrap=column != "what")
    for test in found.tests:
        marked = "bold red" if test in found.drifted else ""
        p = f"{test.p_corrected:.3f}" if test.p_corrected >= 0.001 else "< .001"
        table.add_row(Text(test.view, style=marked), f"{test.reference:.3g}", f"{test.new:.3g}", test.unit, p)
    note = f"p after Holm's correction; false alarms at a rate of {found.level:g}."
    results.print(titled(f"{found.num_new} new records against {found.num_reference}", table, note))
    for test in found.drifted:
        if test.examples:
            results.print(Text(f"{test.view}: {', '.join(test.examples)}"), soft_wrap=True)
    if found.label_again:
        views = ", ".join(test.view for test in found.drifted)
        results.print(Text(f"It is time to label again: {views} differ.", style="bold red"), soft_wrap=True)
    elif found.drifted:
        results.print(Text("Lengths differ alone; look at the texts before anything is labelled."), soft_wrap=True)
    else:
        results.print(Text("No drift is seen.", style="green"))
