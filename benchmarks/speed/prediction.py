"""Prediction throughput: transformers' pipeline, bare onnxruntime, and tagnet's exports, on the same records.

    python -m benchmarks.speed.prediction run BUNDLE [--rounds 5] [--threads 2]
    python -m benchmarks.speed.prediction table      the table of docs/speed.md
    python -m benchmarks.speed.prediction plot       docs/images/speed_prediction.svg

BUNDLE is one of protocol B (`tagnet train experiment=madewithml_b`). The 2,032 projects of MadeWithML ($TAGNET_DATA),
from texts to probabilities, tokenizing included. In every round each contender runs once, one after the other, in one
process; ratios are taken round by round. The pipeline has batches of 32, as have the bare loop's, which sorts all texts
by length beforehand. A round takes about two minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.quality.runs import has_result, keep, read_results, show, with_table_command
from benchmarks.speed.training import spread
from tagnet.evaluation.table_parts import new_table

NAME = "prediction"
RESULTS = Path(__file__).parent / "results"
PLOT = Path(__file__).parents[2] / "docs" / "images" / "speed_prediction.svg"
BATCH = 32
WORDS = {
    "pipeline": "transformers pipeline",
    "bare": "bare onnxruntime, sorted",
    "onnx": "tagnet, onnx",
    "int8": "tagnet, onnx-int8",
}


def _pipeline(threads: int) -> Callable[[list[str]], Any]:
    import torch
    from transformers import pipeline

    from benchmarks.speed.contenders import classifier

    torch.set_num_threads(threads)
    model, tokenizer = classifier(num_tags=34)
    tagged = pipeline(
        "text-classification",
        model=model,
        tokenizer=tokenizer,
        function_to_apply="sigmoid",
        top_k=None,
        device="cpu",
    )
    return lambda texts: tagged(texts, batch_size=BATCH, truncation=True, max_length=256)


def _bare(folder: Path, threads: int) -> Callable[[list[str]], Any]:
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()

    def run(texts: list[str]) -> Any:
        encoded = sorted((each.ids for each in tokenizer.encode_batch(texts)), key=len)
        found = []
        for first in range(0, len(encoded), BATCH):
            batch = encoded[first : first + BATCH]
            ids = np.zeros((len(batch), len(batch[-1])), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, each in enumerate(batch):
                ids[row, : len(each)], mask[row, : len(each)] = each, 1
            found.append(session.run(["probabilities"], {"input_ids": ids, "attention_mask": mask}))
        return found

    return run


def _tagnet(folder: Path, threads: int) -> Callable[[list[str]], Any]:
    from tagnet.prediction.onnx_tagger import OnnxTagger

    tagger = OnnxTagger.load(folder, threads=threads)
    return lambda texts: tagger.probabilities(texts, batch_size=BATCH)


def run(bundle: Path, rounds: int, threads: int, work: Path) -> None:
    """Run what is missing."""
    from tagnet.cli.export import run as export
    from tagnet.records.io import load_records

    if all(has_result(NAME, RESULTS, round=number) for number in range(rounds)):
        return
    for target in ("onnx", "onnx-int8"):
        if not (work / target).exists():
            export(bundle, target, work / target, records=None, columns=[])
    records = load_records("madewithml", {}, "error", ("title", "description")).records
    texts = [f"{record.fields['title']} {record.fields['description']}" for record in records]
    contenders = {
        "pipeline": _pipeline(threads),
        "bare": _bare(work / "onnx", threads),
        "onnx": _tagnet(work / "onnx", threads),
        "int8": _tagnet(work / "onnx-int8", threads),
    }
    for contender in contenders.values():
        contender(texts[: 2 * BATCH])
    for number in range(rounds):
        if has_result(NAME, RESULTS, round=number):
            continue
        entry: dict[str, Any] = {"round": number, "threads": threads, "records": len(texts)}
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender(texts)
            entry[name] = round(len(texts) / (time.perf_counter() - start), 1)
            print(f"round {number}: {name} {entry[name]} records a second", file=sys.stderr, flush=True)
        keep(NAME, entry, ("round",), RESULTS)


def table(*, markdown: bool) -> None:
    """Medians over rounds, and the spread of the ratios."""
    results = read_results(NAME, RESULTS)
    shown = new_table()
    for column in ("contender", "records a second", "times pipeline", "times bare onnxruntime", "times our float32"):
        shown.add_column(column)
    for name, words in WORDS.items():
        ratios = [[each[name] / each[other] for each in results] for other in ("pipeline", "bare", "onnx")]
        shown.add_row(words, spread([each[name] for each in results], 0), *(spread(each) for each in ratios))
    threads = results[0]["threads"] if results else 0
    note = f"Medians over {len(results)} rounds, least and greatest in brackets; {threads} threads, batches of 32."
    show("Prediction throughput", shown, note, markdown=markdown)


def plot() -> None:
    """Draw records a second."""
    from matplotlib.figure import Figure

    results = read_results(NAME, RESULTS)
    values = [[each[name] for each in results] for name in WORDS]
    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(list(WORDS.values()), [median(each) for each in values], color="#4477aa")
    for row, each in enumerate(values):
        axes.plot([min(each), max(each)], [row, row], color="black", linewidth=1)
    axes.set_xlabel("records a second")
    axes.spines[["top", "right"]].set_visible(False)
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run what is missing")
    running.add_argument("bundle", type=Path)
    running.add_argument("--rounds", type=int, default=5)
    running.add_argument("--threads", type=int, default=2)
    running.add_argument("--work", type=Path, default=Path("runs/prediction"))
    with_table_command(commands)
    commands.add_parser("plot", help="draw the results so far")
    given = parser.parse_args(arguments)
    if given.command == "plot":
        plot()
        return
    if given.command == "run":
        run(given.bundle, given.rounds, given.threads, given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
