"""What finished networks bring together, or beside others, on the study's runs of the recipe of protocol B.

  python -m benchmarks.quality.study run --pairs 5 --arms base
  python -m benchmarks.quality.combinations run              train another seed on each fold, and measure
  python -m benchmarks.quality.combinations table            the table of docs/quality.md

Of each fold, validation and test records (no network learned from either) are cut in two at random, six times; weights,
calibration and thresholds are fitted on one half and measured on the other, and differences paired cut by cut.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit

from benchmarks.quality.arms import BASE
from benchmarks.quality.paired_table import paired_table
from benchmarks.quality.runs import keep, read_results, show, trained, with_table_command
from benchmarks.quality.study import FOLDS, RECIPE, TEST_TO_TRAIN, arm_folder
from benchmarks.quality.tuned_tfidf import Grid, tuned_tfidf
from tagnet.bundle import load_network, read_bundle
from tagnet.calibration.fit import fit_decision_rule
from tagnet.cli.compose import train_config
from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared, prepare
from tagnet.data.tokens import tokenize
from tagnet.evaluation.metrics import overall_metrics
from tagnet.model.encoder import load_encoder
from tagnet.prediction.inference import compute_embeddings, compute_logits
from tagnet.training.lexical import fit_weights

NAME = "combinations"
ONE = "one network"
SECOND_SEED = "another seed"
MEMBERS = (100,)
"""Seeds of the further networks, fold by fold added to the fold's own."""
SEEDS = len(MEMBERS) + 1
NEIGHBOURS = 16
METRICS = {"map": "mAP", "f1_macro": "macro F1", "f1_weighted": "weighted F1", "ece": "ECE"}
CUTS = 6
Logits = NDArray[np.float32]


def run(work: Path) -> None:
    """Train what is missing, and measure every combination on every cut of every fold."""
    for fold in range(FOLDS):
        folders = [arm_folder(work, BASE) / f"{fold}"]
        for member in MEMBERS:
            folders.append(arm_folder(work, f"member {member}") / f"{fold}")
            # The seed draws the folds, too: other seeds take the split that the first has left.
            same_split = ("split=iterative", f"split.file={folders[0].resolve() / 'split.json'}", "split.key=null")
            recipe = [word for word in RECIPE if not word.startswith("split")]
            trained([*recipe, *same_split, f"run.seed={fold + member}"], folders[-1])
        config = train_config(*RECIPE, f"split.fold={fold}", f"run.seed={fold}", f"run.dir={folders[0]}")
        prepared = prepare(config)
        unseen = np.concatenate([prepared.split.val, prepared.split.test])
        y_UK, tags = prepared.corpus.y_NK[unseen], prepared.corpus.label_space.tags
        found = together(config, prepared, folders, unseen)
        for cut in range(CUTS):
            one, other = np.array_split(np.random.default_rng([fold, cut]).permutation(len(unseen)), 2)
            for name, (logits_UK, beside_UK) in found.items():
                combined_UK = logits_UK
                if beside_UK is not None:
                    weight, _ = fit_weights(logits_UK[one], beside_UK[one], np.zeros_like(y_UK[one]), y_UK[one], seed=0)
                    combined_UK = logits_UK + weight * beside_UK
                rule = fit_decision_rule(tags, combined_UK[one], y_UK[one], config.calibrator, config.thresholds)
                probs_UK = rule.probabilities(combined_UK[other])
                scores = overall_metrics(probs_UK, y_UK[other], rule.accept(probs_UK), at_k=(1,))
                entry = {"part": name, "fold": fold, "cut": cut} | {metric: scores[metric] for metric in METRICS}
                keep(NAME, entry, ("part", "fold", "cut"))


