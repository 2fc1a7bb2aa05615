"""Which labels are wrong: how many of the first 200 ranked cells are ones that were flipped, beside cleanlab.

  python -m benchmarks.labeling.audit choose                        rankers and learners, on flips of their own seeds
  python -m benchmarks.labeling.audit run                           the default beside cleanlab, ten seeds, two corpora
  python -m benchmarks.labeling.audit read --corpus protocol_b      what is suspect in the labels as they are
  python -m benchmarks.labeling.audit read --corpus protocol_b --seed 0      the first 200 that no flip explains
  python -m benchmarks.labeling.audit table                         the tables of docs/label_audit.md

2% of all cells of MadeWithML, a record and a tag each, are drawn at random and flipped. Seeds from 100 on choose,
seeds from 0 on measure. Results are kept one by one, so that a benchmark that was stopped goes on.
TAGNET_DATA names the data.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.labeling.audit_results import has_result, keep, read_verdicts
from benchmarks.labeling.audit_tables import print_tables
from benchmarks.quality.runs import with_table_command
from tagnet.cli.compose import train_config
from tagnet.data.prepare import compared_texts
from tagnet.labeling.audit import RANKERS, Ranking, rank_cells
from tagnet.records.corpus import Corpus, prepare_corpus
from tagnet.records.io import load_records
from tagnet.records.sources import resolve_taxonomy
from tagnet.records.taxonomy import load_taxonomy
from tagnet.workflows.cell_learners import SHRINKAGE, TAG_SIZE, CellLearner, EmbeddingDiscriminant, WordsAndTags
from tagnet.workflows.embed import embed_texts
from tagnet.workflows.out_of_fold import audit_folds, cross_fit

CORPORA: Mapping[str, tuple[str, ...]] = {
    "protocol_b": ("experiment=madewithml_b",),
    "untagged": ("experiment=madewithml_b", "labels.untagged=negative"),
}
"""The records and tags of protocol B; and the same tags with all records, also those that bear none of them."""
RATE = 0.02
BUDGET = 200
FOLDS = 5
MEASURED, CHOSEN_ON = range(10), range(100, 105)
RANKERS_TRIED = tuple(name for name in RANKERS if name != "cleanlab")


class Data:
    """One corpus."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.config = train_config(*CORPORA[name], "run.dir=unused")
        data = self.config.data
        loaded = load_records(data.records, data.columns, data.on_invalid, data.features)
        taxonomy = load_taxonomy(resolve_taxonomy(data.taxonomy or ""))
        self.corpus: Corpus = prepare_corpus(loaded, taxonomy, self.config.labels)
        self.texts = self.corpus.texts(data.features)
        self.tags = self.corpus.label_space.tags
        self.y_NK = self.corpus.y_NK

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """By the embedded encoder."""
        return embed_texts(self.texts, self.config)

    def learners(self, name: str) -> list[CellLearner]:
        """Those of a name."""
        sizes = {
            "tag size 0.2": 0.2,
            "tag size 0.5": 0.5,
            "tfidf without other tags": 0.0,
            "both without other tags": 0.0,
        }
        shrinkages = {"shrinkage 0.5": 0.5, "shrinkage 0.95": 0.95}
        learners: list[CellLearner] = []
        if name != "embeddings":
            learners.append(WordsAndTags(self.texts, sizes.get(name, TAG_SIZE)))
        if not name.startswith("tfidf"):
            learners.append(EmbeddingDiscriminant(self.embeddings, shrinkages.get(name, SHRINKAGE)))
        return learners

    def probabilities(self, learner: str, y_NK: NDArray[np.uint8], seed: int) -> NDArray[np.float64]:
        """Out of fold, as the command makes them."""
        similarity = self.config.split.duplicate_similarity
        fold_N = audit_folds(
            compared_texts(self.corpus.records, self.config.data.features), y_NK, FOLDS, seed, similarity
        )
        return cross_fit(self.learners(learner), y_NK, fold_N, self.config.calibrator, seed)


