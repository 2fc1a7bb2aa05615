"""How time and memory of each stage grow with the number of records.

    python -m benchmarks.speed.growth run [--records 10000 100000 1000000] [--tags 1000]
    python -m benchmarks.speed.growth table        the table of docs/speed_growth.md
    python -m benchmarks.speed.growth plot         docs/images/growth_records.svg

The stages of a cell run one after the other in a process of its own, as in a training: what one leaves in memory is
there in the next. A cell is never run twice. Records are those of `resampled`. A million records take about ten
minutes.
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
from benchmarks.speed.resampled import write_records
from tagnet.evaluation.table_parts import new_table
from tagnet.records.sparse_labels import SparseLabels

NAME = "growth"
RESULTS = Path(__file__).parent / "results"
PLOT = Path(__file__).parents[2] / "docs" / "images" / "growth_records.svg"
RECORDS = (10_000, 100_000, 1_000_000)
STAGES = ("read", "duplicates", "split", "tokenise", "plan an epoch", "calibrate, thresholds", "metrics", "report")
TOGETHER = ("read", "duplicates", "split", "tokenise", "calibrate, thresholds")
"""What a training does before its first step, and the decision rule after its last."""
_PACKAGE_RECORDS = 10_000
"""The iterative-stratification package splits no more: its time grows with the cells of a matrix times the tags."""
_REPORT_CELLS = 20_000_000
"""The report draws its resamples from whole matrices in float64; larger ones would not fit beside the rest."""
_RESAMPLES = 20


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
    from tagnet.calibration.rule import probabilities_of
    from tagnet.cli.compose import train_config
    from tagnet.data.batches import plan_epoch
    from tagnet.data.duplicates import duplicate_groups
    from tagnet.data.prepare import compared_texts
    from tagnet.data.split import make_split
    from tagnet.data.tokens import render_texts, tokenize
    from tagnet.evaluation.intervals import bootstrap
    from tagnet.evaluation.per_tag import per_tag_table
    from tagnet.evaluation.sparse_metrics import sparse_metrics
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
    labels_V = corpus.labels.take(split.val)
    y_VK = labels_V.dense_NK()
    drawn = np.random.default_rng(0)
    logits_VK = drawn.standard_normal(y_VK.shape, dtype=np.float32)
    for rows in np.array_split(np.arange(len(y_VK)), max(1, y_VK.size // 2**24)):
        logits_VK[rows] += 4 * y_VK[rows] - np.float32(5)
    tags = corpus.label_space.tags
    rule = stages.run(
        "calibrate, thresholds",
        lambda: fit_decision_rule(tags, logits_VK, y_VK, config.calibrator, config.thresholds),
    )

    def probabilities(records: slice, tags: slice) -> Any:
        logits = logits_VK[records, tags].astype(np.float64)
        return probabilities_of(logits, rule.scale, rule.offsets_K[tags])

    stages.run("metrics", lambda: sparse_metrics(probabilities, labels_V, rule.thresholds_K, config.evaluation.at_k))

    def report() -> Any:
        probs_VK = rule.probabilities(logits_VK)
        accepted_VK = rule.accept(probs_VK)
        result = bootstrap(
            probs_VK, y_VK, accepted_VK, samples=_RESAMPLES, confidence=0.95, seed=0, at_k=config.evaluation.at_k
        )
        train_counts_K = corpus.labels.take(split.train).counts_K()
        return per_tag_table(tags, probs_VK, y_VK, accepted_VK, rule.thresholds_K, train_counts_K, result)

    if y_VK.size <= _REPORT_CELLS:
        stages.run("report", report)
    found = {"stages": stages.found, "groups": int(groups.max()) + 1, "tags": len(tags)}
    found["sides"] = {side: len(index) for side, index in split.sides().items()}
    if len(corpus.records) <= _PACKAGE_RECORDS:
        found["package"] = against_the_package(corpus.labels)
    return found


def against_the_package(labels: SparseLabels) -> dict[str, Any]:
    """Our dealing and the iterative-stratification package's, of the same records with the same random numbers."""
    from iterstrat.ml_stratifiers import IterativeStratification

    from tagnet.data.deal import deal
    from tagnet.data.sides import Split, split_quality

    shares_P, y_NK = np.array([0.7, 0.15, 0.15]), labels.dense_NK()
    start = time.perf_counter()
    ours_N = deal(labels, shares_P, np.random.RandomState(0))
    between = time.perf_counter()
    theirs_N = IterativeStratification(y_NK.astype(bool), shares_P.copy(), np.random.RandomState(0))
    end = time.perf_counter()
    return {
        "ours": {"seconds": round(between - start, 2), "quality": split_quality(y_NK, Split.from_parts(ours_N))},
        "package": {"seconds": round(end - between, 2), "quality": split_quality(y_NK, Split.from_parts(theirs_N))},
        "same": int((ours_N == theirs_N).sum()),
    }


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
    sums = [sum(each["stages"][stage]["seconds"] for stage in TOGETHER) for each in results]
    peaks = [each["stages"][TOGETHER[-1]]["peak_mb"] for each in results]
    shown.add_row(
        "together, but for the epoch", *(f"{s:.0f} s, {mb:,} MB" for s, mb in zip(sums, peaks, strict=True)), ""
    )
    notes = [
        "Each stage in the process of those before it; memory is the most that the process had by then. 1,000 tags. "
        "The exponent is the slope of log seconds over log records, of times from 0.05 s on. The report draws "
        f"{_RESAMPLES} resamples, of at most {_REPORT_CELLS // 10**6} million cells. Thresholds, metrics and report "
        "are those of validation, 15% of the records."
    ]
    for each in results:
        if "package" in each:
            ours, theirs = each["package"]["ours"], each["package"]["package"]
            notes.append(
                f"Of {each['records']:,} records, dealt with the same random numbers, {each['package']['same']:,} go "
                f"where the iterative-stratification package puts them: ours takes {ours['seconds']:.2f} s, the "
                f"package {theirs['seconds']:.2f} s, and the quality is {ours['quality']:.3f} and "
                f"{theirs['quality']:.3f}, where 0 is even."
            )
    show("Growth with the number of records", shown, "\n\n".join(notes), markdown=markdown)


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
