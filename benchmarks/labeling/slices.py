"""Planted bad slices: labels of one region of MadeWithML are mixed up; is it among the first three that are found?

  python -m benchmarks.labeling.slices run       out-of-fold predictions once, then every region with every seed
  python -m benchmarks.labeling.slices table

TAGNET_DATA names the data. Records and tags are those of protocol B, all 1,439 of them; predictions are out of fold,
of TF-IDF and logistic regression, calibrated. A region is corrupted by giving each of its records the tags of another
record of the corpus, drawn at random. It is found when one of the first three slices lies in it: two thirds of the
slice's records and more are corrupted (of all records 4 to 20 of 100 are). It is matched when they share at least
half of their union (Jaccard ≥ .5); regions of 120 nearest records are not what any condition describes as a whole.
Data without a bad slice: labels are drawn from the predicted probabilities.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.runs import show
from tagnet import train_config
from tagnet.atomic import write_json
from tagnet.baselines.tfidf import TfidfBaseline
from tagnet.calibration.fit import fit_decision_rule
from tagnet.data.prepare import prepare
from tagnet.data.split import stratified_folds
from tagnet.evaluation.slices.features import Condition, automatic_conditions
from tagnet.evaluation.slices.judged import Judged
from tagnet.evaluation.slices.report import slice_report
from tagnet.evaluation.table_parts import new_table
from tagnet.records.plain_words import plain_words

RESULT = Path(__file__).parent / "results" / "slices.json"
FOLDS = 5
SEEDS, FEW_SEEDS = 20, 3
FDR = 0.1
REGIONS = ("word", "date", "length", "neighbours", "word and date")
FINDERS = ("lattice", "single", "tree", "sliceline")
Mask = NDArray[np.bool_]


def judged_records(seed: int = 0) -> Judged:
    """Protocol B's records with out-of-fold predictions; each fold's calibration comes from another fold."""
    config = train_config("experiment=madewithml_b", "loss=bce")
    corpus = prepare(config).corpus
    texts, y_NK, tags = corpus.texts(config.data.features), corpus.y_NK, corpus.label_space.tags
    fold_N = stratified_folds(y_NK, FOLDS, seed)
    probs_NK, accepted_NK = np.zeros(y_NK.shape), np.zeros(y_NK.shape, dtype=bool)
    for fold in range(FOLDS):
        train, val = (
            np.flatnonzero(~np.isin(fold_N, [fold, (fold + 1) % FOLDS])),
            np.flatnonzero(fold_N == (fold + 1) % FOLDS),
        )
        held = np.flatnonzero(fold_N == fold)
        model = TfidfBaseline("tfidf_logreg")
        model.fit([texts[i] for i in train], y_NK[train], tags, None, seed)
        logits_VK = model.scores([texts[i] for i in val]).astype(np.float32)
        rule = fit_decision_rule(tags, logits_VK, y_NK[val], config.calibrator, config.thresholds)
        probs_NK[held] = rule.probabilities(model.scores([texts[i] for i in held]).astype(np.float32))
        accepted_NK[held] = rule.accept(probs_NK[held])
    return Judged(
        tags,
        tuple(record.id for record in corpus.records),
        tuple(texts),
        tuple(record.fields for record in corpus.records),
        tuple(record.created_on for record in corpus.records),
        y_NK,
        probs_NK,
        accepted_NK,
    )


def regions(judged: Judged, kind: str, seed: int) -> Mask:
    """A region of 4 to 20 of 100 records, not taken from the conditions that the finder has."""
    generator = np.random.default_rng([seed, REGIONS.index(kind)])
    number = len(judged.ids)
    moment_N = np.array([date.timestamp() for date in judged.dates if date is not None])
    length_N = np.array([len(plain_words(text).split()) for text in judged.texts])
    words = [set(plain_words(text).split()) for text in judged.texts]
    if kind == "date":
        start = generator.uniform(0.0, 0.8)
        low, high = np.quantile(moment_N, [start, start + 0.2])
        return np.asarray((moment_N >= low) & (moment_N <= high))
    if kind == "length":
        return np.asarray(
            length_N <= np.quantile(length_N, 0.15) if seed % 2 else length_N >= np.quantile(length_N, 0.85)
        )
    if kind == "neighbours":
        return _neighbours(judged, int(generator.integers(number)), 120)
    counts: dict[str, int] = {}
    for each in words:
        for word in each:
            counts[word] = counts.get(word, 0) + 1
    low, high = (0.04, 0.15) if kind == "word" else (0.12, 0.4)
    usable = sorted(word for word, count in counts.items() if low * number <= count <= high * number and len(word) > 3)
    word = usable[int(generator.integers(len(usable)))]
    says_N = np.array([word in each for each in words])
    return says_N if kind == "word" else says_N & (moment_N >= np.median(moment_N))


def _neighbours(judged: Judged, centre: int, number: int) -> Mask:
    """The records whose embeddings are nearest to one record's."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    weights = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform(judged.texts)
    likeness_N = np.asarray((weights @ weights[centre].T).todense()).ravel()
    member_N = np.zeros(len(judged.ids), dtype=bool)
    member_N[np.argsort(-likeness_N, kind="stable")[:number]] = True
    return member_N


