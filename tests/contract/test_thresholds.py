"""What every calibrator with every threshold rule promises. N records, K tags."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagnet.calibration.fit import fit_decision_rule
from tagnet.calibration.rule import DecisionRule
from tagnet.config import (
    CalibratorConfig,
    ConformalRecallThresholdsConfig,
    FixedThresholdConfig,
    GlobalThresholdConfig,
    NoCalibratorConfig,
    PerTagThresholdsConfig,
    PlugInThresholdsConfig,
    SharedPlattConfig,
    ShrunkThresholdsConfig,
    TemperatureConfig,
    ThresholdsConfig,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CALIBRATORS: list[CalibratorConfig] = [
    SharedPlattConfig("shared_platt", 10.0),
    TemperatureConfig("temperature"),
    NoCalibratorConfig("none"),
]
THRESHOLDS: list[ThresholdsConfig] = [
    ShrunkThresholdsConfig("shrunk", 10.0),
    GlobalThresholdConfig("global"),
    PerTagThresholdsConfig("per_tag"),
    PlugInThresholdsConfig("plug_in"),
    FixedThresholdConfig("fixed", 0.4),
    ConformalRecallThresholdsConfig("conformal_recall", 0.8),
]
every_calibrator = pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda config: config.name)
every_rule = pytest.mark.parametrize("thresholds", THRESHOLDS, ids=lambda config: config.name)


def batch(seed: int, records: int = 40, tags: int = 5) -> tuple[Array, Mask, Mask]:
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=2, size=(records, tags)) - np.linspace(0, 2, tags)
    y = rng.random(z.shape) < 1 / (1 + np.exp(-2 * z))
    return z, y, rng.random(z.shape) < 0.7


def fit(
    calibrator: CalibratorConfig, thresholds: ThresholdsConfig, z: Array, y: Mask | Array, known: Mask | None = None
) -> DecisionRule:
    return fit_decision_rule([f"tag {k}" for k in range(z.shape[1])], z, y, calibrator, thresholds, known)


def assert_same(one: DecisionRule, other: DecisionRule, order: NDArray[np.intp] | slice = slice(None)) -> None:
    assert one.scale == pytest.approx(other.scale, rel=1e-5)
    np.testing.assert_allclose(one.offsets_K, other.offsets_K[order], atol=1e-5)
    np.testing.assert_allclose(one.thresholds_K, other.thresholds_K[order], atol=1e-5)


@pytest.mark.parametrize(("group", "members"), [("calibrator", CALIBRATORS), ("thresholds", THRESHOLDS)])
def test_everything_that_can_be_configured_is_under_this_contract(
    repository: Path, group: str, members: list[CalibratorConfig | ThresholdsConfig]
) -> None:
    names = {yaml.safe_load(path.read_text())["name"] for path in (repository / "conf" / group).glob("*.yaml")}
    assert names == {member.name for member in members}


@every_calibrator
@every_rule
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), records=st.integers(0, 30), tags=st.integers(1, 4), rate=st.floats(0, 1))
def test_any_data_gives_a_rule_that_can_decide(
    calibrator: CalibratorConfig, thresholds: ThresholdsConfig, seed: int, records: int, tags: int, rate: float
) -> None:
    rng = np.random.default_rng(seed)
    z, y = rng.normal(scale=3, size=(records, tags)), rng.random((records, tags)) < rate
    rule = fit(calibrator, thresholds, z, y, rng.random(z.shape) < rng.random())
    probs = rule.probabilities(z)
    assert ((probs >= 0) & (probs <= 1)).all()
    assert rule.accept(probs).shape == z.shape
    assert (rule.calibrator, rule.threshold_rule) == (calibrator.name, thresholds.name)


@every_calibrator
@every_rule
def test_calibration_never_changes_the_order_within_a_tag(
    calibrator: CalibratorConfig, thresholds: ThresholdsConfig
) -> None:
    for flip in (1, -1):
        z, y, _ = batch(0)
        rule = fit(calibrator, thresholds, flip * z, y)
        ordered = np.sort(flip * z, axis=0)
        assert (np.diff(rule.probabilities(ordered), axis=0) > 0).all()
        assert (np.diff(rule.accept(rule.probabilities(ordered)).astype(int), axis=0) >= 0).all()


@every_calibrator
@every_rule
def test_unknown_cells_may_hold_anything(calibrator: CalibratorConfig, thresholds: ThresholdsConfig) -> None:
    z, y, known = batch(1)
    clean = fit(calibrator, thresholds, z, y, known)
    dirty = fit(calibrator, thresholds, np.where(known, z, np.nan), np.where(known, y, np.nan), known)
    assert clean.to_plain() == dirty.to_plain()
    assert clean.to_plain() != fit(calibrator, thresholds, z, y).to_plain() or thresholds.name == "fixed"


@every_calibrator
@every_rule
def test_unknown_records_are_as_if_they_were_not_there(
    calibrator: CalibratorConfig, thresholds: ThresholdsConfig
) -> None:
    z, y, _ = batch(2)
    keep = np.arange(len(z)) % 3 > 0
    masked = fit(calibrator, thresholds, z, y, np.repeat(keep[:, None], z.shape[1], axis=1))
    assert_same(masked, fit(calibrator, thresholds, z[keep], y[keep]))


@every_calibrator
@every_rule
def test_nothing_known_leaves_the_model_as_it_is(calibrator: CalibratorConfig, thresholds: ThresholdsConfig) -> None:
    z, y, known = batch(3)
    rule = fit(calibrator, thresholds, z, y, np.zeros_like(known))
    assert rule.scale == 1
    assert (rule.offsets_K == 0).all()
    assert set(rule.thresholds_K) == {0.4 if thresholds.name == "fixed" else 0.5}


@every_calibrator
@every_rule
def test_a_tag_without_positives_gets_a_threshold_that_all_tags_have(
    calibrator: CalibratorConfig, thresholds: ThresholdsConfig
) -> None:
    z, y, _ = batch(4)
    y[:, 2] = False
    alike_for_all_tags = thresholds.name in ("fixed", "conformal_recall")
    expected = thresholds if alike_for_all_tags else GlobalThresholdConfig("global")
    rule = fit(calibrator, thresholds, z, y)
    assert rule.thresholds_K[2] == fit(calibrator, expected, z, y).thresholds_K[2]
    assert not rule.accept(rule.probabilities(z))[:, 2].all()


@every_calibrator
@every_rule
def test_order_of_records_and_tags_does_not_matter(calibrator: CalibratorConfig, thresholds: ThresholdsConfig) -> None:
    z, y, known = batch(5)
    rule = fit(calibrator, thresholds, z, y, known)
    rows = np.random.default_rng(5).permutation(len(z))
    columns = np.array([3, 0, 4, 2, 1])
    assert_same(fit(calibrator, thresholds, z[rows], y[rows], known[rows]), rule)
    assert_same(fit(calibrator, thresholds, z[:, columns], y[:, columns], known[:, columns]), rule, columns)


@every_calibrator
@every_rule
def test_extreme_logits(calibrator: CalibratorConfig, thresholds: ThresholdsConfig) -> None:
    z, y, _ = batch(6)
    rule = fit(calibrator, thresholds, 1e4 * np.sign(z), y)
    probs = rule.probabilities(1e4 * np.sign(z))
    assert np.isfinite(probs).all()
    assert rule.accept(probs).any()
    assert not rule.accept(probs).all() or thresholds.name in {"per_tag", "plug_in"}


@every_calibrator
@every_rule
def test_the_same_data_gives_the_same_rule_also_through_json(
    calibrator: CalibratorConfig, thresholds: ThresholdsConfig
) -> None:
    z, y, known = batch(7)
    rule = fit(calibrator, thresholds, z, y, known)
    assert rule.to_plain() == fit(calibrator, thresholds, z, y, known).to_plain()
    again = DecisionRule.from_plain(json.loads(json.dumps(rule.to_plain(), allow_nan=False)))
    assert (again.accept(again.probabilities(z)) == rule.accept(rule.probabilities(z))).all()


@every_rule
def test_shared_platt_mends_what_the_loss_bent(thresholds: ThresholdsConfig) -> None:
    z, y, _ = batch(8, records=2000)
    mended = fit(CALIBRATORS[0], thresholds, 7 * z + 3, y)
    raw = fit(CALIBRATORS[2], thresholds, 7 * z + 3, y)

    def log_loss(rule: DecisionRule) -> float:
        p = np.clip(rule.probabilities(7 * z + 3), 1e-12, 1 - 1e-12)
        return float(-np.mean(np.where(y, np.log(p), np.log(1 - p))))

    assert log_loss(mended) < log_loss(raw) / 2
