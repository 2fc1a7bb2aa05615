"""Records with three tags, prepared, settings to go with them, and what a run on them would have measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tagnet.baselines.run import run_baselines
from tagnet.calibration.fit import fit_decision_rule
from tagnet.cli.compose import train_config
from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared, prepare
from tagnet.training.measure import SIDES, Outcome, Side, measure

SETTINGS = (
    "encoder=tiny",
    "trainer=cpu",
    "labels.min_count=5",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[prior]",
)
ROWS: list[dict[str, Any]] = [
    {
        "id": n,
        "title": f"Title number {n}",
        "description": f"a thing of kind {n % 3} with {n * 37} parts",
        "tags": [("red", "green", "blue")[n % 3], *(["red"] if n % 4 == 1 else [])],
    }
    for n in range(200)
]


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Records at hand, to change at will."""
    return [dict(row) for row in ROWS]


@pytest.fixture(scope="session")
def make_config() -> Callable[..., TrainConfig]:
    """Settings of a small run, changed by overrides."""

    def make(*settings: str) -> TrainConfig:
        return train_config(*SETTINGS, "run.dir=nowhere", *settings)

    return make


@pytest.fixture(scope="session")
def config(make_config: Callable[..., TrainConfig]) -> TrainConfig:
    """Settings of a small run."""
    return make_config()


@pytest.fixture(scope="session")
def prepared(config: TrainConfig) -> Prepared:
    """The records, labelled and split."""
    return prepare(config, ROWS)


@pytest.fixture(scope="session")
def outcome(config: TrainConfig, prepared: Prepared) -> Outcome:
    """What a run whose logits know something of the labels would have measured."""
    return _outcome(config, prepared, SIDES)


@pytest.fixture(scope="session")
def untested(config: TrainConfig, prepared: Prepared) -> Outcome:
    """The same of a run with `run.test=false`."""
    return _outcome(config, prepared, SIDES[:1])


def _outcome(config: TrainConfig, prepared: Prepared, measured: tuple[Side, ...]) -> Outcome:
    y_NK, split = prepared.corpus.y_NK, prepared.split
    logits_NK = 2.0 * y_NK - 1 + np.random.default_rng(0).normal(size=y_NK.shape)
    tags = prepared.corpus.label_space.tags
    rule = fit_decision_rule(tags, logits_NK[split.val], y_NK[split.val], config.calibrator, config.thresholds)
    sides = {side: index for side, index in split.sides().items() if side in ("train", *measured)}
    baselines = run_baselines(
        config.evaluation.baselines,
        None,
        {side: [prepared.texts[i] for i in index] for side, index in sides.items()},
        {side: y_NK[index] for side, index in sides.items()},
        tags,
        config.calibrator,
        config.thresholds,
        0,
    )
    return measure(config.evaluation, 0, prepared, rule, logits_NK, baselines, measured)
