"""Drift: whether new records are still of the kind that a model was trained on, and whether it is time to label again.

Each view of the records gives a statistic and a p-value by permutation or a rank test; Holm's correction over the views
keeps false alarms at the stated rate. Legend: R reference records, N new ones, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp, mannwhitneyu

from tagnet.records.plain_words import plain_words

Floats = NDArray[np.float64]

_PERMUTATIONS = 999
_MOST_RECORDS = 1500
"""At most as many of either side make the classifier, drawn at random: it needs no more, and time grows with them."""
_DIMENSIONS = 50
_FEWEST_EXPECTED = 5.0


@dataclass(frozen=True, eq=False)
class Sample:
    """Records of one time."""

    texts: tuple[str, ...]
    probs_NK: Floats | None = None
    """Calibrated, of a model that was not trained on these records; None: not looked at."""
    y_NK: NDArray[np.uint8] | None = None
    """Their tags; None: they have none."""


@dataclass(frozen=True)
class DriftTest:
    """One view."""

    view: str
    """lengths, vocabulary, texts, confidence, suggested tags, or tags."""
    reference: float
    """What the view measures, on the reference."""
    new: float
    unit: str
    distance: float
    """From 0, the same, to 1, nothing in common: Kolmogorov's distance, or what a classifier tells apart."""
    p: float
    p_corrected: float
    """After Holm (1979), over the views of this report."""
    examples: tuple[str, ...]
    """What changed most: words or tags."""


@dataclass(frozen=True)
class DriftReport:
    """All views."""

    tests: tuple[DriftTest, ...]
    level: float
    """The rate of false alarms that is accepted."""
    num_reference: int
    num_new: int

    @property
    def drifted(self) -> tuple[DriftTest, ...]:
        """The views in which new records differ."""
        return tuple(test for test in self.tests if test.p_corrected <= self.level)

    @property
    def label_again(self) -> bool:
        """Whether the texts are other ones, or the model has lost confidence in them."""
        return any(
            test.view in ("texts", "vocabulary", "confidence", "suggested tags", "tags") for test in self.drifted
        )


def drift_report(
    reference: Sample,
    new: Sample,
    *,
    tags: Sequence[str] = (),
    training_texts: Sequence[str] | None = None,
    level: float = 0.05,
    seed: int = 0,
) -> DriftReport:
    """Hold new records against reference records.

    Args:
        reference: R records of the time of the training, which the model has not been trained on.
        new: N records.
        tags: the K tags of the probabilities.
        training_texts: whose words count as known; None: the reference's.
        level: of false alarms, over all views together.
        seed: of permutations and folds.

    Raises:
        ValueError: fewer than two records on a side.
    """
    if min(len(reference.texts), len(new.texts)) < 2:
        raise ValueError(f"expected two records and more, found {len(reference.texts)} and {len(new.texts)}")
    found = [_lengths(reference, new), _texts(reference, new, seed)]
    if training_texts is not None:
        found.append(_vocabulary(reference, new, training_texts))
    if reference.probs_NK is not None and new.probs_NK is not None:
        found.append(_confidence(reference.probs_NK, new.probs_NK))
        found.append(_tags("suggested tags", reference.probs_NK, new.probs_NK, tags))
    if reference.y_NK is not None and new.y_NK is not None:
        found.append(_tags("tags", reference.y_NK.astype(np.float64), new.y_NK.astype(np.float64), tags))
    corrected = holm([test.p for test in found])
    tests = tuple(
        DriftTest(t.view, t.reference, t.new, t.unit, t.distance, t.p, c, t.examples)
        for t, c in zip(found, corrected, strict=True)
    )
    return DriftReport(tests, level, len(reference.texts), len(new.texts))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    corrected = np.zeros(len(p_values))
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = running
    return [round(float(value), 12) for value in corrected]


def _words(texts: Sequence[str]) -> list[list[str]]:
    return [plain_words(text).split() for text in texts]


def _lengths(reference: Sample, new: Sample) -> DriftTest:
    before, after = ([float(len(each)) for each in _words(side.texts)] for side in (reference, new))
    test = ks_2samp(before, after)
    values = (float(np.median(before)), float(np.median(after)))
    return DriftTest("lengths", *values, "words, median", float(test.statistic), float(test.pvalue), 1.0, ())


def _vocabulary(reference: Sample, new: Sample, training_texts: Sequence[str]) -> DriftTest:
    known = {word for each in _words(training_texts) for word in each}
    shares, unknown = [], dict[str, int]()
    for side in (reference, new):
        words = _words(side.texts)
        shares.append([float(np.mean([word not in known for word in each])) if each else 0.0 for each in words])
    for each in _words(new.texts):
        for word in set(each) - known:
            unknown[word] = unknown.get(word, 0) + 1
    test = mannwhitneyu(shares[0], shares[1], alternative="less")
    # The probability that a new record has more unknown words than an old one, from ½ to 1, as a distance from 0 to 1.
    superiority = 1 - float(test.statistic) / (len(shares[0]) * len(shares[1]))
    examples = tuple(sorted(unknown, key=lambda word: (-unknown[word], word))[:5])
    values = (float(np.mean(shares[0])), float(np.mean(shares[1])))
    distance = max(0.0, 2 * superiority - 1)
    return DriftTest("vocabulary", *values, "share of unknown words", distance, float(test.pvalue), 1.0, examples)


