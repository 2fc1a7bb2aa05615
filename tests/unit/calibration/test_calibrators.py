from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from tagnet.calibration.calibrators import fit_calibrator
from tagnet.config import NoCalibratorConfig, SharedPlattConfig, TemperatureConfig

Array = NDArray[np.float64]
PLATT, TEMPERATURE = SharedPlattConfig("shared_platt", 10.0), TemperatureConfig("temperature")


def sample(seed: int, records: int = 300, tags: int = 4) -> tuple[Array, NDArray[np.bool_]]:
    """Logits that are half of what they should be, of tags with different base rates."""
    rng = np.random.default_rng(seed)
    true_NK = rng.normal(scale=2, size=(records, tags)) - np.linspace(0, 3, tags)
    return 0.5 * true_NK + 1, rng.random(true_NK.shape) < expit(true_NK)


def platt_targets(y: NDArray[np.bool_]) -> Array:
    n = y.sum()
    targets: Array = np.where(y, (n + 1) / (n + 2), 1 / (y.size - n + 2))
    return targets


@pytest.mark.parametrize("ridge", [0.1, 10.0, 1000.0])
def test_shared_platt_is_the_minimum_that_a_general_optimiser_finds(ridge: float) -> None:
    z, y = sample(0)
    t = platt_targets(y)

    def objective(parameters: Array) -> float:
        a, b, d = parameters[0], parameters[1], parameters[2:]
        x = a * z + b + d
        return float((np.logaddexp(0, x) - t * x).sum() + 0.5 * ridge * d @ d)

    best = minimize(objective, np.r_[1.0, np.zeros(5)], method="BFGS", options={"gtol": 1e-6})
    scale, offsets_K = fit_calibrator(z, y, SharedPlattConfig("shared_platt", ridge))
    assert scale == pytest.approx(best.x[0], rel=1e-4)
    np.testing.assert_allclose(offsets_K, best.x[1] + best.x[2:], atol=1e-3)


def test_with_one_tag_it_is_platt_scaling_as_scikit_learn_fits_it() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    y = rng.random(400) < expit(3 * x[:, 0] - 1)
    model = LogisticRegression(C=0.01).fit(x, y)
    oracle = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid", cv=2, ensemble=False).fit(x, y)
    z = model.decision_function(x)
    scale, offsets_K = fit_calibrator(z[:, None], y[:, None], PLATT)
    np.testing.assert_allclose(expit(scale * z + offsets_K[0]), oracle.predict_proba(x)[:, 1], atol=1e-4)


def test_temperature_is_the_minimum_along_its_line() -> None:
    z, y = sample(2)
    t = platt_targets(y)
    scale, offsets_K = fit_calibrator(z, y, TEMPERATURE)
    assert offsets_K.tolist() == [0] * 4

    def cost(a: float) -> float:
        return float((np.logaddexp(0, a * z) - t * a * z).sum())

    assert cost(scale) <= min(cost(scale * 1.001), cost(scale * 0.999))


def test_none_leaves_the_logits() -> None:
    scale, offsets_K = fit_calibrator(*sample(3), NoCalibratorConfig("none"))
    assert (scale, offsets_K.tolist()) == (1.0, [0] * 4)


def test_what_was_bent_is_found_again() -> None:
    rng = np.random.default_rng(4)
    true_NK = rng.normal(scale=2, size=(20_000, 3))
    y_NK = rng.random(true_NK.shape) < expit(true_NK)
    scale, offsets_K = fit_calibrator((true_NK - [1.0, 0.0, -1.0]) * 5, y_NK, PLATT)
    assert scale == pytest.approx(1 / 5, rel=0.03)
    np.testing.assert_allclose(offsets_K, [1.0, 0.0, -1.0], atol=0.08)


def test_a_large_ridge_makes_one_curve_of_all_and_a_small_one_gives_each_its_base_rate() -> None:
    z, y = sample(5)
    z = z - z.mean(0)  # the base rates are left to the offsets
    spread = [np.ptp(fit_calibrator(z, y, SharedPlattConfig("shared_platt", ridge))[1]) for ridge in (1e9, 10.0, 1e-6)]
    assert spread[0] < 1e-4 < spread[1] < spread[2]
    scale, offsets_K = fit_calibrator(z, y, SharedPlattConfig("shared_platt", 1e-6))
    np.testing.assert_allclose(expit(scale * z + offsets_K).mean(0), y.mean(0), atol=2e-3)


