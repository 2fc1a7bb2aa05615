"""Who learns in a simulation: a linear head on the encoder's embeddings in a second, or the network itself in a minute.

Legend: N records of the corpus, L labelled records, K tags, D width, E members of an ensemble.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tagnet.atomic import write_json
from tagnet.calibration.fit import fit_decision_rule
from tagnet.config import CalibratorConfig, IterativeSplitConfig, ThresholdsConfig, TrainConfig
from tagnet.data.stratify import stratify
from tagnet.data.tokens import render_texts, tokenize
from tagnet.labeling.query.strategies import Needs
from tagnet.model.encoder import load_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.inference import compute_embeddings
from tagnet.prediction.tagger import Tagger
from tagnet.records.record import Record, text_template
from tagnet.training.fit import fit

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

FOLDS = 5
MEMBERS = 5
"""Heads of an ensemble; bootstraps of the labelled records."""
NETWORKS = 3
"""Networks of an ensemble, the one that judges among them; seeds."""
VAL_SHARE = 0.2
"""Of the labelled records, the share that the network is calibrated on."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What a model that saw the labelled records makes of all."""

    probs_NK: Floats
    """Calibrated probabilities."""
    thresholds_K: Floats
    embeddings_ND: NDArray[np.floating] | None
    """Where they were asked for."""
    members_ENK: Floats | None
    """The probabilities of an ensemble, where it was asked for."""


class Learner(Protocol):
    """Learns from labelled records of one corpus."""

    def learn(self, labelled: Rows, test: Rows, seed: int, *, needs: Collection[Needs], place: str) -> Learned:
        """Learn from some records, and judge all.

        Args:
            labelled: (L,), the rows whose tags may be looked at.
            test: the rows that judge, for a learner that wants to name them apart; their tags are not looked at.
            seed: of whatever is random.
            needs: what the strategy reads beside probabilities.
            place: a name for this state, under which work may be kept.
        """
        ...


@dataclass(frozen=True, eq=False)
class HeadLearner:
    """Logistic regression of each tag on embeddings of length 1.

    Out of fold, the labelled records calibrate it and set its thresholds; the members of an ensemble learn from
    bootstrap samples of them.
    """

    embeddings_ND: NDArray[np.floating]
    y_NK: NDArray[np.uint8]
    calibrator: CalibratorConfig
    thresholds: ThresholdsConfig
    inverse_penalty: float = 10.0

    def learn(self, labelled: Rows, test: Rows, seed: int, *, needs: Collection[Needs], place: str) -> Learned:
        """See `Learner`."""
        y_LK = self.y_NK[labelled]
        rng = np.random.default_rng([seed, len(labelled)])
        folds = min(FOLDS, len(labelled))
        fold_L = rng.permutation(np.arange(len(labelled)) % folds)
        held_out_LK = np.zeros(y_LK.shape)
        for fold in range(folds):
            learn, judge = labelled[fold_L != fold], labelled[fold_L == fold]
            held_out_LK[fold_L == fold] = self._logits(learn, judge)
        tags = [str(k) for k in range(y_LK.shape[1])]
        rule = fit_decision_rule(tags, held_out_LK, y_LK, self.calibrator, self.thresholds)
        everything = np.arange(len(self.y_NK))
        members_ENK = None
        if "members_ENK" in needs:
            samples = [rng.choice(labelled, size=len(labelled)) for _ in range(MEMBERS)]
            members_ENK = np.stack([rule.probabilities(self._logits(sample, everything)) for sample in samples])
        probs_NK = rule.probabilities(self._logits(labelled, everything))
        return Learned(probs_NK, rule.thresholds_K, self.embeddings_ND, members_ENK)

    def _logits(self, learn: Rows, judge: Rows) -> Floats:
        """Logits of some rows by a model of others; of a tag that all or none of them bear, its smoothed log-odds."""
        from sklearn.linear_model import LogisticRegression

        lengths_N1 = np.linalg.norm(self.embeddings_ND, axis=1, keepdims=True)
        units_ND = self.embeddings_ND / np.maximum(lengths_N1, 1e-12)
        logits_JK = np.zeros((len(judge), self.y_NK.shape[1]))
        for k in range(self.y_NK.shape[1]):
            y_L = self.y_NK[learn, k]
            positives = int(y_L.sum())
            if 0 < positives < len(y_L):
                model = LogisticRegression(C=self.inverse_penalty, max_iter=500).fit(units_ND[learn], y_L)
                logits_JK[:, k] = model.decision_function(units_ND[judge])
            else:
                logits_JK[:, k] = np.log((positives + 0.5) / (len(y_L) - positives + 0.5))
        return logits_JK


