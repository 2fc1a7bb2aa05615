"""Every loss against its published formula, written out cell by cell or record by record in plain Python.

Hard targets only: there the papers speak. B records in a batch, K tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagnet.config import (
    AsymmetricConfig,
    BCEConfig,
    ClassBalancedConfig,
    DistributionBalancedConfig,
    FocalConfig,
    LossConfig,
    TwoWayConfig,
    WeightedBCEConfig,
    ZLPRConfig,
)
from tagnet.losses.registry import make_loss

NUM_RECORDS = 200
POSITIVES_K = np.array([120, 60, 25, 8, 1])
NUM_TAGS = len(POSITIVES_K)

Array = NDArray[np.float64]
Known = NDArray[np.bool_]
Published = Callable[[Array, Array, Known], float]


def sigma(x: float) -> float:
    return float(1 / (1 + math.exp(-x)))


# ---------------------------------------------------------- the published formulas, one cell or one record at a time


def mean_of_cells(cell: Callable[[int, int], float], known: Known) -> float:
    values = [cell(b, k) for b, k in zip(*np.nonzero(known), strict=True)]
    return float(np.mean(values)) if values else 0.0


def bce(z: Array, y: Array, known: Known) -> float:
    def cell(b: int, k: int) -> float:
        p = sigma(z[b, k])
        return float(-math.log(p) if y[b, k] == 1 else -math.log(1 - p))

    return mean_of_cells(cell, known)


def weighted(positive_K: Array, negative_K: Array) -> Published:
    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            p = sigma(z[b, k])
            return float(-positive_K[k] * math.log(p) if y[b, k] == 1 else -negative_K[k] * math.log(1 - p))

        return mean_of_cells(cell, known)

    return loss


def effective(n: float, beta: float) -> float:
    return float((1 - beta**n) / (1 - beta))


def focal(gamma: float, alpha: float | None) -> Published:
    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            p = sigma(z[b, k])
            p_t = p if y[b, k] == 1 else 1 - p
            alpha_t = 1.0 if alpha is None else alpha if y[b, k] == 1 else 1 - alpha
            return float(-alpha_t * (1 - p_t) ** gamma * math.log(p_t))

        return mean_of_cells(cell, known)

    return loss


def asymmetric(gamma_positive: float, gamma_negative: float, clip: float) -> Published:
    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            p = sigma(z[b, k])
            p_m = max(p - clip, 0)
            if y[b, k] == 1:
                return float(-((1 - p) ** gamma_positive) * math.log(p))
            return float(-(p_m**gamma_negative) * math.log(1 - p_m))

        return mean_of_cells(cell, known)

    return loss


def negative_tolerant_cell(z: float, y: float, positives: int, gamma: float, scale: float, kappa: float) -> float:
    nu = kappa * math.log(NUM_RECORDS / positives - 1)
    if y == 1:
        q = sigma(z - nu)
        return float(-((1 - q) ** gamma) * math.log(q))
    q = sigma(scale * (z - nu))
    return float(-(q**gamma) * math.log(1 - q) / scale)


def distribution_balanced(config: DistributionBalancedConfig) -> Published:
    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            own = sum(1 / POSITIVES_K[j] for j in range(NUM_TAGS) if known[b, j] and y[b, j] == 1)
            if own == 0:
                weight = config.map_alpha + 1
            else:
                ratio = 1 / POSITIVES_K[k] / own
                weight = config.map_alpha + sigma(config.map_beta * (ratio - config.map_mu))
            args = (POSITIVES_K[k], config.gamma, config.negative_scale, config.bias_shift)
            return float(weight * negative_tolerant_cell(z[b, k], y[b, k], *args))

        return mean_of_cells(cell, known)

    return loss


def class_balanced(config: ClassBalancedConfig) -> Published:
    beta = (NUM_RECORDS - 1) / NUM_RECORDS if config.beta is None else config.beta
    raw_K = np.array([1 / effective(n, beta) for n in POSITIVES_K])

    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            args = (POSITIVES_K[k], config.gamma, config.negative_scale, config.bias_shift)
            return float(raw_K[k] * NUM_TAGS / raw_K.sum() * negative_tolerant_cell(z[b, k], y[b, k], *args))

        return mean_of_cells(cell, known)

    return loss


def zlpr(z: Array, y: Array, known: Known) -> float:
    values = []
    for b in range(len(z)):
        if not known[b].any():
            continue
        negatives = [z[b, k] for k in range(NUM_TAGS) if known[b, k] and y[b, k] == 0]
        positives = [z[b, k] for k in range(NUM_TAGS) if known[b, k] and y[b, k] == 1]
        values.append(
            math.log(1 + sum(math.exp(s) for s in negatives)) + math.log(1 + sum(math.exp(-s) for s in positives))
        )
    return float(np.mean(values)) if values else 0.0


def two_way(positive_t: float, negative_t: float) -> Published:
    def one_way(lines: list[tuple[Array, Array]]) -> float:
        values = []
        for z, y in lines:
            if not (y == 1).any():
                continue
            if (y == 1).all():
                values.append(0.0)
                continue
            negative = sum(math.exp(s / negative_t) for s in z[y == 0]) ** negative_t
            positive = sum(math.exp(-s / positive_t) for s in z[y == 1]) ** positive_t
            values.append(math.log(1 + negative * positive))
        return float(np.mean(values)) if values else 0.0

    def loss(z: Array, y: Array, known: Known) -> float:
        records = [(z[b][known[b]], y[b][known[b]]) for b in range(len(z))]
        tags = [(z[:, k][known[:, k]], y[:, k][known[:, k]]) for k in range(NUM_TAGS)]
        return one_way(records) + one_way(tags)

    return loss


N, NEGATIVES_K = NUM_RECORDS, NUM_RECORDS - POSITIVES_K
ONES_K = np.ones(NUM_TAGS)
DB = DistributionBalancedConfig(
    name="distribution_balanced",
    gamma=2.0,
    negative_scale=2.0,
    bias_shift=0.05,
    map_alpha=0.1,
    map_beta=10.0,
    map_mu=0.9,
)
CB = ClassBalancedConfig(name="class_balanced", gamma=2.0, negative_scale=2.0, bias_shift=0.05, beta=None)
CB9 = ClassBalancedConfig(name="class_balanced", gamma=0.5, negative_scale=3.0, bias_shift=0.2, beta=0.9)
CASES: dict[str, tuple[LossConfig, Published]] = {
    "bce": (BCEConfig("bce"), bce),
    "inverse": (
        WeightedBCEConfig("weighted_bce", "inverse", None, 50.0),
        weighted(np.minimum(NEGATIVES_K / POSITIVES_K, 50), ONES_K),
    ),
    "sqrt_inverse": (
        WeightedBCEConfig("weighted_bce", "sqrt_inverse", None, 50.0),
        weighted(np.sqrt(NEGATIVES_K / POSITIVES_K), ONES_K),
    ),
    "effective_number": (
        WeightedBCEConfig("weighted_bce", "effective_number", 0.99, 50.0),
        weighted(np.array([min(effective(N - n, 0.99) / effective(n, 0.99), 50) for n in POSITIVES_K]), ONES_K),
    ),
    "count": (WeightedBCEConfig("weighted_bce", "count", None, 50.0), weighted(1 / POSITIVES_K, 1 / POSITIVES_K)),
    "focal": (FocalConfig("focal", 2.0, None), focal(2.0, None)),
    "focal_alpha": (FocalConfig("focal", 0.5, 0.25), focal(0.5, 0.25)),
    "asl": (AsymmetricConfig("asl", 0.0, 4.0, 0.05), asymmetric(0.0, 4.0, 0.05)),
    "asl_steep": (AsymmetricConfig("asl", 1.0, 0.5, 0.2), asymmetric(1.0, 0.5, 0.2)),
    "asl_unclipped": (AsymmetricConfig("asl", 1.0, 2.0, 0.0), asymmetric(1.0, 2.0, 0.0)),
    "distribution_balanced": (DB, distribution_balanced(DB)),
    "class_balanced": (CB, class_balanced(CB)),
    "class_balanced_beta": (CB9, class_balanced(CB9)),
    "zlpr": (ZLPRConfig("zlpr"), zlpr),
    "two_way": (TwoWayConfig("two_way", 4.0, 1.0), two_way(4.0, 1.0)),
    "two_way_even": (TwoWayConfig("two_way", 1.0, 2.0), two_way(1.0, 2.0)),
}


def batch(seed: int, size: int) -> tuple[Array, Array, Known]:
    rng = np.random.default_rng(seed)
    y = (rng.random((size, NUM_TAGS)) < 0.4).astype(np.float64)
    return rng.normal(scale=2, size=y.shape), y, rng.random(y.shape) < 0.7


def value(config: LossConfig, z: Array, y: Array, known: Known | None = None) -> float:
    mask = None if known is None else torch.tensor(known)
    return float(make_loss(config, POSITIVES_K, NUM_RECORDS)(torch.tensor(z), torch.tensor(y), mask))


def test_every_loss_has_its_formula(repository: Path) -> None:
    names = {yaml.safe_load(path.read_text())["name"] for path in (repository / "conf" / "loss").glob("*.yaml")}
    assert names == {config.name for config, _ in CASES.values()}


@pytest.mark.parametrize(("config", "published"), CASES.values(), ids=CASES.keys())
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_value_at_hard_targets_is_the_published_one(
    config: LossConfig, published: Published, seed: int, size: int
) -> None:
    z, y, known = batch(seed, size)
    assert value(config, z, y) == pytest.approx(published(z, y, np.ones_like(known)), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(("config", "published"), CASES.values(), ids=CASES.keys())
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_unknown_cells_are_as_if_they_were_not_there(
    config: LossConfig, published: Published, seed: int, size: int
) -> None:
    z, y, known = batch(seed, size)
    assert value(config, z, y, known) == pytest.approx(published(z, y, known), rel=1e-5, abs=1e-9)