def flip(y_NK: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The labels with 2% of the cells flipped, and which."""
    chosen = np.random.default_rng([seed, 2]).permutation(y_NK.size)[: round(RATE * y_NK.size)]
    flipped_NK = np.isin(np.arange(y_NK.size), chosen).reshape(y_NK.shape)
    return np.where(flipped_NK, 1 - y_NK, y_NK).astype(np.uint8), flipped_NK


def cleanlab_probabilities(data: Data, inputs: str, y_NK: NDArray[np.uint8], seed: int) -> NDArray[np.float64]:
    """Out of sample as cleanlab's documentation has it: its own cross-validation of one-vs-rest classifiers."""
    from cleanlab.internal.multilabel_scorer import get_cross_validated_multilabel_pred_probs
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold
    from sklearn.multiclass import OneVsRestClassifier

    inputs_NF = data.embeddings if inputs == "embeddings" else TfidfVectorizer().fit_transform(data.texts)
    classifier = OneVsRestClassifier(LogisticRegression(max_iter=1000))
    cut = KFold(FOLDS, shuffle=True, random_state=seed)
    return np.asarray(get_cross_validated_multilabel_pred_probs(inputs_NF, y_NK, clf=classifier, cv=cut))


def measure(ranking: Callable[[str], Ranking], flipped_NK: NDArray[np.bool_]) -> dict[str, float]:
    """Flips among the first 200 of both kinds together, and of each by itself."""
    found: dict[str, float] = {}
    for kind in ("both", "spurious", "missing"):
        ranked = ranking(kind)
        found[kind] = float(flipped_NK[ranked.rows_C, ranked.columns_C].mean())
    return found


def choose(corpora: Sequence[str], seeds: Sequence[int]) -> None:
    """Measure every ranker on the default learners, and other learners with the default ranker."""
    others = ("tfidf", "embeddings", "tfidf without other tags", "both without other tags")
    sizes = ("tag size 0.2", "tag size 0.5", "shrinkage 0.5", "shrinkage 0.95")
    for corpus in corpora:
        data = Data(corpus)
        for seed in seeds:
            for learner in ("both", *others, *sizes):
                rankers = RANKERS_TRIED if learner == "both" else ("probability",)
                _measure_ours(data, learner, rankers, seed, "choose")


def run(corpora: Sequence[str], seeds: Sequence[int]) -> None:
    """Measure the default and cleanlab."""
    for corpus in corpora:
        data = Data(corpus)
        for seed in seeds:
            _measure_ours(data, "both", ("probability", "cleanlab"), seed, "run")
            _measure_ours(data, "tfidf", ("probability",), seed, "run")
            for inputs in ("tfidf", "embeddings"):
                place: dict[str, Any] = {
                    "part": "run",
                    "corpus": corpus,
                    "seed": seed,
                    "learner": f"cleanlab, {inputs}",
                }
                if has_result(**place, ranker="cleanlab"):
                    continue
                y_NK, flipped_NK = flip(data.y_NK, seed)
                probs_NK = cleanlab_probabilities(data, inputs, y_NK, seed)
                _keep(place, "cleanlab", probs_NK, y_NK, flipped_NK, seed)


def _measure_ours(data: Data, learner: str, rankers: Sequence[str], seed: int, part: str) -> None:
    place: dict[str, Any] = {"part": part, "corpus": data.name, "seed": seed, "learner": learner}
    missing = [ranker for ranker in rankers if not has_result(**place, ranker=ranker)]
    if not missing:
        return
    y_NK, flipped_NK = flip(data.y_NK, seed)
    probs_NK = data.probabilities(learner, y_NK, seed)
    for ranker in missing:
        _keep(place, ranker, probs_NK, y_NK, flipped_NK, seed)


def _keep(
    place: Mapping[str, Any],
    ranker: str,
    probs_NK: NDArray[np.float64],
    y_NK: NDArray[np.uint8],
    flipped_NK: NDArray[np.bool_],
    seed: int,
) -> None:
    def ranking(kind: Any) -> Ranking:
        return rank_cells(probs_NK, y_NK, ranker=ranker, kind=kind, budget=BUDGET, seed=seed)

    sizes = {"records": len(y_NK), "tags": y_NK.shape[1], "flips": int(flipped_NK.sum())}
    removed = int((flipped_NK & (y_NK == 0)).sum())
    found = measure(ranking, flipped_NK)
    keep({**place, "ranker": ranker, **sizes, "removed": removed, **found})
    print(f"{place} {ranker}: {found}", file=sys.stderr, flush=True)


def read(corpus: str, seed: int | None, budget: int) -> None:
    """Print cells to judge: of the labels as they are, both kinds; or those of the first 200 that are no flips."""
    data = Data(corpus)
    y_NK, flipped_NK = (data.y_NK, np.zeros(data.y_NK.shape, dtype=bool)) if seed is None else flip(data.y_NK, seed)
    probs_NK = data.probabilities("both", y_NK, seed or 0)
    lists = [("both", BUDGET)] if seed is not None else [("missing", budget), ("spurious", budget)]
    for kind, length in lists:
        found = rank_cells(probs_NK, y_NK, kind=kind, budget=length, seed=seed or 0)  # type: ignore[arg-type]
        for place, (row, column) in enumerate(zip(found.rows_C, found.columns_C, strict=True), 1):
            if flipped_NK[row, column]:
                continue
            record = data.corpus.records[row]
            asked = "missing" if found.missing_C[place - 1] else "spurious"
            borne = ", ".join(data.tags[k] for k in np.flatnonzero(y_NK[row]))
            print(f"{place} {asked} {data.tags[column]} p={probs_NK[row, column]:.3f} id={record.id} [{borne}]")
            print(f"    {' '.join(data.texts[row].split())[:400]}")


def table(*, markdown: bool) -> None:
    """Print all that was measured, chosen and read."""
    print_tables(read_verdicts(), markdown=markdown)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, corpora, seeds in (("choose", ["protocol_b"], CHOSEN_ON), ("run", list(CORPORA), MEASURED)):
        command = commands.add_parser(name)
        command.add_argument("--corpora", nargs="+", default=corpora, choices=list(CORPORA))
        command.add_argument("--seeds", nargs="+", type=int, default=list(seeds))
    reading = commands.add_parser("read", help="print cells to judge")
    reading.add_argument("--corpus", default="protocol_b", choices=list(CORPORA))
    reading.add_argument("--seed", type=int, help="flip first, and print what is no flip")
    reading.add_argument("--budget", type=int, default=25, help="cells of each kind")
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "choose":
        choose(given.corpora, given.seeds)
    elif given.command == "run":
        run(given.corpora, given.seeds)
    elif given.command == "read":
        read(given.corpus, given.seed, given.budget)
    else:
        table(markdown=given.markdown)


if __name__ == "__main__":
    main()