def encoder_embeddings(config: TrainConfig, records: Sequence[Record]) -> NDArray[np.float32]:
    """What the encoder, as it was published, makes of records: the mean over their tokens, (N, D)."""
    encoder, data = load_encoder(config.encoder), config.data
    rows = [record.fields for record in records]
    texts = render_texts(encoder.tokenizer, text_template(data.features), rows, data.feature_tokens)
    most = min(data.max_tokens or encoder.max_tokens, encoder.max_tokens)
    network = TaggerNetwork(encoder, replace(config.model, pooling="mean", head="linear"), num_tags=1)
    tokens = tokenize(encoder.tokenizer, texts, most, data.window_overlap)
    return compute_embeddings(network, tokens, encoder.pad_id, batch_size=config.trainer.eval_batch_size)


@dataclass(frozen=True, eq=False)
class NetworkLearner:
    """The network, fine-tuned by `tagnet train` from the start in every round.

    Of the labelled records a stratified share is kept for validation. Records that wait are handed over without their
    tags. A run's folder is thrown away once it has been read.
    """

    config: TrainConfig
    records: Sequence[Record]
    """N records."""
    y_NK: NDArray[np.uint8]
    tags: Sequence[str]
    """K tags, sorted."""
    taxonomy: str | None
    """Its source."""
    work: Path
    """A folder for runs."""

    def learn(self, labelled: Rows, test: Rows, seed: int, *, needs: Collection[Needs], place: str) -> Learned:
        """See `Learner`."""
        count = NETWORKS if "members_ENK" in needs else 1
        taggers = [self._trained(labelled, test, seed + 1000 * member, f"{place}-{member}") for member in range(count)]
        members = [self._probabilities(tagger) for tagger in taggers]
        found = Learned(
            members[0],
            self._by_tag(taggers[0], taggers[0].bundle.rule.thresholds_K, 1.0),
            taggers[0].embeddings(self.records) if "embeddings_ND" in needs else None,
            np.stack(members) if count > 1 else None,
        )
        for member in range(count):
            shutil.rmtree(self.work / f"{place}-{member}")
        return found

    def _probabilities(self, tagger: Tagger) -> Floats:
        return self._by_tag(tagger, tagger.probabilities(self.records), 0.0)

    def _by_tag(self, tagger: Tagger, values: Floats, missing: float) -> Floats:
        """A bundle's columns as those of the corpus: a tag that no record on its sides bears is not among them."""
        found = np.full((*values.shape[:-1], len(self.tags)), missing)
        found[..., [self.tags.index(tag) for tag in tagger.tags]] = values
        return found

    def _trained(self, labelled: Rows, test: Rows, seed: int, name: str) -> Tagger:
        folder = self.work / name
        part_L = stratify(self.y_NK[labelled], [1 - VAL_SHARE, VAL_SHARE], seed)
        ids = {"train": labelled[part_L == 0], "val": labelled[part_L == 1], "test": test}
        split = self.work / f"{name}.split.json"
        write_json(split, {side: [str(row) for row in rows] for side, rows in ids.items()})
        shown = set(labelled.tolist()) | set(test.tolist())
        rows = [
            {
                "id": str(row),
                **record.fields,
                "tags": [self.tags[int(k)] for k in np.flatnonzero(self.y_NK[row])] if row in shown else [],
            }
            for row, record in enumerate(self.records)
        ]
        config = self.config
        config = replace(
            config,
            data=replace(config.data, columns={}),
            labels=replace(config.labels, min_count=1, include=(), exclude=(), untagged="negative", add_parents=False),
            split=IterativeSplitConfig(str(split), None, VAL_SHARE, None, 0.2, "iterative"),
            evaluation=replace(config.evaluation, baselines=(), bootstrap_samples=50, on_collapse="warn"),
            run=replace(config.run, dir=str(folder), seed=seed, test=False),
        )
        tagger = fit(config, rows, taxonomy=self.taxonomy).tagger()
        split.unlink()
        return tagger
