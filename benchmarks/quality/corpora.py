"""The default recipe, untouched, on several corpora, beside TF-IDF with tuned linear models on the same splits.

  python -m benchmarks.quality.corpora run                          every corpus
  python -m benchmarks.quality.corpora run --corpora madewithml --seeds 0 1
  python -m benchmarks.quality.corpora table                        the table of docs/quality.md

A seed draws a fresh stratified split. GoEmotions has the published one, and its recipe is the default one: its runs are
taken over where --work is where benchmarks.quality.published put them. The n-grams, C and class weights of the linear
models are chosen by validation mAP. TAGNET_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.quality.paired_table import gain
from benchmarks.quality.runs import has_result, intervals, keep, read_results, show, trained, values, with_table_command
from benchmarks.quality.tuned_tfidf import Grid, tuned_tfidf
from tagnet.atomic import write_text
from tagnet.calibration.fit import fit_decision_rule
from tagnet.cli.compose import train_config
from tagnet.data.prepare import prepare
from tagnet.evaluation.metrics import overall_metrics
from tagnet.evaluation.table_parts import new_table
from tagnet.records.io import load_records

NAME = "corpora"
METRICS = {"map": "mAP", "f1_macro": "macro F1", "f1_weighted": "weighted F1"}
FEW = 3000


class CorpusRun(NamedTuple):
    """A corpus, and how often."""

    words: Callable[[Path], Sequence[str]]
    """What tells the default recipe to read it, given a folder for files."""
    seeds: Sequence[int]
    test_to_train: float
    """Test records by training records, where seeds draw splits; 0 where all have the same."""
    grid: Grid


def few_emotions(work: Path) -> Sequence[str]:
    """3,000 comments of GoEmotions without the neutral label: about a third bear no label at all."""
    path = work / "few_emotions.jsonl"
    if not path.is_file():
        records = load_records("goemotions", {}, "error", ["text"]).records
        chosen = np.sort(np.random.default_rng(0).permutation(len(records))[:FEW])
        lines = (
            json.dumps({"id": records[i].id, "text": records[i].fields["text"], "tags": list(records[i].tags)})
            for i in chosen
        )
        write_text(path, "\n".join(lines) + "\n")
    return [
        f"data.records={path}",
        "data.taxonomy=null",
        "data.features=[text]",
        "labels.exclude=[neutral]",
        "labels.untagged=negative",
    ]


CORPORA: Mapping[str, CorpusRun] = {
    "embedded": CorpusRun(lambda _: [], range(3), 0.15 / 0.7, Grid()),
    "madewithml": CorpusRun(lambda _: ["data=madewithml"], range(10), 0.15 / 0.7, Grid()),
    "few_emotions": CorpusRun(few_emotions, range(3), 0.15 / 0.7, Grid()),
    "goemotions": CorpusRun(lambda _: ["experiment=goemotions"], range(1, 2), 0.0, Grid(((1, 2),), (0.1, 1.0, 10.0))),
}


def run(corpora: Sequence[str], seeds: Sequence[int] | None, work: Path) -> None:
    """Train what is missing, and tune the linear models beside it."""
    work.mkdir(parents=True, exist_ok=True)
    for corpus in corpora:
        recipe = CORPORA[corpus]
        for seed in recipe.seeds if seeds is None else seeds:
            if has_result(NAME, corpus=corpus, seed=seed):
                continue
            words = [*recipe.words(work), f"run.seed={seed}", "logger=none"]
            metrics, seconds = trained(words, work / f"{corpus}-{seed}")
            config = train_config(*words, f"run.dir={work / f'{corpus}-{seed}'}")
            prepared = prepare(config)
            split, y_NK, tags = prepared.split, prepared.corpus.y_NK, prepared.corpus.label_space.tags
            tuned = tuned_tfidf(prepared.texts, y_NK, split.train, split.val, split.test, recipe.grid)
            rule = fit_decision_rule(
                tags, tuned.scores_NK[split.val], y_NK[split.val], config.calibrator, config.thresholds
            )
            probs_NK = rule.probabilities(tuned.scores_NK[split.test])
            entry = {
                "corpus": corpus,
                "seed": seed,
                "seconds": seconds,
                "records": {side: len(index) for side, index in split.sides().items()},
                "tags": len(tags),
                "untagged": float(1 - y_NK.any(axis=1).mean()),
                "collapsed": metrics["collapsed"],
                "test": values(metrics["test"]),
                "test_intervals": intervals(metrics["test"]),
                "baselines": {name: values(sides["test"]) for name, sides in metrics["baselines"].items()},
                "tuned_tfidf": overall_metrics(probs_NK, y_NK[split.test], rule.accept(probs_NK), at_k=(1,)),
                "tuned_choice": tuned.choice,
            }
            keep(NAME, entry, ("corpus", "seed"))


def table(*, markdown: bool) -> None:
    """The default recipe, and its gain over each baseline, split by split."""
    results = read_results(NAME)
    shown = new_table()
    for column in ("corpus", "records, tags", "runs", "", *METRICS.values()):
        shown.add_column(column, no_wrap=True)
    for corpus, recipe in CORPORA.items():
        mine = [each for each in results if each["corpus"] == corpus]
        if not mine:
            continue
        size = f"{sum(mine[0]['records'].values())}, {mine[0]['tags']}"
        rows = {"default recipe": [each["test"] for each in mine]}
        others = {"tuned TF-IDF": [each["tuned_tfidf"] for each in mine]}
        others |= {name: [each["baselines"][name] for each in mine] for name in ("tfidf_logreg", "tfidf_svm")}
        for name, scores in rows.items():
            means = [f"{np.mean([each[metric] for each in scores]):.3f}" for metric in METRICS]
            shown.add_row(corpus, size, str(len(mine)), name, *means)
        for name, scores in others.items():
            cells = []
            for metric in METRICS:
                gains = [a["test"][metric] - b[metric] for a, b in zip(mine, scores, strict=True)]
                cells.append(gain(gains, recipe.test_to_train))
            shown.add_row("", "", "", f"over {name}", *cells)
        collapsed = sum(each["collapsed"] for each in mine)
        shown.add_row("", "", "", f"collapsed: {collapsed}", *[""] * len(METRICS))
    note = "Test records; means over runs. Gains are paired, with 95% intervals corrected for shared training records."
    show("The default recipe, untouched", shown, note, markdown=markdown)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what is missing")
    running.add_argument("--corpora", nargs="*", default=list(CORPORA), choices=list(CORPORA))
    running.add_argument("--seeds", type=int, nargs="+", default=None)
    running.add_argument("--work", type=Path, default=Path("runs/corpora"))
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        run(given.corpora, given.seeds, given.work.resolve())
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
