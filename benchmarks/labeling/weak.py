"""Weak labels on protocol B of MadeWithML: 50 labeling functions, 200 records with gold, no other hand label.

  python -m benchmarks.labeling.weak combine                 how good the targets are: ten draws of the 200
  python -m benchmarks.labeling.weak train --seeds 0 1 2     the network on the targets of each combiner
  python -m benchmarks.labeling.weak table

TAGNET_DATA names the data. The functions are in madewithml_functions.yaml, and learned besides from the 200 records.
Validation and test are the published ones, with their own tags. What was measured is not measured again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.quality.paired_table import gain
from benchmarks.quality.runs import has_result, keep, read_results, show, trained, values
from tagnet import train_config
from tagnet.atomic import write_json
from tagnet.data.prepare import Prepared, prepare
from tagnet.evaluation.metrics import overall_metrics
from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.evaluation.table_parts import new_table
from tagnet.labeling.weak.combine import COMBINERS, Combined, Gold, combine
from tagnet.labeling.weak.from_file import Setting, load_functions
from tagnet.labeling.weak.functions import Example
from tagnet.labeling.weak.models import Bounds, tfidf
from tagnet.labeling.weak.votes import collect_votes
from tagnet.records.sources import resolve_taxonomy
from tagnet.records.targets import write_targets
from tagnet.records.taxonomy import load_taxonomy

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
RECIPE = "experiment=madewithml_b"
EPOCHS = 4
"""Half of the recipe's, for time; the same for all arms."""
NUM_GOLD = 200
DRAWS = 10
METRICS = {"f1_macro": "macro F1", "map": "mAP", "f1_micro": "micro F1", "brier": "Brier"}
TESTED = {"f1_macro": "macro F1", "map": "mAP", "f1_weighted": "weighted F1"}
REFERENCES = {"gold_200": "the 200 records alone", "gold_all": "all 1,001 records, tags by hand"}


def targets(
    prepared: Prepared, seed: int, combiners: Sequence[str]
) -> tuple[dict[str, Combined], NDArray[np.int64], NDArray[np.int64]]:
    """What each combiner makes of a draw of gold; places of the gold records, and of the others, in the corpus."""
    corpus, train = prepared.corpus, prepared.split.train
    gold = np.sort(np.random.default_rng([seed, 7]).choice(len(train), NUM_GOLD, replace=False))
    others = np.setdiff1d(np.arange(len(train)), gold)
    tags, y_TK = corpus.label_space.tags, corpus.y_NK[train]
    texts = [prepared.texts[index] for index in train]
    taxonomy = load_taxonomy(resolve_taxonomy("madewithml"))
    setting = Setting(FOLDER, tags, taxonomy, ("title", "description"), "cpu")
    functions = load_functions(FOLDER / "madewithml_functions.yaml", setting)
    learned = [texts[place] for place in gold]
    functions += [
        tfidf("learned_words", learned, y_TK[gold], tags, Bounds(0.6, 0.25)),
        tfidf("learned_words_sure", learned, y_TK[gold], tags, Bounds(0.75, 0.1)),
    ]
    records = [corpus.records[index] for index in train]
    examples = [Example(each.id, each.fields, text) for each, text in zip(records, texts, strict=True)]
    votes = collect_votes(functions, examples, tags)
    known_TK = np.zeros(y_TK.shape, dtype=bool)
    known_TK[gold] = True
    given = Gold(np.where(known_TK, y_TK, 0).astype(np.uint8), known_TK)
    return {name: combine(name, votes, given, seed) for name in combiners}, train[gold], train[others]


def run_combine() -> None:
    """Measure the targets of the other 801 training records against their tags."""
    prepared = prepare(train_config(RECIPE))
    place = {index: row for row, index in enumerate(prepared.split.train.tolist())}
    for seed in range(DRAWS):
        missing = [name for name in COMBINERS if not has_result("weak_combine", RESULTS, combiner=name, seed=seed)]
        if not missing:
            continue
        found, _, others = targets(prepared, seed, missing)
        y_NK = prepared.corpus.y_NK[others]
        rows = [place[index] for index in others.tolist()]
        for name, combined in found.items():
            probs_NK = combined.probs_NK[rows]
            scores = overall_metrics(probs_NK, y_NK, probs_NK >= 0.5, ())
            entry = {"combiner": name, "seed": seed} | {metric: scores[metric] for metric in METRICS}
            keep("weak_combine", entry, ("combiner", "seed"), RESULTS)
            print(entry, file=sys.stderr, flush=True)


