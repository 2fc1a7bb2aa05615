"""Who judges the labels for `tagnet label audit`: the runs of a cross-validation, or learners that are trained here.

Shapes: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from tagnet.errors import ConfigError, LabelingError, nearest
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.records.record import Record
from tagnet.records.taxonomy import Taxonomy

LEARNERS = ("tfidf", "embeddings", "both")


@dataclass(frozen=True)
class Audit:
    """What is asked for, as the command line says it."""

    records: str
    crossval: Path | None
    learner: str | None
    budget: int
    kind: str
    ranker: str
    tags: tuple[str, ...]
    min_count: int
    folds: int
    seed: int
    taxonomy: str | None
    features: tuple[str, ...]
    columns: tuple[str, ...]
    device: str


@dataclass(frozen=True, eq=False)
class Judged:
    """What is said of the cells of N records, in their order."""

    tags: tuple[str, ...]
    probs_NK: NDArray[np.float64]
    """Calibrated, by models that did not see the record."""
    y_NK: NDArray[np.uint8]
    known_NK: NDArray[np.bool_]
    """Which cells are judged."""


def choose_learner(audit: Audit) -> str | None:
    """The learner; None where a cross-validation judges.

    Raises:
        ConfigError: both are given, or there is no such learner.
    """
    if audit.crossval is not None and audit.learner is not None:
        raise ConfigError("expected --crossval or --learner, found both")
    if audit.learner is not None and audit.learner not in LEARNERS:
        hint = nearest(audit.learner, LEARNERS)
        raise ConfigError(f"--learner: expected {', '.join(LEARNERS)}; found {audit.learner!r}{hint}")
    return None if audit.crossval is not None else audit.learner or "both"


def judge(
    audit: Audit,
    learner: str | None,
    rows: LabelledRows,
    records: Sequence[Record],
    features: Sequence[str],
    tree: Taxonomy | None,
    messages: Console,
) -> Judged:
    """Probabilities for the cells that are asked for.

    Raises:
        TagnetError: there is nothing to judge, or nobody who could.
    """
    if learner is None and audit.crossval is not None:
        found = _by_runs(audit.crossval, rows.source, records, tree, messages)
    else:
        found = _by_learners(audit, learner or "both", rows, records, features, tree, messages)
    for name in audit.tags:
        if name not in found.tags:
            hint = nearest(name, found.tags)
            raise ConfigError(f"--tag {name}: expected one of the {len(found.tags)} audited tags, found another{hint}")
    asked_K = np.asarray([not audit.tags or tag in audit.tags for tag in found.tags], dtype=bool)
    return replace(found, known_NK=found.known_NK & asked_K)


def _by_learners(
    audit: Audit,
    learner: str,
    rows: LabelledRows,
    records: Sequence[Record],
    features: Sequence[str],
    tree: Taxonomy | None,
    messages: Console,
) -> Judged:
    # Imported here, not above: Hydra and scikit-learn take seconds.
    from tagnet.cli.compose import train_config
    from tagnet.data.prepare import compared_texts
    from tagnet.records.corpus import prepare_corpus
    from tagnet.records.io import LoadedRecords
    from tagnet.workflows.cell_learners import CellLearner, EmbeddingDiscriminant, WordsAndTags
    from tagnet.workflows.out_of_fold import audit_folds, cross_fit

    config = train_config("run.dir=unused")
    labels = replace(config.labels, min_count=audit.min_count, untagged="negative")
    corpus = prepare_corpus(LoadedRecords(tuple(records), (), rows.fingerprint), tree, labels)
    similarity = config.split.duplicate_similarity
    fold_N = audit_folds(compared_texts(records, features), corpus.y_NK, audit.folds, audit.seed, similarity)
    texts = corpus.texts(features)
    learners: list[CellLearner] = []
    if learner != "embeddings":
        learners.append(WordsAndTags(texts))
    if learner != "tfidf":
        from tagnet.workflows.embed import embed_texts

        messages.print(Text(f"embeddings of {len(texts)} texts by {config.encoder}"), soft_wrap=True)
        learners.append(EmbeddingDiscriminant(embed_texts(texts, config, audit.device)))
    hidden = not messages.is_terminal
    with Progress(console=messages, transient=True, disable=hidden, redirect_stdout=False) as progress:
        task = progress.add_task("cross-fitting", total=None)
        probs_NK = cross_fit(
            learners,
            corpus.y_NK,
            fold_N,
            config.calibrator,
            audit.seed,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    return Judged(corpus.label_space.tags, probs_NK, corpus.y_NK, np.ones(corpus.y_NK.shape, dtype=bool))


def _by_runs(folder: Path, source: str, records: Sequence[Record], tree: Taxonomy | None, messages: Console) -> Judged:
    """Where the runs of a cross-validation tested a record, and were told the labels that it has now."""
    from tagnet.workflows.out_of_fold import from_crossval

    found = from_crossval(folder)
    row_of = {name: row for row, name in enumerate(found.ids)}
    row_N = np.asarray([row_of.get(str(record.id), -1) for record in records], dtype=np.int64)
    tested_N = row_N >= 0
    if not tested_N.any():
        raise LabelingError(
            f"--crossval {folder}: expected predictions of the records of {source}, found those of other records, "
            f"such as {found.ids[0]!r}"
        )
    y_NK = found.y_NK[row_N]
    same_NK = np.stack(
        [_as_told(record, told_K, found.tags, tree) for record, told_K in zip(records, y_NK, strict=True)]
    )
    changed = int((tested_N & ~same_NK.all(1)).sum())
    for count, what in (
        (len(records) - int(tested_N.sum()), "are not judged: no run tested them"),
        (changed, "have other tags than the runs were told: those tags are not judged"),
    ):
        if count:
            text = f"{count} of {len(records)} records {what}"
            messages.print(Text(text, style="yellow"), soft_wrap=True)
    return Judged(found.tags, found.probs_NK[row_N], y_NK, tested_N[:, None] & same_NK)


def _as_told(
    record: Record, told_K: NDArray[np.uint8], tags: Sequence[str], tree: Taxonomy | None
) -> NDArray[np.bool_]:
    """Tag by tag, whether the record has it now as the runs were told, by itself, an alias or a tag below it."""
    own = set(record.tags)
    most = set(own)
    if tree is not None:
        own |= set(tree.canonical(record.tags, resolve_aliases=True, add_parents=False)[0])
        most |= own | set(tree.canonical(record.tags, resolve_aliases=True, add_parents=True)[0])
    return np.asarray([tag in most if told else tag not in own for tag, told in zip(tags, told_K, strict=True)])
