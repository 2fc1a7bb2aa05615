"""How time and memory of each stage grow with the number of records.

    python -m benchmarks.speed.growth run [--records 10000 100000 1000000] [--tags 1000]
    python -m benchmarks.speed.growth table        the table of docs/speed.md
    python -m benchmarks.speed.growth plot         docs/images/speed_growth.svg

The stages of a cell run one after the other in a process of its own, as in a training: what one leaves in memory is
there in the next. A cell is never run twice. Records are resampled from the MadeWithML projects ($TAGNET_DATA): each
takes a real text, three in ten of its words replaced by words of other texts; one in fifty is an exact copy, one in
fifty differs from another by a word. Tags are drawn so that the common and the rare are as uneven as theirs. A million
records take about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.runs import has_result, keep, read_results, show, with_table_command
from tagnet.evaluation.table_parts import new_table

NAME = "growth"
RESULTS = Path(__file__).parent / "results"
PLOT = Path(__file__).parents[2] / "docs" / "images" / "speed_growth.svg"
RECORDS = (10_000, 100_000, 1_000_000)
STAGES = ("read", "duplicates", "split", "tokenise", "plan an epoch", "calibrate, thresholds", "metrics")
_TOGETHER = ("read", "split", "tokenise", "calibrate, thresholds")
"""What the bar adds up."""
_REPLACED, _COPIES, _NEAR = 0.3, 0.02, 0.02


def write_records(path: Path, number: int, num_tags: int) -> None:
    """Write resampled records as JSON Lines."""
    from tagnet.records.io import load_records
    from tagnet.records.sources import MADEWITHML

    real = load_records(MADEWITHML, {}, "error", ("title", "description")).records
    titles = [record.fields["title"].split() or ["untitled"] for record in real]
    bodies = [record.fields["description"].split() or ["nothing"] for record in real]
    vocabulary = np.array([word for words in bodies for word in words])
    drawn = np.random.default_rng(0)
    sizes = np.array([len(record.tags) for record in real])
    weights = 1 / np.arange(1, num_tags + 1)  # Zipf's law, which the 400 real tags follow over most of their range
    edges = np.cumsum(weights / weights.sum())
    before: list[tuple[str, str]] = []
    with path.open("w", encoding="utf-8") as stream:
        for place in range(number):
            source = int(drawn.integers(len(real)))
            kind = drawn.random()
            if before and kind < _COPIES + _NEAR:
                title, body = before[int(drawn.integers(len(before)))]
                if kind >= _COPIES:
                    body += " again"
            else:
                words = [*titles[source], *bodies[source]]
                for at in np.flatnonzero(drawn.random(len(words)) < _REPLACED).tolist():
                    words[at] = str(vocabulary[int(drawn.integers(len(vocabulary)))])
                cut = len(titles[source])
                title, body = " ".join(words[:cut]), " ".join(words[cut:])
                if len(before) < 1000:
                    before.append((title, body))
                else:
                    before[int(drawn.integers(1000))] = (title, body)
            tags = np.unique(np.searchsorted(edges, drawn.random(max(1, int(sizes[source])))))
            row = {
                "id": place,
                "title": title,
                "description": body,
                "tags": [f"tag-{tag:05d}" for tag in tags.tolist()],
            }
            stream.write(json.dumps(row) + "\n")


class Stages:
    """Times each stage, and the most memory that the process had until its end."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a stage."""
        start = time.perf_counter()
        result = work()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.found[name] = {"seconds": round(time.perf_counter() - start, 2), "peak_mb": round(peak)}
        print(f"  {name}: {self.found[name]}", file=sys.stderr, flush=True)
        return result


