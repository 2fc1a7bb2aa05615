"""A training run from records to report: the straight line, part by part, in the order in which data flows.

Shapes: N records, K tags.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from rich.console import Console

from tagnet.atomic import write_json
from tagnet.bundle import TextSettings, write_bundle
from tagnet.calibration.conformal import broken_promise, require_conformal_extra
from tagnet.calibration.fit import fit_decision_rule
from tagnet.calibration.rule import DecisionRule
from tagnet.config import TrainConfig
from tagnet.data.datamodule import Targets, TextDataModule
from tagnet.data.prepare import Prepared, prepare
from tagnet.data.split_file import save_split
from tagnet.data.tokens import TokenizedTexts, render_texts, tokenize
from tagnet.errors import CollapseError, ConfigError
from tagnet.evaluation.collapse import collapse_reason
from tagnet.losses.registry import make_loss
from tagnet.model.adapter import require_adapter_extra
from tagnet.model.encoder import Encoder, load_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.device import choose_device
from tagnet.prediction.inference import compute_logits
from tagnet.prediction.tagger import Tagger
from tagnet.records.record import text_template
from tagnet.strict_build import to_plain
from tagnet.training.callbacks import CalibratedThresholds, CollapseCheck, MetricsLog, PerTagMetrics
from tagnet.training.compilation import check_compiler
from tagnet.training.distributed import ending_together, is_first_process, leave_group
from tagnet.training.environment import environment
from tagnet.training.initial_network import initial_network
from tagnet.training.measure import Outcome, Side, measure, measured_sides
from tagnet.training.module import TaggerModule
from tagnet.training.objective import Objective, read_objective
from tagnet.training.optim import choose_batch_size, choose_epochs
from tagnet.training.out_of_memory import memory_errors
from tagnet.training.pieces import choose_tags_at_once
from tagnet.training.preflight import check_memory
from tagnet.training.processes import check_launch, warn_of_parts
from tagnet.training.progress import TrainingProgress
from tagnet.training.results import data_summary, write_results
from tagnet.training.resume import ResumePoints, latest_resume_point, remove_resume_points
from tagnet.training.run_directory import check_run_directory, fingerprints, open_run_directory
from tagnet.training.run_log import RunLog, disk_errors
from tagnet.training.stopping import StopRequests
from tagnet.training.tracking.registry import check_logger, results_of, tracked
from tagnet.training.tracking.tracker import Tracker
from tagnet.training.trainer import best_network, check_monitor, choose_precision, make_trainer

logger = logging.getLogger("tagnet")


@dataclass(frozen=True)
class Run:
    """A finished run."""

    dir: Path
    outcome: Outcome
    config: TrainConfig

    @property
    def objective(self) -> Objective:
        """How good it is by validation alone, with decisions that did not see the records: what a sweep goes by."""
        found = read_objective(self.config)
        assert found is not None
        return found

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return self.outcome.to_plain()

    def tagger(self, device: str = "auto") -> Tagger:
        """The run's bundle, ready to predict."""
        return Tagger.load(self.dir / "bundle", device)