def run_train(seeds: Sequence[int], arms: Sequence[str], work: Path) -> None:
    """Train on the targets of each combiner, on the gold alone, and on all tags; the draw goes with the seed."""
    prepared = prepare(train_config(RECIPE))
    corpus, split = prepared.corpus, prepared.split
    tags = corpus.label_space.tags
    place = {index: row for row, index in enumerate(split.train.tolist())}
    for seed in seeds:
        missing = [arm for arm in arms if not has_result("weak_train", RESULTS, arm=arm, seed=seed)]
        if not missing:
            continue
        found, gold, others = targets(prepared, seed, [arm for arm in missing if arm in COMBINERS])
        for arm in missing:
            base = [
                RECIPE,
                f"run.seed={seed}",
                "logger=none",
                "evaluation.baselines=[]",
                f"trainer.max_epochs={EPOCHS}",
            ]
            if arm == "gold_200":
                sides = {"train": gold, "val": split.val, "test": split.test}
                ids = {side: [corpus.records[i].id for i in index] for side, index in sides.items()}
                file = work / f"gold-{seed}.json"
                write_json(file, ids)
                base += [f"split.file={file}", "split.key=null"]
            elif arm != "gold_all":
                rows, file = [place[i] for i in others.tolist()], work / f"{arm}-{seed}.jsonl"
                combined, ids_N = found[arm], [corpus.records[i].id for i in others.tolist()]
                write_targets(file, tags, ids_N, combined.probs_NK[rows], combined.known_NK[rows], {"combiner": arm})
                # The label space is the recipe's, though the tags of 801 records are no longer counted.
                base += [f"data.targets={file}", f"labels.include=[{','.join(tags)}]", "labels.min_count=10000"]
            metrics, seconds = trained(base, work / f"{arm}-{seed}")
            entry = {"arm": arm, "seed": seed, "seconds": seconds, "test": values(metrics["test"])}
            keep("weak_train", entry | {"val": values(metrics["val"])}, ("arm", "seed"), RESULTS)


def table(*, markdown: bool) -> None:
    """Both, against the default combiner."""
    combined = read_results("weak_combine", RESULTS)
    shown = new_table()
    for column in ("combiner", *METRICS.values()):
        shown.add_column(column, no_wrap=True)
    for name in COMBINERS:
        mine = [each for each in combined if each["combiner"] == name]
        shown.add_row(name, *(f"{np.mean([each[metric] for each in mine]):.3f}" for metric in METRICS))
    show(
        "Targets of 801 records against their tags", shown, f"Means of {DRAWS} draws of {NUM_GOLD}.", markdown=markdown
    )
    show(*_trained_table(), markdown=markdown)


def _trained_table() -> tuple[str, Table, str]:
    results = read_results("weak_train", RESULTS)
    shown = new_table()
    for column in ("trained on", "seeds", *TESTED.values()):
        shown.add_column(column, no_wrap=True)
    base = {each["seed"]: each["test"] for each in results if each["arm"] == "em"}
    for arm in (*COMBINERS, *REFERENCES):
        mine = {each["seed"]: each["test"] for each in results if each["arm"] == arm}
        if not mine:
            continue
        cells = []
        for metric in TESTED:
            mean = mean_of_repeats([test[metric] for test in mine.values()], 0.0).value
            pairs = [base[seed][metric] - mine[seed][metric] for seed in mine if seed in base]
            cells.append(f"{mean:.3f}" + ("" if arm == "em" or not pairs else f"; em {gain(pairs, 0.0)}"))
        shown.add_row(REFERENCES.get(arm, arm), str(len(mine)), *cells)
    note = "Means on the published test set. After the semicolon: what em gains over it, paired by seed, 95% interval."
    return "The network, trained on targets", shown, note


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("combine")
    train = commands.add_parser("train")
    train.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    train.add_argument("--arms", nargs="+", default=[*COMBINERS, *REFERENCES])
    train.add_argument("--work", type=Path, default=Path("runs/benchmarks/weak"))
    commands.add_parser("table").add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    if asked.command == "combine":
        run_combine()
    elif asked.command == "train":
        run_train(asked.seeds, asked.arms, asked.work)
    else:
        table(markdown=asked.markdown)


if __name__ == "__main__":
    main()