def run_cell(path: Path) -> dict[str, Any]:
    """All stages on a file of records."""
    from tagnet.calibration.fit import fit_decision_rule
    from tagnet.cli.compose import train_config
    from tagnet.data.batches import plan_epoch
    from tagnet.data.duplicates import duplicate_groups
    from tagnet.data.prepare import compared_texts
    from tagnet.data.split import make_split
    from tagnet.data.tokens import render_texts, tokenize
    from tagnet.evaluation.metrics import overall_metrics
    from tagnet.model.encoder import load_encoder
    from tagnet.records.corpus import prepare_corpus
    from tagnet.records.io import load_records
    from tagnet.records.record import text_template

    config = train_config(f"data.records={path}", "data.taxonomy=null", "labels.min_count=1", "run.dir=/tmp/unused")
    tokenizer = load_encoder(config.encoder).tokenizer
    stages, data = Stages(), config.data

    def read() -> Any:
        loaded = load_records(data.records, data.columns, data.on_invalid, data.features)
        return prepare_corpus(loaded, None, config.labels)

    corpus = stages.run("read", read)
    groups = stages.run(
        "duplicates",
        lambda: duplicate_groups(compared_texts(corpus.records, data.features), config.split.duplicate_similarity),
    )
    split, _ = stages.run("split", lambda: make_split(corpus, groups, config.split, 0))

    def tokens_of() -> Any:
        rows = [record.fields for record in corpus.records]
        texts = render_texts(tokenizer, text_template(data.features), rows, {})
        return tokenize(tokenizer, texts, 256)

    tokens = stages.run("tokenise", tokens_of)
    stages.run("plan an epoch", lambda: plan_epoch(tokens.lengths_N, split.train, 32, 0, 0))
    y_VK = corpus.labels.take(split.val).dense_NK()
    drawn = np.random.default_rng(0)
    logits_VK = drawn.standard_normal(y_VK.shape, dtype=np.float32)
    logits_VK += 4 * y_VK - 5
    rule = stages.run(
        "calibrate, thresholds",
        lambda: fit_decision_rule(corpus.label_space.tags, logits_VK, y_VK, config.calibrator, config.thresholds),
    )

    def metrics() -> Any:
        # As many records as fit: the report's metrics look at all cells at once.
        some = slice(0, max(1, min(len(y_VK), 20_000_000 // y_VK.shape[1])))
        probs_VK = rule.probabilities(logits_VK[some])
        return overall_metrics(probs_VK, y_VK[some], rule.accept(probs_VK), config.evaluation.at_k)

    if y_VK.size <= 20_000_000:
        stages.run("metrics", metrics)
    sizes = {side: len(index) for side, index in split.sides().items()}
    return {"stages": stages.found, "sides": sizes, "groups": int(groups.max()) + 1, "tags": len(corpus.label_space)}


def run(numbers: Sequence[int], num_tags: int, work: Path) -> None:
    """Run the cells that are missing."""
    work.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        if has_result(NAME, RESULTS, records=number, asked_tags=num_tags):
            continue
        path = work / f"records-{number}-{num_tags}.jsonl"
        if not path.exists():
            print(f"writing {path}", file=sys.stderr, flush=True)
            write_records(path.with_suffix(".part"), number, num_tags)
            path.with_suffix(".part").rename(path)
        print(f"{number} records, {num_tags} tags", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.speed.growth", "cell", str(path)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        entry = {"records": number, "asked_tags": num_tags, **json.loads(done.stdout.splitlines()[-1])}
        keep(NAME, entry, ("records", "asked_tags"), RESULTS)


def exponent(entries: Sequence[dict[str, Any]], stage: str) -> float | None:
    """The slope of log seconds over log records, by least squares; None: less than two cells, or nothing to time."""
    points = [
        (each["records"], each["stages"][stage]["seconds"])
        for each in entries
        if each["stages"].get(stage, {}).get("seconds", 0) >= 0.05
    ]
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])


def table(*, markdown: bool) -> None:
    """Seconds and peak memory of each stage, a column a number of records."""
    results = sorted(read_results(NAME, RESULTS), key=lambda each: each["records"])
    shown = new_table()
    shown.add_column("stage", no_wrap=True)
    for each in results:
        shown.add_column(f"{each['records']:,} records", justify="right")
    shown.add_column("exponent", justify="right")
    for stage in STAGES:
        cells = []
        for each in results:
            found = each["stages"].get(stage)
            cells.append("-" if found is None else f"{found['seconds']:.2f} s, {found['peak_mb']:,.0f} MB")
        slope = exponent(results, stage)
        shown.add_row(stage, *cells, "-" if slope is None else f"{slope:.2f}")
    sums = [sum(each["stages"][stage]["seconds"] for stage in _TOGETHER) for each in results]
    shown.add_row(f"together ({' + '.join(_TOGETHER)})", *(f"{each:.0f} s" for each in sums), "")
    note = (
        "Each stage in the process of those before it; memory is the most that the process had by then. 1,000 tags. "
        "The exponent is the slope of log seconds over log records, of times from 0.05 s on."
    )
    show("Growth with the number of records", shown, note, markdown=markdown)


def plot() -> None:
    """Draw seconds over records, both logarithmic."""
    from matplotlib.figure import Figure

    results = sorted(read_results(NAME, RESULTS), key=lambda each: each["records"])
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for stage in STAGES:
        points = [(each["records"], each["stages"][stage]["seconds"]) for each in results if stage in each["stages"]]
        slope = exponent(results, stage)
        label = stage if slope is None else f"{stage} (n^{slope:.2f})"
        axes.plot([x for x, _ in points], [max(y, 0.001) for _, y in points], marker="o", label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("records")
    axes.set_ylabel("seconds")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run the cells that are missing")
    running.add_argument("--records", type=int, nargs="+", default=list(RECORDS))
    running.add_argument("--tags", type=int, default=1000)
    running.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "tagnet-growth")
    commands.add_parser("cell").add_argument("path", type=Path)
    with_table_command(commands)
    commands.add_parser("plot", help="draw the results so far")
    given = parser.parse_args()
    if given.command == "plot":
        plot()
        return
    if given.command == "cell":
        print(json.dumps(run_cell(given.path)))
        return
    if given.command == "run":
        run(given.records, given.tags, given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