def together(
    config: TrainConfig, prepared: Prepared, folders: list[Path], unseen: NDArray[np.int64]
) -> dict[str, tuple[Logits, Logits | None]]:
    """Name → logits of the unseen records, and what is weighed beside them."""
    encoder = load_encoder(config.encoder)
    tokens = tokenize(encoder.tokenizer, prepared.texts, encoder.max_tokens)
    networks = [load_network(read_bundle(folder / "bundle")) for folder in folders]
    logits = [compute_logits(each, tokens.take(unseen), encoder.pad_id, batch_size=64) for each in networks]
    embeddings_NH = compute_embeddings(networks[0], tokens, encoder.pad_id, batch_size=64)
    split, y_NK = prepared.split, prepared.corpus.y_NK
    neighbours_UK = neighbour_log_odds(embeddings_NH[unseen], embeddings_NH[split.train], y_NK[split.train])
    tuned = tuned_tfidf(prepared.texts, y_NK, split.train, split.val, split.test, Grid(strengths=(1.0,)))
    with torch.no_grad():
        others = [dict(each.named_parameters()) for each in networks]
        for name, parameter in networks[0].named_parameters():
            if not name.startswith("lexical"):
                parameter.copy_(torch.stack([each[name] for each in others]).mean(0))
    soup_UK = compute_logits(networks[0], tokens.take(unseen), encoder.pad_id, batch_size=64)
    return {
        ONE: (logits[0], None),
        SECOND_SEED: (logits[1], None),
        f"ensemble of {SEEDS} seeds": (np.mean(logits, axis=0), None),
        f"soup of {SEEDS} seeds": (soup_UK, None),
        "tuned TF-IDF beside it": (logits[0], tuned.scores_NK[unseen].astype(np.float32)),
        f"{NEIGHBOURS} neighbours beside it": (logits[0], neighbours_UK),
        "parents at least as likely as children": (at_least_children(logits[0], prepared), None),
    }


def neighbour_log_odds(queries_UH: Logits, train_MH: Logits, y_MK: NDArray[np.uint8]) -> Logits:
    """Log-odds of each tag among the nearest training records, weighted by their cosine; a prior record among them."""
    queries, train = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries_UH, train_MH))
    cosine_UM = queries @ train.T
    nearest_UI = np.argsort(-cosine_UM, axis=1)[:, :NEIGHBOURS]
    weights_UI = np.exp(10 * np.take_along_axis(cosine_UM, nearest_UI, axis=1))
    weights_UI /= weights_UI.sum(1, keepdims=True)
    shares_UK = (np.einsum("ui,uik->uk", weights_UI, y_MK[nearest_UI]) * NEIGHBOURS + y_MK.mean(0)) / (NEIGHBOURS + 1)
    odds_UK: Logits = logit(np.clip(shares_UK, 1e-4, 1 - 1e-4)).astype(np.float32)
    return odds_UK


def at_least_children(logits_UK: Logits, prepared: Prepared) -> Logits:
    """Logits with those of tags raised to the highest of the tags below them."""
    raised_UK = logits_UK.copy()
    for parent, child in parents_and_children(prepared):
        raised_UK[:, parent] = np.maximum(raised_UK[:, parent], logits_UK[:, child])
    return raised_UK


def parents_and_children(prepared: Prepared) -> Iterator[tuple[int, int]]:
    """Columns of the label space of which the first's tag stands above the second's in the taxonomy."""
    tags, taxonomy = prepared.corpus.label_space.tags, prepared.corpus.taxonomy
    column = {tag: k for k, tag in enumerate(tags)}
    for child in tags:
        for parent in taxonomy.ancestors(child) if taxonomy is not None else ():
            if parent in column:
                yield column[parent], column[child]


def table(*, markdown: bool) -> None:
    """Every combination against one network, paired."""
    results = read_results(NAME)
    parts = list(dict.fromkeys([ONE, *(each["part"] for each in results)]))
    shown = paired_table(results, parts, ("fold", "cut"), METRICS, TEST_TO_TRAIN)
    cuts = sum(each["part"] == ONE for each in results)
    note = (
        f"{cuts} cuts of {FOLDS} folds, inside protocol B's train and validation. First row: means; the others: "
        "differences from it, cut by cut, with 95% intervals corrected for shared records."
    )
    show("Networks together, and others beside them", shown, note, markdown=markdown)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what is missing, and measure")
    running.add_argument("--work", type=Path, default=Path("runs/quality"))
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        run(given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