def test_rare_tags_move_less_than_frequent_ones() -> None:
    rng = np.random.default_rng(6)
    y = np.zeros((500, 2))
    y[:100], known = [1, 1], np.ones((500, 2), bool)
    known[np.r_[10:100, 110:500], 1] = False  # the second tag: ten positives and ten negatives
    _, offsets_K = fit_calibrator(rng.normal(size=y.shape), y, PLATT, known)
    rates = expit(offsets_K)
    assert rates[0] == pytest.approx(0.2, abs=0.03)
    assert 0.2 < rates[1] < 0.45


@pytest.mark.parametrize("config", [PLATT, TEMPERATURE])
def test_a_model_that_ranks_backwards_keeps_its_order(config: SharedPlattConfig | TemperatureConfig) -> None:
    z, y = sample(7)
    scale, offsets_K = fit_calibrator(-z, y, config)
    assert 0 < scale < 0.01
    if config is PLATT:
        pooled = expit(-scale * z + offsets_K).mean()
        assert pooled == pytest.approx(y.mean(), abs=0.02)


@pytest.mark.parametrize("config", [PLATT, TEMPERATURE])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_separable_logits_of_any_size_give_the_same_sure_but_not_certain_probabilities(
    config: SharedPlattConfig | TemperatureConfig, size: float
) -> None:
    z = np.where(np.arange(40).reshape(20, 2) % 3 == 0, 1.0, -1.0)
    scale, offsets_K = fit_calibrator(size * z, z > 0, config)
    probs = expit(scale * size * z + offsets_K)
    assert probs[z > 0].min() > 0.9
    assert probs.max() < 1
    assert probs.min() > 0
    assert scale * size == pytest.approx(fit_calibrator(z, z > 0, config)[0], rel=1e-3)


@pytest.mark.parametrize("constant", [0.0, 2.0, -1e4])
def test_constant_logits_give_base_rates(constant: float) -> None:
    y = np.arange(60).reshape(20, 3) % 4 == 0
    scale, offsets_K = fit_calibrator(np.full((20, 3), constant), y, PLATT)
    np.testing.assert_allclose(expit(scale * constant + offsets_K), 0.25, atol=0.05)


def test_a_tag_without_positives_is_only_shrunk() -> None:
    z, y = sample(8)
    y[:, 1] = False
    scale, offsets_K = fit_calibrator(z, y, PLATT)
    assert np.isfinite(offsets_K).all()
    assert offsets_K[1] == offsets_K.min()
    assert expit(scale * z[:, 1] + offsets_K[1]).mean() > 1e-3


def test_a_tag_without_known_cells_gets_the_shared_curve() -> None:
    z, y = sample(9)
    known = np.ones_like(y)
    known[:, 3] = False
    scale, offsets_K = fit_calibrator(z, y, PLATT, known)
    scale3, offsets3_K = fit_calibrator(z[:, :3], y[:, :3], PLATT)
    assert scale == pytest.approx(scale3)
    np.testing.assert_allclose(offsets_K[:3], offsets3_K)
    # b is where the ridge leaves the offsets: their mean, as the gradient over b and the ones over d add up to 0.
    assert offsets_K[3] == pytest.approx(offsets3_K.mean(), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), records=st.integers(1, 30), tags=st.integers(1, 4), size=st.floats(1e-3, 1e4))
def test_whatever_comes_the_fit_is_finite_increasing_and_no_worse_than_none(
    seed: int, records: int, tags: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    z, y = size * rng.normal(size=(records, tags)), rng.random((records, tags)) < rng.random()
    t = platt_targets(y)

    def cost(a: float, offsets_K: Array) -> float:
        x = a * z + offsets_K
        return float((np.logaddexp(0, x) - t * x).sum())

    for config in (PLATT, TEMPERATURE):
        scale, offsets_K = fit_calibrator(z, y, config)
        assert np.isfinite(scale)
        assert scale > 0
        assert np.isfinite(offsets_K).all()
        assert cost(scale, offsets_K) <= cost(1.0, np.zeros(tags)) + 1e-3


def test_soft_labels_count_with_their_share() -> None:
    z = np.zeros((200, 1))
    _, offsets_K = fit_calibrator(z, np.full((200, 1), 0.3), PLATT)
    assert expit(offsets_K[0]) == pytest.approx(0.3, abs=0.01)


def test_inputs_that_do_not_fit_are_refused() -> None:
    z, y = sample(10)
    with pytest.raises(ValueError, match="one shape"):
        fit_calibrator(z, y[:5], PLATT)
    with pytest.raises(ValueError, match="one shape"):
        fit_calibrator(z, y, PLATT, np.ones(4))
    z[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite numbers in known cells"):
        fit_calibrator(z, y, PLATT)
