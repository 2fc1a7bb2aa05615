"""Drift: false alarms on records of one time, and what real changes are seen.

  python -m benchmarks.labeling.drift run
  python -m benchmarks.labeling.drift table

TAGNET_DATA names the data. The records of MadeWithML with text are split at random (no drift: 100 times); the newest
quarter is held against records of the first half; GoEmotions' comments, and half a sample of these, against MadeWithML.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.runs import show
from tagnet.atomic import write_json
from tagnet.evaluation.drift import Sample, drift_report
from tagnet.evaluation.table_parts import new_table
from tagnet.records.io import load_records
from tagnet.records.record import Record, render, text_template

RESULT = Path(__file__).parent / "results" / "drift.json"
CASES = {"none": 100, "newest quarter": 20, "a tenth from GoEmotions": 20, "GoEmotions": 5}
NUMBER = 300
VIEWS = ("lengths", "texts", "vocabulary")


def texts_of(records: Sequence[Record], features: Sequence[str]) -> list[str]:
    return [render(text_template(features), record.fields) for record in records]


def cases(case: str, made: Sequence[str], order: NDArray[np.int64], emotions: Sequence[str]) -> Iterator[list[str]]:
    """Reference, new and training texts; `made` is in the order of dates, `order` a permutation of it."""
    if case == "newest quarter":
        old = order[order < len(made) // 2]
        new = order[order >= 3 * len(made) // 4]
    else:
        old, new = order[: len(order) // 2], order[len(order) // 2 :]
    yield [made[i] for i in old[:NUMBER]]
    kept = {"GoEmotions": 0, "a tenth from GoEmotions": NUMBER * 9 // 10}.get(case, NUMBER)
    yield [made[i] for i in new[:kept]] + list(emotions[: NUMBER - kept])
    yield [made[i] for i in old[NUMBER:]]


def run() -> None:
    """Every case that has no result yet."""
    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else []
    done = {(each["case"], each["seed"]) for each in results}
    records = load_records("madewithml", {}, "skip", ("title", "description")).records
    dated = sorted(records, key=lambda record: (record.created_on is None, record.created_on))
    made = texts_of(dated, ("title", "description"))
    emotions = texts_of(load_records("goemotions", {}, "skip", ("text",)).records, ("text",))
    for case, number in CASES.items():
        for seed in range(number):
            if (case, seed) in done:
                continue
            generator = np.random.default_rng([seed, list(CASES).index(case)])
            others = [emotions[i] for i in generator.choice(len(emotions), NUMBER, replace=False)]
            old, new, training = cases(case, made, generator.permutation(len(made)), others)
            report = drift_report(Sample(tuple(old)), Sample(tuple(new)), training_texts=training, seed=seed)
            seen = [test.view for test in report.drifted]
            distances = {test.view: test.distance for test in report.tests}
            results.append({"case": case, "seed": seed, "seen": seen, "label": report.label_again, **distances})
            write_json(RESULT, results)
        print(case, "done", file=sys.stderr, flush=True)


def table(*, markdown: bool) -> None:
    """How often each view speaks."""
    results = json.loads(RESULT.read_text(encoding="utf-8"))
    shown = new_table()
    for column in ("new records", "drawn", *VIEWS, "time to label again"):
        shown.add_column(column)
    for case in CASES:
        mine = [each for each in results if each["case"] == case]
        if mine:
            seen = [f"{sum(view in each['seen'] for each in mine)}" for view in VIEWS]
            shown.add_row(case, str(len(mine)), *seen, str(sum(each["label"] for each in mine)))
    note = f"{NUMBER} records on each side; level .05 over all views."
    show("How often drift is seen", shown, note, markdown=markdown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run")
    commands.add_parser("table").add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    if asked.command == "run":
        run()
    else:
        table(markdown=asked.markdown)


if __name__ == "__main__":
    main()
