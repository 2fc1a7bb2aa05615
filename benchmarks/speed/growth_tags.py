"""How time and memory of each stage grow with the number of tags.

    python -m benchmarks.speed.growth_tags run [--tags 100 1000 10000 100000]
    python -m benchmarks.speed.growth_tags table        the table of docs/speed.md
    python -m benchmarks.speed.growth_tags plot         docs/images/speed_growth_tags.svg

Each stage of a cell runs in a process of its own, so that its peak memory is its own; none is run twice. The embedded
encoder, batches of 32 texts of MadeWithML ($TAGNET_DATA); tags by Zipf's law, five a record. Metrics: as many records
as tags, at least 10,000; their probabilities come from vectors, as a network's do. A hundred thousand tags take about
ten minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.runs import has_result, keep, read_results, show, with_table_command
from tagnet.evaluation.table_parts import new_table
from tagnet.records.sparse_labels import SparseLabels

NAME = "growth_tags"
RESULTS = Path(__file__).parent / "results"
PLOT = Path(__file__).parents[2] / "docs" / "images" / "speed_growth_tags.svg"
TAGS = (100, 1000, 10_000, 100_000)
STAGES = ("training step", "thresholds", "metrics")
_STEPS = 5
_VALIDATION = 1000
_WIDTH = 384


def drawn_labels(num_records: int, num_tags: int) -> SparseLabels:
    """Five tags a record, or fewer where one is drawn twice."""
    drawn = np.random.default_rng(0)
    edges = np.cumsum(1 / np.arange(1, num_tags + 1))
    columns = np.searchsorted(edges / edges[-1], drawn.random((num_records, 5)))
    return SparseLabels.from_lists((set(row) for row in columns.tolist()), num_tags)


def training_step(num_tags: int) -> float:
    """The median of steps on batches of 32, forward, backward, clipping and AdamW (unit: s)."""
    import torch

    from tagnet.cli.compose import train_config
    from tagnet.data.batches import Batch, plan_epoch
    from tagnet.data.datamodule import Targets
    from tagnet.data.padding import pad_sequences
    from tagnet.data.tokens import tokenize
    from tagnet.losses.registry import make_loss
    from tagnet.model.encoder import load_encoder
    from tagnet.model.network import TaggerNetwork
    from tagnet.model.seen_rows import train_seen_rows
    from tagnet.records.io import load_records
    from tagnet.training.module import TaggerModule
    from tagnet.training.optim import make_optimizer
    from tagnet.training.packing import rows_met
    from tagnet.training.pieces import choose_tags_at_once

    config = train_config("trainer=cpu", "trainer.batch_size=32", "model.head=linear", "run.dir=/tmp/unused")
    encoder = load_encoder(config.encoder)
    records = load_records("madewithml", {}, "error", ("title", "description")).records
    texts = [f"{record.fields['title']} {record.fields['description']}" for record in records]
    tokens = tokenize(encoder.tokenizer, texts, 256)
    labels = drawn_labels(len(texts), num_tags)
    network = TaggerNetwork(encoder, config.model, num_tags).train()
    network.packed = True
    train_seen_rows(network.encoder, rows_met(tokens, encoder.pad_id))
    loss = make_loss(config.loss, labels.counts_K(), len(texts))
    pieces = choose_tags_at_once(config.trainer, loss, num_tags)
    module = TaggerModule(network, loss, config.optim, _STEPS, 0, pieces or min(num_tags, 16_384))
    optimizer = make_optimizer(network, config.optim, "32-true")
    targets = Targets(labels)
    seconds = []
    for index in plan_epoch(tokens.lengths_N, np.arange(len(texts)), 32, 0, 0)[:_STEPS]:
        start = time.perf_counter()
        ids, mask = pad_sequences([tokens.sequences(i)[0] for i in index.tolist()], encoder.pad_id)
        targets_BK, _ = targets.of(index)
        batch = Batch(
            index_B=torch.from_numpy(index),
            input_ids_ST=torch.from_numpy(ids),
            mask_ST=torch.from_numpy(mask),
            text_of_S=None,
            targets_BK=torch.from_numpy(targets_BK),
            known_BK=None,
        )
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def thresholds(num_tags: int) -> float:
    """Calibration and thresholds on 1,000 validation records (unit: s)."""
    from tagnet.calibration.fit import fit_decision_rule
    from tagnet.cli.compose import train_config

    config = train_config("run.dir=/tmp/unused")
    y_VK = drawn_labels(_VALIDATION, num_tags).dense_NK()
    logits_VK = np.random.default_rng(1).standard_normal(y_VK.shape, dtype=np.float32)
    logits_VK += 4 * y_VK
    logits_VK -= 6
    tags = [f"tag-{number:06d}" for number in range(num_tags)]
    start = time.perf_counter()
    fit_decision_rule(tags, logits_VK, y_VK, config.calibrator, config.thresholds)
    return time.perf_counter() - start


def metrics(num_tags: int) -> float:
    """All metrics of as many records as tags, at least 10,000 (unit: s)."""
    from tagnet.evaluation.sparse_metrics import sparse_metrics

    num_records = max(10_000, num_tags)
    labels = drawn_labels(num_records, num_tags)
    drawn = np.random.default_rng(2)
    tags_KH = drawn.standard_normal((num_tags, _WIDTH), dtype=np.float32) / np.sqrt(np.float32(_WIDTH))
    texts_NH = 0.5 * drawn.standard_normal((num_records, _WIDTH), dtype=np.float32)
    np.add.at(texts_NH, labels.rows(), 3 * tags_KH[labels.tags])

    def probabilities_of(records: slice, tags: slice) -> Any:
        logits = texts_NH[records] @ tags_KH[tags].T
        logits -= 2
        return 1 / (1 + np.exp(-4 * logits, out=logits))

    start = time.perf_counter()
    found = sparse_metrics(probabilities_of, labels, np.full(num_tags, 0.5), [1, 5])
    seconds = time.perf_counter() - start
    print(f"    {num_records} records: F1 {found['f1_micro']:.3f}, mAP {found['map']:.3f}", file=sys.stderr, flush=True)
    return seconds


WORK = {"training step": training_step, "thresholds": thresholds, "metrics": metrics}


def run(numbers: Sequence[int]) -> None:
    """Run what is missing."""
    for number in numbers:
        for stage in STAGES:
            if has_result(NAME, RESULTS, tags=number, stage=stage):
                continue
            print(f"{number} tags: {stage}", file=sys.stderr, flush=True)
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.speed.growth_tags", "cell", stage, str(number)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            keep(NAME, json.loads(done.stdout.splitlines()[-1]), ("tags", "stage"), RESULTS)


def exponent(points: Sequence[tuple[int, float]]) -> str:
    """The slope of log seconds over log tags, between the last two cells."""
    if len(points) < 2:
        return "-"
    (x, y), (further, longer) = points[-2:]
    return f"{np.log(longer / y) / np.log(further / x):.2f}"


def points_of(results: Sequence[dict[str, Any]], stage: str) -> list[tuple[int, float]]:
    """Tags and seconds of a stage, ascending."""
    return sorted((each["tags"], each["seconds"]) for each in results if each["stage"] == stage)


def table(*, markdown: bool) -> None:
    """Seconds and peak memory of each stage, a column a number of tags."""
    results = read_results(NAME, RESULTS)
    numbers = sorted({each["tags"] for each in results})
    shown = new_table()
    shown.add_column("stage", no_wrap=True)
    for number in numbers:
        shown.add_column(f"{number:,} tags", justify="right")
    shown.add_column("last exponent", justify="right")
    for stage in STAGES:
        cells = []
        for number in numbers:
            found = [each for each in results if each["stage"] == stage and each["tags"] == number]
            cells.append(f"{found[0]['seconds']:.2f} s, {found[0]['peak_mb']:,.0f} MB" if found else "-")
        shown.add_row(stage, *cells, exponent(points_of(results, stage)))
    note = (
        "Each in a process of its own; memory is the most it had. A step: 32 texts, the embedded encoder. Thresholds: "
        "1,000 records. Metrics: as many records as tags, at least 10,000, so that the last column has a hundred times "
        "the cells of the one before. The exponent is that of the last two columns."
    )
    show("Growth with the number of tags", shown, note, markdown=markdown)


def plot() -> None:
    """Draw seconds over tags, both logarithmic."""
    from matplotlib.figure import Figure

    results = read_results(NAME, RESULTS)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for stage in STAGES:
        points = points_of(results, stage)
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=stage)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("tags")
    axes.set_ylabel("seconds")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run what is missing").add_argument(
        "--tags", type=int, nargs="+", default=list(TAGS)
    )
    cell = commands.add_parser("cell")
    cell.add_argument("stage", choices=STAGES)
    cell.add_argument("tags", type=int)
    with_table_command(commands)
    commands.add_parser("plot", help="draw the results so far")
    given = parser.parse_args()
    if given.command == "plot":
        plot()
        return
    if given.command == "cell":
        seconds = WORK[given.stage](given.tags)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            json.dumps({"tags": given.tags, "stage": given.stage, "seconds": round(seconds, 3), "peak_mb": round(peak)})
        )
        return
    if given.command == "run":
        run(given.tags)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
