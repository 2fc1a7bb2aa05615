"""What holds for every sampler."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.config import NoSamplerConfig, OversampleConfig, RepeatFactorConfig, SamplerConfig, UndersampleConfig
from tagnet.data.sampling import epoch_indices

SAMPLERS: list[SamplerConfig] = [
    NoSamplerConfig("none"),
    OversampleConfig("oversample", 0.25),
    UndersampleConfig("undersample", 0.25),
    RepeatFactorConfig("repeat_factor", 0.12),
]
every_sampler = pytest.mark.parametrize("config", SAMPLERS, ids=lambda config: config.name)


def labels() -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    return (random.random((300, 6)) < [0.5, 0.3, 0.2, 0.05, 0.02, 0.01]).astype(np.uint8)


def test_no_sampler_is_left_out() -> None:
    assert {type(config) for config in SAMPLERS} == set(get_args(SamplerConfig))


@every_sampler
def test_indices_are_sorted_and_within_the_records(config: SamplerConfig) -> None:
    chosen = epoch_indices(labels(), config, seed=0, epoch=0)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) >= 0).all()
    assert chosen.min() >= 0
    assert chosen.max() < 300


@every_sampler
def test_an_epoch_is_a_function_of_seed_and_number(config: SamplerConfig) -> None:
    y_NK = labels()
    first = epoch_indices(y_NK, config, seed=7, epoch=2).tolist()
    assert epoch_indices(y_NK, config, seed=7, epoch=2).tolist() == first
    if config.name != "none":
        assert epoch_indices(y_NK, config, seed=7, epoch=3).tolist() != first
        assert epoch_indices(y_NK, config, seed=8, epoch=2).tolist() != first


@every_sampler
def test_the_labels_are_not_written_to(config: SamplerConfig) -> None:
    y_NK = labels()
    before = y_NK.copy()
    y_NK.flags.writeable = False
    epoch_indices(y_NK, config, seed=0, epoch=0)
    np.testing.assert_array_equal(y_NK, before)


@every_sampler
def test_no_tag_loses_all_its_records(config: SamplerConfig) -> None:
    y_NK = labels()
    assert y_NK[epoch_indices(y_NK, config, seed=0, epoch=0)].any(axis=0).tolist() == y_NK.any(axis=0).tolist()


@every_sampler
def test_scarce_tags_are_never_made_scarcer(config: SamplerConfig) -> None:
    y_NK = labels()
    chosen = epoch_indices(y_NK, config, seed=0, epoch=0)
    share = y_NK[chosen].mean(axis=0) / y_NK.mean(axis=0)
    assert share[-1] >= share[0] - 1e-12
    assert (share[-1] > 1.05) == (config.name != "none")


@every_sampler
@pytest.mark.parametrize(
    "y_NK",
    [np.zeros((5, 3)), np.ones((5, 3)), np.zeros((5, 0)), np.ones((1, 1)), np.eye(4)],
    ids=["no positives", "all positive", "no tags", "one cell", "balanced"],
)
def test_labels_without_imbalance_give_every_record(config: SamplerConfig, y_NK: NDArray[np.float64]) -> None:
    chosen = epoch_indices(y_NK.astype(np.uint8), config, seed=0, epoch=0)
    assert chosen.tolist() == list(range(len(y_NK)))
