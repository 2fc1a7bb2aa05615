from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagnet.errors import ConfigError
from tagnet.labeling.stopping import PowerLaw, StoppingRules, agreement, fit_power_law, forecast, should_stop

SIZES = [100, 150, 200, 250, 300]
CURVE = PowerLaw(0.75, 0.35, 0.8, 100)


def scores(noise: float = 0.0, seed: int = 0) -> list[float]:
    random = np.random.default_rng(seed)
    return [float(CURVE.at(n) + noise * random.normal()) for n in SIZES]


def test_target_and_budget_stop_in_this_order() -> None:
    rules = StoppingRules(target=0.6, budget=300)
    assert should_stop(rules, [100, 300], [0.4, 0.5]).reason == "budget"  # type: ignore[union-attr]
    assert should_stop(rules, [100, 300], [0.4, 0.6]).reason == "target"  # type: ignore[union-attr]
    assert should_stop(rules, [100, 250], [0.4, 0.5]) is None


def test_predictions_must_stand_still_in_every_one_of_the_last_rounds() -> None:
    random = np.random.default_rng(0)
    still_NK = random.random((200, 5)) < 0.2
    moved_NK = still_NK ^ (random.random((200, 5)) < 0.05)
    rules = StoppingRules(agreement=0.99, rounds=2)
    labels, values = [100, 150, 200], [0.4, 0.5, 0.5]
    assert should_stop(rules, labels, values, [still_NK] * 3).reason == "stable"  # type: ignore[union-attr]
    assert should_stop(rules, labels, values, [moved_NK, still_NK, still_NK]) is None
    assert should_stop(rules, labels, values, [still_NK, still_NK]) is None
    assert should_stop(StoppingRules(agreement=None), labels, values, [still_NK] * 9) is None


def test_agreement_does_not_praise_what_is_negative_anyway() -> None:
    none, few = np.zeros((100, 10), dtype=bool), np.zeros((100, 10), dtype=bool)
    few[0, :3] = True
    assert (none == few).mean() > 0.99
    assert agreement(none, few) == 0
    assert agreement(few, few) == agreement(none, none) == 1


@settings(deadline=None, max_examples=25)
@given(ceiling=st.floats(0.5, 0.95), rate=st.floats(0.3, 1.5))
def test_a_power_law_is_found_again(ceiling: float, rate: float) -> None:
    true = PowerLaw(ceiling, 0.4, rate, 100)
    found = fit_power_law(SIZES, [float(true.at(n)) for n in SIZES])
    assert found.at(500) == pytest.approx(float(true.at(500)), abs=0.01)


def test_the_interval_of_a_forecast_holds_what_comes() -> None:
    inside = 0
    for seed in range(100):
        found = forecast(SIZES, scores(0.01, seed), 400, seed=seed)
        assert found.low <= found.value <= found.high
        later = float(CURVE.at(400) + 0.01 * np.random.default_rng([seed, 1]).normal())
        inside += found.low <= later <= found.high
    assert inside >= 84  # 90 are promised


def test_the_forecast_stops_where_nothing_is_to_be_gained() -> None:
    sizes, flat = [*SIZES, 350, 400, 450], [0.6, 0.66, 0.69, 0.7, 0.706, 0.708, 0.71, 0.71]
    rules = StoppingRules(budget=600, least_gain=0.03, agreement=None)
    assert should_stop(rules, sizes, flat).reason == "forecast"  # type: ignore[union-attr]
    assert should_stop(rules, sizes, [0.3, 0.36, 0.41, 0.45, 0.49, 0.52, 0.55, 0.58]) is None
    assert should_stop(rules, sizes[:3], flat[:3]) is None


def test_a_target_above_the_ceiling_is_never_reached() -> None:
    assert CURVE.labels_for(0.75) is None
    wanted = CURVE.labels_for(0.7)
    assert wanted is not None
    assert float(CURVE.at(wanted)) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"target": 1.5}, "target: expected a score above 0 and at most 1, found 1.5"),
        ({"budget": 0}, "budget: expected at least 1 record, found 0"),
        ({"agreement": 0.0}, "agreement: expected a κ above 0"),
        ({"rounds": 0}, "rounds: expected at least 1"),
        ({"least_gain": 0.01}, "least gain: expected a budget"),
    ],
)
def test_rules_that_cannot_be_are_refused(settings_: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StoppingRules(**settings_)  # type: ignore[arg-type]


def test_rounds_and_scores_belong_together() -> None:
    with pytest.raises(ValueError, match="as many scores as rounds"):
        should_stop(StoppingRules(), [100], [])
    with pytest.raises(ValueError, match="at least 4 rounds"):
        fit_power_law([1, 2, 3], [0.1, 0.2, 0.3])
