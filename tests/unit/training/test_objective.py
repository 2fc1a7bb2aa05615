"""The objective of a sweep: no rule is measured on the records that it was fitted on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from tagnet.calibration.fit import fit_decision_rule
from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.errors import ConfigError, DataError, DivergenceError, RunDirectoryError
from tagnet.evaluation.metrics import overall_metrics
from tagnet.training.measure import Outcome
from tagnet.training.objective import direction, objective, read_objective, tie_break_metric
from tagnet.training.results import predictions_table
from tagnet.training.run_directory import write_settings

Make = Callable[..., TrainConfig]
TAGS = tuple(f"t{k:02d}" for k in range(20))


@pytest.fixture(scope="module")
def weak() -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Many tags with a handful of positives each, and logits that know little: thresholds a tag fit mostly noise."""
    random = np.random.default_rng(0)
    y_VK = (random.random((80, len(TAGS))) < 0.08).astype(np.uint8)
    return random.normal(size=y_VK.shape) + 1.0 * y_VK, y_VK


def in_sample(config: TrainConfig, logits_VK: NDArray[np.float64], y_VK: NDArray[np.uint8]) -> dict[str, float]:
    rule = fit_decision_rule(TAGS, logits_VK, y_VK, config.calibrator, config.thresholds)
    probs_VK = rule.probabilities(logits_VK)
    return overall_metrics(probs_VK, y_VK, rule.accept(probs_VK), config.evaluation.at_k)


def test_a_rule_that_overfits_wins_in_sample_and_loses_here(
    make_config: Make, weak: tuple[NDArray[np.float64], NDArray[np.uint8]]
) -> None:
    one, many = (
        make_config("trainer.monitor=val.f1_micro", f"thresholds={rule}", "calibrator=none")
        for rule in ("global", "per_tag")
    )
    flattered = [in_sample(config, *weak)["f1_micro"] for config in (one, many)]
    honest = [objective(config, TAGS, *weak).value for config in (one, many)]
    assert flattered[1] > flattered[0] + 0.02
    assert honest[0] > honest[1] + 0.02
    assert flattered[1] > honest[1] + 0.1


def test_a_rule_that_is_not_fitted_is_measured_as_it_is(
    make_config: Make, weak: tuple[NDArray[np.float64], NDArray[np.uint8]]
) -> None:
    config = make_config("trainer.monitor=val.f1_micro", "thresholds=fixed", "calibrator=none")
    direct, found = in_sample(config, *weak), objective(config, TAGS, *weak)
    assert (found.value, found.tie_break) == (direct["f1_micro"], direct["f1_macro"])


def test_the_seed_alone_draws_the_folds(make_config: Make, weak: tuple[NDArray[np.float64], NDArray[np.uint8]]) -> None:
    first, again, other = (
        objective(make_config("trainer.monitor=val.f1_macro", f"run.seed={seed}"), TAGS, *weak) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_the_loss_is_the_best_epochs(make_config: Make, weak: tuple[NDArray[np.float64], NDArray[np.uint8]]) -> None:
    config = make_config("trainer.monitor=val.loss")
    assert objective(config, TAGS, *weak, val_loss=0.25).value == 0.25
    for nothing in (None, math.nan, math.inf):
        with pytest.raises(DivergenceError, match=r"val\.loss: expected a finite number"):
            objective(config, TAGS, *weak, val_loss=nothing)


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("monitor", ["val.f1_macro", "val.map", "val.ece"])
def test_few_records_and_tags_without_positives_give_finite_numbers(make_config: Make, size: int, monitor: str) -> None:
    y_VK = np.zeros((size, 2), dtype=np.uint8)
    y_VK[0, 0] = 1
    found = objective(make_config(f"trainer.monitor={monitor}"), ("a", "b"), np.zeros((size, 2)), y_VK)
    assert math.isfinite(found.value)
    assert math.isfinite(found.tie_break)


def test_what_cannot_be_measured_is_said(
    make_config: Make, weak: tuple[NDArray[np.float64], NDArray[np.uint8]]
) -> None:
    logits_VK, y_VK = weak
    broken_VK = logits_VK.copy()
    broken_VK[3, 4] = np.nan
    with pytest.raises(DivergenceError, match="finite validation logits"):
        objective(make_config(), TAGS, broken_VK, y_VK)
    with pytest.raises(DataError, match=r"at least 2 validation records, .* found 1"):
        objective(make_config(), TAGS, logits_VK[:1], y_VK[:1])
    with pytest.raises(ConfigError, match=r"found 'val\.f1_marco'; did you mean val\.f1_macro"):
        objective(make_config("trainer.monitor=val.f1_marco"), TAGS, logits_VK, y_VK)


@pytest.mark.parametrize("name", ["f1_micro", "precision_weighted", "map_micro", "recall_at_1", "ndcg", "map", "loss"])
def test_the_tie_break_is_another_metric_of_which_more_is_better(make_config: Make, name: str) -> None:
    other = tie_break_metric(f"val.{name}")
    any_NK = np.eye(2)
    assert other in overall_metrics(any_NK, any_NK, any_NK > 0, [1])
    assert other != name
    assert direction(other) == "maximize"


def test_it_is_read_from_the_files_of_a_finished_run(
    make_config: Make, prepared: Prepared, outcome: Outcome, tmp_path: Path
) -> None:
    config = make_config(f"run.dir={tmp_path}", "trainer.monitor=val.f1_weighted")
    pq.write_table(predictions_table(prepared, outcome), tmp_path / "predictions.parquet")
    losses: list[float | None] = [None, 0.5, 0.25, 0.75]
    lines = [{"step": 1, "train.loss": 0.1}, *({"step": 2, "val.loss": loss} for loss in losses)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_objective(config) is None
    (tmp_path / "metrics.json").write_text("{}")
    write_settings(tmp_path, config)
    y_VK = prepared.corpus.y_NK[prepared.split.val]
    logits_VK = outcome.logits["val"].astype(np.float32)
    assert read_objective(config) == objective(config, outcome.rule.tags, logits_VK, y_VK)
    by_loss_config = make_config(f"run.dir={tmp_path}", "trainer.monitor=val.loss")
    with pytest.raises(RunDirectoryError, match="found a finished one of others"):
        read_objective(by_loss_config)
    write_settings(tmp_path, by_loss_config)
    by_loss = read_objective(by_loss_config)
    assert by_loss is not None
    assert by_loss.value == 0.25
    (tmp_path / "predictions.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(RunDirectoryError, match=r"expected predictions\.parquet .* of a finished run"):
        read_objective(by_loss_config)
