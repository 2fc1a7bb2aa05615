"""However the cells are cut into blocks, every one is seen once, and the rule that is fitted is the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.calibration import cells
from tagnet.calibration.cells import Cells
from tagnet.calibration.fit import fit_decision_rule
from tagnet.config import (
    CalibratorConfig,
    GlobalThresholdConfig,
    NoCalibratorConfig,
    PerTagThresholdsConfig,
    PlugInThresholdsConfig,
    SharedPlattConfig,
    ShrunkThresholdsConfig,
    TemperatureConfig,
    ThresholdsConfig,
)


@given(st.integers(0, 9), st.integers(1, 6), st.integers(1, 60), st.booleans())
def test_every_cell_is_in_one_block(num_records: int, num_tags: int, at_once: int, masked: bool) -> None:
    shape = (num_records, num_tags)
    scores_NK = np.arange(num_records * num_tags, dtype=np.float32).reshape(shape)
    y_NK = (scores_NK % 3 == 0).astype(np.uint8)
    known_NK = scores_NK % 2 == 0 if masked else None
    all_cells = Cells.of("scores", scores_NK, y_NK, known_NK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "_AT_ONCE", at_once)
        patch.setattr(cells, "_IN_CACHE", at_once)
        by_tags, by_records = list(all_cells.blocks()), list(all_cells.blocks_of_records())
    assert all(block.scores_nk.size <= max(at_once, num_records) for block in by_tags)
    assert all(block.scores_nk.size <= max(at_once, num_tags) for block in by_records)
    assert [tag for block in by_tags for tag in range(block.tags.start, block.tags.stop)] == list(range(num_tags))
    expected_y_NK = y_NK if known_NK is None else y_NK * known_NK
    expected_known_NK = np.ones(shape, dtype=bool) if known_NK is None else known_NK
    for blocks, axis in ((by_tags, 1), (by_records, 0)):
        if blocks:
            assert np.array_equal(np.concatenate([block.scores_nk for block in blocks], axis), scores_NK)
            assert np.array_equal(np.concatenate([block.y_nk for block in blocks], axis), expected_y_NK)
            assert np.array_equal(np.concatenate([block.known_nk for block in blocks], axis), expected_known_NK)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("calibrator", "thresholds"),
    [
        (SharedPlattConfig("shared_platt", 10.0), ShrunkThresholdsConfig("shrunk", 10.0)),
        (TemperatureConfig("temperature"), PerTagThresholdsConfig("per_tag")),
        (NoCalibratorConfig("none"), GlobalThresholdConfig("global")),
        (SharedPlattConfig("shared_platt", 1.0), PlugInThresholdsConfig("plug_in")),
    ],
)
def test_the_rule_does_not_depend_on_the_blocks(
    monkeypatch: pytest.MonkeyPatch, calibrator: CalibratorConfig, thresholds: ThresholdsConfig, masked: bool
) -> None:
    random = np.random.default_rng(0)
    y_NK = (random.random((120, 9)) < np.linspace(0.02, 0.5, 9)).astype(np.uint8)
    logits_NK = random.normal(size=y_NK.shape).astype(np.float32) + 3 * y_NK - 2
    known_NK = random.random(y_NK.shape) < 0.8 if masked else None
    tags = [f"tag {k}" for k in range(9)]
    whole = fit_decision_rule(tags, logits_NK, y_NK, calibrator, thresholds, known_NK)
    monkeypatch.setattr(cells, "_AT_ONCE", 250)
    monkeypatch.setattr(cells, "_IN_CACHE", 100)
    cut = fit_decision_rule(tags, logits_NK, y_NK, calibrator, thresholds, known_NK)
    assert cut.scale == pytest.approx(whole.scale, rel=1e-9)
    np.testing.assert_allclose(cut.offsets_K, whole.offsets_K, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(cut.thresholds_K, whole.thresholds_K, rtol=1e-8)