def fit(
    config: TrainConfig,
    records: Iterable[Mapping[str, object]] | None = None,
    *,
    taxonomy: str | None = None,
    console: Console | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> Run:
    """Train, calibrate, measure and write a run.

    Args:
        config: all settings; `run.dir` must be given.
        records: records at hand, in place of `data.records`.
        taxonomy: with records at hand, the name or path of their taxonomy.
        console: where a progress bar is drawn; None draws none.
        callbacks: more of Lightning's callbacks; they see the epoch's metrics after our own have measured it.

    Raises:
        TagnetError: settings, data or machine do not allow the run; see `tagnet.errors`.
    """
    check_monitor(config)
    check_launch(config.trainer)
    require_adapter_extra(config.adapter)
    require_conformal_extra(config.thresholds)
    device = choose_device(config.trainer.accelerator)
    choose_precision(config.trainer)
    if config.run.dir is None:
        raise ConfigError("run.dir: expected the folder of the run, found null")
    folder = Path(config.run.dir)
    check_run_directory(folder, config)
    check_compiler(config.trainer)
    check_logger(config.logger)

    with RunLog() as log:
        prepared = prepare(config, records, taxonomy=taxonomy)
        _say_what_was_read(prepared)
        _say_what_breaks_the_promise(config, prepared)
        encoder = load_encoder(config.encoder, dropout=config.model.encoder_dropout)
        text = _text_settings(config, encoder)
        tokens = _tokenize(encoder, text, prepared)
        # The run's directory records the settings as they were asked for; training has the numbers that follow.
        asked, size = config, choose_batch_size(config.trainer, len(prepared.split.train))
        config = replace(config, trainer=replace(config.trainer, batch_size=size))
        pl.seed_everything(config.run.seed, verbose=False)
        network = initial_network(config, encoder, prepared, tokens)
        check_memory(config, network, tokens, prepared)

        # Everything that can be wrong with settings and data has been found by now: only here is a folder made.
        with (
            memory_errors(config),
            _open(folder, asked, prepared),
            disk_errors(folder),
            tracked(config, folder, prepared) as tracker,
        ):
            log.write_to(folder / "run.log")
            _write_origins(folder, config, prepared, tokens)
            _train(config, network, encoder, prepared, tokens, folder, console, callbacks, tracker)
            y_NK, split, tags = prepared.corpus.y_NK, prepared.split, prepared.corpus.label_space.tags
            network, best_step = best_network(folder / "checkpoints", encoder, config.model, config.adapter, len(tags))
            measured = measured_sides(config.run)
            network.to(device)
            if config.model.lexical:
                # It reads SciPy, for which the first step need not wait.
                from tagnet.training.lexical import add_lexical

                add_lexical(network, encoder, prepared, tokens, config)
            logits_NK = _final_logits(config, network, encoder, prepared, tokens, measured)
            rule = fit_decision_rule(tags, logits_NK[split.val], y_NK[split.val], config.calibrator, config.thresholds)
            _refuse_collapse(config, rule, logits_NK, prepared)
            write_bundle(
                folder / "bundle",
                network=network,
                encoder=encoder,
                model=config.model,
                taxonomy=prepared.corpus.taxonomy,
                rule=rule,
                text=text,
                labels=config.labels,
                evaluation=config.evaluation,
                train_counts=dict(zip(tags, y_NK[split.train].sum(0).tolist(), strict=True)),
                provenance=_provenance(config, prepared),
            )
            sides = {side: index for side, index in split.sides().items() if side in ("train", *measured)}
            # scikit-learn is read here: the first step need not wait for it.
            from tagnet.baselines.run import run_baselines

            logger.info("baselines on the same split: %s", ", ".join(config.evaluation.baselines) or "none")
            baselines = run_baselines(
                config.evaluation.baselines,
                prepared.corpus.taxonomy,
                {side: [prepared.texts[i] for i in index] for side, index in sides.items()},
                {side: y_NK[index] for side, index in sides.items()},
                tags,
                config.calibrator,
                config.thresholds,
                config.run.seed,
            )
            outcome = measure(config.evaluation, config.run.seed, prepared, rule, logits_NK, baselines, measured)
            if outcome.collapse is not None:
                logger.warning("COLLAPSE: %s", outcome.collapse)
            if tracker is not None:
                tracker.log_results(results_of(outcome, best_step, folder))
            write_results(folder, config, prepared, tokens, outcome, best_step)
            remove_resume_points(folder / "checkpoints")
    return Run(folder, outcome, asked)


@contextmanager
def _open(folder: Path, config: TrainConfig, prepared: Prepared) -> Iterator[None]:
    """Hold the run's directory; of several processes only the first does."""
    if not is_first_process():
        yield
        return
    with open_run_directory(folder, config, fingerprints(prepared)):
        yield


def _write_origins(folder: Path, config: TrainConfig, prepared: Prepared, tokens: TokenizedTexts) -> None:
    """Write what the run starts from: machine, split, data."""
    if is_first_process():
        write_json(folder / "environment.json", environment(config.run.seed))
        save_split(folder / "split.json", prepared.split, prepared.corpus.records)
        data = to_plain(data_summary(prepared, tokens))
        write_json(folder / "data.json", data | {"fingerprints": fingerprints(prepared)})


def _tokenize(encoder: Encoder, text: TextSettings, prepared: Prepared) -> TokenizedTexts:
    rows = [record.fields for record in prepared.corpus.records]
    rendered = render_texts(encoder.tokenizer, text.template, rows, text.feature_tokens)
    tokens = tokenize(encoder.tokenizer, rendered, text.max_tokens, text.window_overlap)
    if tokens.num_over_limit:
        verb = "cut" if text.window_overlap is None else "read in windows"
        logger.info(
            "%d of %d texts are over %d tokens and are %s", tokens.num_over_limit, len(tokens), text.max_tokens, verb
        )
    return tokens


def _final_logits(
    config: TrainConfig,
    network: TaggerNetwork,
    encoder: Encoder,
    prepared: Prepared,
    tokens: TokenizedTexts,
    sides: Sequence[Side],
) -> NDArray[np.float32]:
    """Logits of the sides in their places in the corpus, (N, K), as the bundle gives them; the other rows stay 0."""
    index = np.concatenate([getattr(prepared.split, side) for side in sides])
    logits_NK = np.zeros((len(tokens), len(prepared.corpus.label_space.tags)), dtype=np.float32)
    logits_NK[index] = compute_logits(
        network, tokens.take(index), encoder.pad_id, batch_size=config.trainer.eval_batch_size
    )
    return logits_NK


def _say_what_breaks_the_promise(config: TrainConfig, prepared: Prepared) -> None:
    """Warn where thresholds that promise something will not keep it on the test records."""
    split, records = prepared.split, prepared.corpus.records
    val_dates, test_dates = ([records[i].created_on for i in side] for side in (split.val, split.test))
    reason = broken_promise(config.thresholds, prepared.corpus.y_NK[split.val], val_dates, test_dates)
    if reason is not None:
        logger.warning("%s", reason)


def _refuse_collapse(
    config: TrainConfig, rule: DecisionRule, logits_NK: NDArray[np.float32], prepared: Prepared
) -> None:
    """Stop before a bundle is written where the settings ask for it."""
    y_NK, split = prepared.corpus.y_NK, prepared.split
    probs_VK = rule.probabilities(logits_NK[split.val])
    reason = collapse_reason(probs_VK, rule.accept(probs_VK), y_NK[split.train].mean(0))
    if reason is not None and config.evaluation.on_collapse == "error":
        raise CollapseError(
            f"the best weights have collapsed: {reason}.\n"
            "Try another loss or a lower optim.lr; evaluation.on_collapse=warn would go on."
        )


def _provenance(config: TrainConfig, prepared: Prepared) -> dict[str, Any]:
    return {
        "run": config.run.name,
        "seed": config.run.seed,
        "fingerprint": prepared.loaded.fingerprint,
        "records": {side: len(index) for side, index in prepared.split.sides().items()},
    }


def _text_settings(config: TrainConfig, encoder: Encoder) -> TextSettings:
    return TextSettings(
        template=text_template(config.data.features),
        features=config.data.features,
        feature_tokens=config.data.feature_tokens,
        max_tokens=min(config.data.max_tokens or encoder.max_tokens, encoder.max_tokens),
        window_overlap=config.data.window_overlap,
    )


def _train(
    config: TrainConfig,
    network: TaggerNetwork,
    encoder: Encoder,
    prepared: Prepared,
    tokens: TokenizedTexts,
    folder: Path,
    console: Console | None,
    more_callbacks: Sequence[pl.Callback],
    tracker: Tracker | None,
) -> None:
    """Run the epochs; the best one's weights stay in the run's checkpoints."""
    y_NK, split = prepared.corpus.y_NK, prepared.split
    tags = prepared.corpus.label_space.tags
    positives_K = y_NK[split.train].sum(0, dtype=np.int64)
    soft = prepared.soft
    targets = Targets(prepared.corpus.labels) if soft is None else Targets(soft.targets_NK, soft.known_NK)
    settings = config.trainer
    data = TextDataModule(tokens, targets, y_NK, split, encoder.pad_id, config.sampler, settings, config.run.seed)

    num_batches = len(data.train_batches(0))
    steps_an_epoch = math.ceil(num_batches / settings.accumulate)
    num_epochs = settings.max_epochs or choose_epochs(steps_an_epoch, settings.steps, settings.epoch_range)
    num_steps = steps_an_epoch * num_epochs
    warn_of_parts(config)
    logger.info("training: %d epochs of %d steps, batches of %d", num_epochs, steps_an_epoch, settings.batch_size)

    loss = make_loss(config.loss, positives_K, len(split.train))
    pieces = choose_tags_at_once(settings, loss, len(tags))
    module = TaggerModule(network, loss, config.optim, num_steps, config.run.seed, pieces)
    calibrated = CalibratedThresholds(tags, y_NK, config.calibrator, config.thresholds)
    collapse = CollapseCheck(calibrated, positives_K / len(split.train), config.evaluation.on_collapse)
    callbacks = [
        calibrated,
        PerTagMetrics(calibrated, targets, config.evaluation.at_k),
        collapse,
        MetricsLog(folder / "metrics.jsonl", tracker),
        TrainingProgress(console, num_steps, settings.monitor),
        *more_callbacks,
    ]
    checkpoints = folder / "checkpoints"
    stop = StopRequests()
    resume = ResumePoints(checkpoints, data, settings.checkpoint_steps, stop)
    trainer = make_trainer(config, num_epochs, checkpoints, callbacks, resume, tracker)
    point = latest_resume_point(checkpoints)
    if point is not None:
        logger.info("continuing from step %d of %d", point.step, num_steps)
    with stop, ending_together(trainer):
        trainer.fit(module, datamodule=data, ckpt_path=None if point is None else point.path)
        leave_group()
    if not trainer.is_global_zero:
        raise SystemExit(0)  # the first process goes on alone: one measures, one writes


def _say_what_was_read(prepared: Prepared) -> None:
    corpus, split = prepared.corpus, prepared.split
    report, tags = corpus.report, corpus.label_space.tags
    for warning in prepared.warnings:
        logger.warning("%s", warning)
    if prepared.loaded.skipped:
        logger.warning("%d rows were skipped, the first: %s", len(prepared.loaded.skipped), prepared.loaded.skipped[0])
    if report.outside_taxonomy:
        logger.info("%d tags outside the taxonomy were left out", len(report.outside_taxonomy))
    if report.below_min_count:
        logger.info("%d tags below labels.min_count were left out", len(report.below_min_count))
    if report.num_untagged_dropped:
        logger.info("%d records without any kept tag were dropped (labels.untagged=drop)", report.num_untagged_dropped)
    if prepared.soft is not None:
        num_given = int(prepared.soft.given_N[split.train].sum())
        logger.info(
            "%d of %d training records take their targets from %s", num_given, len(split.train), prepared.soft.source
        )
    counts_K = corpus.y_NK[split.train].sum(0, dtype=np.int64)
    untrained = [tag for tag, count in zip(tags, counts_K.tolist(), strict=True) if count == 0]
    if untrained:
        logger.warning("no training record bears %s", ", ".join(map(repr, untrained)))
    logger.info(
        "%d records, %d tags; train %d, validation %d, test %d",
        len(corpus.records),
        len(tags),
        len(split.train),
        len(split.val),
        len(split.test),
    )