def _texts(reference: Sample, new: Sample, seed: int) -> DriftTest:
    """A classifier that shall tell old from new (Lopez-Paz & Oquab, "Classifier two-sample tests", ICLR 2017).

    Linear discriminant on 50 dimensions of TF-IDF, cross-fitted; its AUC against that after permutation of the sides.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    generator = np.random.default_rng(seed)
    sides = [list(side.texts) for side in (reference, new)]
    sides = [[side[i] for i in generator.permutation(len(side))[:_MOST_RECORDS]] for side in sides]
    is_new = np.repeat([0.0, 1.0], [len(side) for side in sides])
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, token_pattern=r"(?u)\b\w+\b")
    try:
        weights = vectorizer.fit_transform([*sides[0], *sides[1]])
    except ValueError:  # no word that two texts share
        return DriftTest("texts", 0.5, 0.5, "AUC of telling old from new", 0.0, 1.0, 1.0, ())
    number = min(_DIMENSIONS, weights.shape[1] - 1, len(is_new) // 10)
    points = TruncatedSVD(number, random_state=seed).fit_transform(weights) if number > 1 else weights.toarray()
    fold = generator.permutation(len(is_new)) % 2
    own = _cross_fitted_auc(points, is_new[:, None], fold)[0]
    permuted = np.stack([generator.permutation(is_new) for _ in range(_PERMUTATIONS)], axis=1)
    drawn = _cross_fitted_auc(points, permuted, fold)
    p = (1 + int((drawn >= own - 1e-12).sum())) / (1 + _PERMUTATIONS)
    gap = np.asarray(weights[is_new > 0].mean(0) - weights[is_new == 0].mean(0)).ravel()
    names = vectorizer.get_feature_names_out()
    examples = tuple(names[gap.argsort()[::-1][:5]])
    return DriftTest("texts", 0.5, own, "AUC of telling old from new", max(0.0, 2 * own - 1), p, 1.0, examples)


def _cross_fitted_auc(points_ND: Floats, is_new_NP: Floats, fold_N: NDArray[np.int64]) -> Floats:
    """For P assignments of the sides: the AUC of a ridge regression that has not seen the records it judges, (P,)."""
    scores_NP = np.zeros(is_new_NP.shape)
    for fold in (0, 1):
        learned, judged = fold_N != fold, fold_N == fold
        centre = points_ND[learned].mean(0)
        x = points_ND[learned] - centre
        y = is_new_NP[learned] - is_new_NP[learned].mean(0)
        ridge = 1e-2 * np.trace(x.T @ x) / x.shape[1] + 1e-9
        weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
        scored = (points_ND[judged] - centre) @ weights
        # Ranks within a fold: models of two folds do not speak of the same scale.
        scores_NP[judged] = scored.argsort(0).argsort(0) / max(1, judged.sum() - 1)
    ranks = scores_NP.argsort(0, kind="stable").argsort(0) + 1.0
    num_new = is_new_NP.sum(0)
    num_old = len(is_new_NP) - num_new
    return np.asarray(((ranks * is_new_NP).sum(0) - num_new * (num_new + 1) / 2) / (num_new * num_old))


def _confidence(before_RK: Floats, after_NK: Floats) -> DriftTest:
    """The probability of each record's likeliest tag; only a loss counts."""
    before, after = before_RK.max(1), after_NK.max(1)
    distance = float(ks_2samp(before, after).statistic)
    p = float(mannwhitneyu(before, after, alternative="greater").pvalue)
    values = (float(before.mean()), float(after.mean()))
    return DriftTest("confidence", *values, "probability of the likeliest tag", distance, p, 1.0, ())


def _tags(view: str, before_RK: Floats, after_NK: Floats, tags: Sequence[str]) -> DriftTest:
    """Expected numbers of records that bear each tag, of the frequent ones, by a χ² test of each against the rest."""
    sums = np.stack([before_RK.sum(0), after_NK.sum(0)])
    sizes = np.array([[len(before_RK)], [len(after_NK)]], dtype=np.float64)
    rates_2K = sums / sizes
    p_K = []
    for k in range(sums.shape[1]):
        table = np.stack([sums[:, k], sizes[:, 0] - sums[:, k]], axis=1)
        expected = table.sum(0) * sizes / sizes.sum()
        # Expected counts are less spread out than counts are: the test is on the safe side.
        p_K.append(float(chi2_contingency(table).pvalue) if expected.min() >= _FEWEST_EXPECTED else 1.0)
    corrected = holm(p_K) if p_K else [1.0]
    change_K = rates_2K[1] - rates_2K[0]
    order = np.argsort(-np.abs(change_K))[:5]
    examples = tuple(f"{tags[k]} {rates_2K[0, k]:.0%} → {rates_2K[1, k]:.0%}" for k in order) if len(tags) else ()
    values = (float(rates_2K[0].sum()), float(rates_2K[1].sum()))
    distance = float(np.abs(change_K).max(initial=0.0))
    return DriftTest(view, *values, "tags a record", distance, min(corrected), 1.0, examples)
