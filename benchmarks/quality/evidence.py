"""What words and names of tags bring beside the encoder, on the logits of the study's runs without them.

  python -m benchmarks.quality.study run --pairs 5 --arms "lexical evidence: none"
  python -m benchmarks.quality.evidence run                  measure the parts on their logits
  python -m benchmarks.quality.evidence table                the table of docs/quality.md

Of each run, validation and test records (its network learned from neither) are cut in two at random, six times;
weights, calibration and thresholds are fitted on one half and measured on the other, and differences paired cut by cut.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.quality.paired_table import paired_table
from benchmarks.quality.runs import keep, read_results, show, with_table_command
from benchmarks.quality.study import FOLDS, RECIPE, TEST_TO_TRAIN, arm_folder
from tagnet.calibration.fit import fit_decision_rule
from tagnet.cli.compose import train_config
from tagnet.data.prepare import prepare
from tagnet.data.tokens import tokenize
from tagnet.evaluation.metrics import overall_metrics
from tagnet.model.encoder import load_encoder
from tagnet.model.lexical import LexicalEvidence
from tagnet.records.tag_names import names_of_tags
from tagnet.training.lexical import evidence_of_texts, fit_weights, fit_words, with_names
from tagnet.workflows.finished_run import read_finished_run

NAME = "evidence"
WITHOUT = "lexical evidence: none"
PARTS = ("encoder alone", "with names", "with words", "with both", "words and names alone")
METRICS = {"map": "mAP", "f1_macro": "macro F1", "f1_weighted": "weighted F1", "ece": "ECE"}
CUTS = 6


def run(work: Path) -> None:
    """Measure every part on every cut of every run."""
    for pair in range(FOLDS):
        folder = arm_folder(work, WITHOUT) / f"{pair}"
        config = train_config(*RECIPE, f"split.fold={pair}", f"run.seed={pair}", f"run.dir={folder}")
        prepared = prepare(config)
        corpus, split = prepared.corpus, prepared.split
        tags, y_NK = corpus.label_space.tags, corpus.y_NK
        encoder = load_encoder(config.encoder)
        tokens = tokenize(encoder.tokenizer, prepared.texts, encoder.max_tokens)
        weights = with_names(
            fit_words(tokens, split.train, y_NK, encoder.tokenizer, pair),
            names_of_tags(tags, corpus.taxonomy),
            encoder.tokenizer,
        )
        words_NK, names_NK = evidence_of_texts(LexicalEvidence(weights), tokens, encoder.pad_id, 64)
        logits_NK = np.zeros(y_NK.shape, dtype=np.float32)
        place = {str(record.id): row for row, record in enumerate(corpus.records)}
        for side in ("val", "test"):
            found = read_finished_run(folder, side)
            logits_NK[[place[str(each)] for each in found.ids]] = found.logits_NK
        unseen = np.concatenate([split.val, split.test])
        for cut in range(CUTS):
            one, other = np.array_split(np.random.default_rng([pair, cut]).permutation(unseen), 2)
            zero_NK = np.zeros_like(words_NK)
            inputs = {
                "encoder alone": (logits_NK, zero_NK, zero_NK),
                "with names": (logits_NK, zero_NK, names_NK),
                "with words": (logits_NK, words_NK, zero_NK),
                "with both": (logits_NK, words_NK, names_NK),
                "words and names alone": (words_NK, zero_NK, names_NK),
            }
            for part, (base_NK, word_NK, name_NK) in inputs.items():
                word, name = fit_weights(base_NK[one], word_NK[one], name_NK[one], y_NK[one], seed=0)
                all_NK = base_NK + word * word_NK + name * name_NK
                rule = fit_decision_rule(tags, all_NK[one], y_NK[one], config.calibrator, config.thresholds)
                probs_NK = rule.probabilities(all_NK[other])
                scores = overall_metrics(probs_NK, y_NK[other], rule.accept(probs_NK), at_k=(1,))
                entry = {"part": part, "pair": pair, "cut": cut} | {metric: scores[metric] for metric in METRICS}
                keep(NAME, entry, ("part", "pair", "cut"))


def table(*, markdown: bool) -> None:
    """Every part against the encoder alone, paired."""
    results = read_results(NAME)
    shown = paired_table(results, PARTS, ("pair", "cut"), METRICS, TEST_TO_TRAIN)
    cuts = sum(each["part"] == PARTS[0] for each in results)
    note = (
        f"{cuts} cuts of {FOLDS} runs, inside protocol B's train and validation. First row: means; the others: "
        "differences from it, cut by cut, with 95% intervals corrected for shared records."
    )
    show("Lexical evidence beside the encoder", shown, note, markdown=markdown)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="measure")
    running.add_argument("--work", type=Path, default=Path("runs/quality"))
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        run(given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