def corrupted(judged: Judged, region_N: Mask, seed: int) -> Judged:
    """The region's records with the tags of others."""
    y_NK = judged.y_NK.copy()
    inside = np.flatnonzero(region_N)
    y_NK[inside] = judged.y_NK[np.random.default_rng([seed, 99]).choice(len(y_NK), len(inside))]
    return replace(judged, y_NK=y_NK)


def as_predicted(judged: Judged, seed: int) -> Judged:
    """Labels drawn from the probabilities: wherever one looks, the model is as good as it thinks."""
    drawn_NK = np.random.default_rng([seed, 5]).random(judged.probs_NK.shape) < judged.probs_NK
    return replace(judged, y_NK=drawn_NK.astype(np.uint8))


def cases() -> Iterator[tuple[str, str, int]]:
    for finder in FINDERS:
        for seed in range(SEEDS if finder == "lattice" else FEW_SEEDS):
            for kind in (*REGIONS, "none"):
                yield finder, kind, seed


def run() -> None:
    """Every case that has no result yet."""
    import json

    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else []
    done = {(each["finder"], each["region"], each["seed"]) for each in results}
    judged = judged_records()
    # Tags are among what is corrupted, so that conditions are made anew for each case.
    for finder, kind, seed in cases():
        if (finder, kind, seed) in done:
            continue
        region_N = None if kind == "none" else regions(judged, kind, seed)
        seen = as_predicted(judged, seed) if region_N is None else corrupted(judged, region_N, seed)
        conditions = _conditions(seen)
        found = slice_report(seen, conditions, finder=finder, fdr=FDR, seed=seed)
        overlaps, shares = [], []
        for row in found.rows[:3]:
            if region_N is None:
                break
            inside = float((row.member_N & region_N).sum())
            overlaps.append(inside / float((row.member_N | region_N).sum()))
            shares.append(inside / row.size)
        entry = {
            "finder": finder,
            "region": kind,
            "seed": seed,
            "size": None if region_N is None else int(region_N.sum()),
            "overlap": max(overlaps, default=None),
            "share": max(shares, default=None),
            "first": found.rows[0].name,
            "num_bad": len(found.bad),
            "num_tested": found.num_tested,
        }
        results.append(entry)
        print(entry, file=sys.stderr, flush=True)
        write_json(RESULT, results)
    natural = slice_report(judged, _conditions(judged), fdr=FDR)
    print(f"without a planted slice, as they are: {len(natural.bad)} bad, {[row.name for row in natural.bad[:5]]}")


def _conditions(judged: Judged) -> list[Condition]:
    return automatic_conditions(judged)


def table(*, markdown: bool) -> None:
    """How often the planted region is among the first three."""
    import json

    results = json.loads(RESULT.read_text(encoding="utf-8"))
    shown = new_table()
    for column in ("finder", *REGIONS, "all", "without: runs with any called bad"):
        shown.add_column(column)
    for finder in FINDERS:
        cells, found, matched, total = [], 0, 0, 0
        for kind in REGIONS:
            mine = [each for each in results if each["finder"] == finder and each["region"] == kind]
            inside = sum(each["share"] >= 2 / 3 or each["overlap"] >= 0.5 for each in mine)
            same = sum(each["overlap"] >= 0.5 for each in mine)
            found, matched, total = found + inside, matched + same, total + len(mine)
            cells.append(f"{inside} ({same}) of {len(mine)}")
        null = [each for each in results if each["finder"] == finder and each["region"] == "none"]
        alarms = sum(each["num_bad"] > 0 for each in null)
        shown.add_row(finder, *cells, f"{found} ({matched}) of {total}", f"{alarms} of {len(null)}")
    show(
        "A planted slice is among the first three",
        shown,
        f"In brackets: matched. False discovery rate {FDR}.",
        markdown=markdown,
    )


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
