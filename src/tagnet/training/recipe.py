"""What a run of these settings would be on this machine, found before it is started: what it runs on, and what fits."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tagnet.config import TrainConfig
from tagnet.data.tokens import TokenizedTexts, render_texts, tokenize
from tagnet.errors import HardwareError
from tagnet.model.adapter import add_adapter, require_adapter_extra
from tagnet.model.encoder import Encoder, load_encoder
from tagnet.model.network import TaggerNetwork, enable_gradient_checkpointing
from tagnet.prediction.device import choose_device
from tagnet.records.corpus import Corpus, prepare_corpus
from tagnet.records.io import load_records
from tagnet.records.record import text_template
from tagnet.records.rows import HUB
from tagnet.records.sources import resolve_taxonomy
from tagnet.records.taxonomy import load_taxonomy
from tagnet.training.compilation import check_compiler
from tagnet.training.gpu_trial import MOST, fits_on, free_on, own_gpu
from tagnet.training.hardware import available_memory
from tagnet.training.memory import HEAP_SLACK, BatchShape, Footprint, state_memory, trace_step
from tagnet.training.optim import choose_batch_size
from tagnet.training.preflight import (
    check_gpu,
    check_ram,
    copies_beside,
    largest_in_ram,
    largest_on_gpu,
    longest_batch,
    needed_memory,
    per_process,
)
from tagnet.training.processes import check_launch, num_nodes, num_processes
from tagnet.training.run_directory import check_run_directory
from tagnet.training.size_words import in_words
from tagnet.training.tracking.registry import check_logger
from tagnet.training.trainer import autocast_dtype, check_monitor, choose_precision

_MOST_TOKENIZED = 20_000
_UNREAD_TAGS = 100
_LITTLE_SHARED_MEMORY = 2**30


@dataclass(frozen=True)
class Recipe:
    """A run that was not started. Sizes are in bytes."""

    device: str
    """`cpu` or `cuda`."""
    precision: str
    strategy: str
    processes: int
    """On all machines."""
    encoder: str
    parameters: int
    trained: int
    """Parameters that are trained; with adapters the fewest are."""
    records: int | None
    """None: they are on the Hugging Face hub and were not read."""
    tags: int
    batch: BatchShape
    """The largest batch of a process; where the records were not read, of texts as long as can be."""
    memory: Footprint | None
    """Of a process, at the peak of a step on that batch; None: unknown."""
    needed: int | None
    """On a CPU what all processes of the machine need beside the weights, on a GPU all that its process needs; None:
    unknown."""
    available: int
    """What is available: RAM, or memory of the GPU."""
    largest_batch: int | None
    """The largest trainer.batch_size that fits, with room for what the heap keeps; 0: none; None: unknown."""
    disk_needed: int
    """The most that the run's directory holds at a time."""
    notes: tuple[str, ...]
    """What does not stop the run, and should be known."""
    problem: str | None
    """Why it cannot run; None: it can."""


def check_launchable(config: TrainConfig) -> None:
    """Find what would stop every one of many runs, before the first is started; the memory is each run's own matter.

    Records are read, unless they are on the Hugging Face hub.

    Raises:
        TagnetError: settings, data or machine do not allow the run.
    """
    check_monitor(config)
    check_launch(config.trainer)
    require_adapter_extra(config.adapter)
    choose_device(config.trainer.accelerator)
    choose_precision(config.trainer)
    check_compiler(config.trainer)
    check_logger(config.logger)
    if not config.data.records.startswith(HUB):
        _read(config)
    load_encoder(config.encoder, dropout=config.model.encoder_dropout)


def examine(config: TrainConfig, shared_memory: int | None = None) -> Recipe:
    """Build the network, and find out what its largest batch needs.

    Records are read, and the longest are tokenized, unless they are on the Hugging Face hub.

    Args:
        config: the settings of a run.
        shared_memory: size of /dev/shm in bytes.

    Raises:
        TagnetError: settings, data or machine do not allow the run, but for memory and disk: these are in `problem`.
    """
    # In the order in which training checks them, so that both say the same.
    check_monitor(config)
    check_launch(config.trainer)
    require_adapter_extra(config.adapter)
    choose_precision(config.trainer)
    check_compiler(config.trainer)
    if config.run.dir is not None:
        check_run_directory(Path(config.run.dir), config)
    check_logger(config.logger)
    corpus = None if config.data.records.startswith(HUB) else _read(config)
    encoder = load_encoder(config.encoder, dropout=config.model.encoder_dropout)
    tags = _UNREAD_TAGS if corpus is None else len(corpus.label_space.tags)
    train, evaluation = _largest_batches(config, encoder, corpus)
    network = TaggerNetwork(encoder, config.model, tags)
    add_adapter(network.encoder, config.adapter)
    if config.trainer.gradient_checkpointing:
        enable_gradient_checkpointing(network.encoder)
    device = choose_device(config.trainer.accelerator).type
    on_gpu = device == "cuda"
    fit = (_fit_gpu if on_gpu else _fit_ram)(config, network, train, evaluation)
    state = state_memory(network)
    # Two resume points and a third while it is written, the best weights, and the bundle.
    disk_needed = 3 * (state.weights + state.optimizer) + 2 * state.weights
    processes = num_processes(config.trainer) * num_nodes(config.trainer)
    return Recipe(
        device=device,
        precision=choose_precision(config.trainer),
        strategy=config.trainer.strategy,
        processes=processes,
        encoder=encoder.source,
        parameters=sum(each.numel() for each in network.parameters()),
        trained=sum(each.numel() for each in network.parameters() if each.requires_grad),
        records=None if corpus is None else len(corpus.records),
        tags=tags,
        batch=train,
        memory=fit.memory,
        needed=fit.needed,
        available=fit.available,
        largest_batch=None if fit.most is None else fit.most * processes,
        disk_needed=disk_needed,
        notes=tuple(_notes(fit, processes, shared_memory, on_gpu=on_gpu)),
        problem=fit.problem or _disk_problem(config, disk_needed),
    )


def _read(config: TrainConfig) -> Corpus:
    data = config.data
    loaded = load_records(data.records, data.columns, data.on_invalid, data.features)
    taxonomy = None if data.taxonomy is None else load_taxonomy(resolve_taxonomy(data.taxonomy))
    return prepare_corpus(loaded, taxonomy, config.labels)


def _largest_batches(config: TrainConfig, encoder: Encoder, corpus: Corpus | None) -> tuple[BatchShape, BatchShape]:
    """The largest training batch of a process, and the largest of evaluation, whatever the split."""
    # Of records that were not read there may be any number.
    size = choose_batch_size(config.trainer, sys.maxsize if corpus is None else len(corpus.records))
    sizes = per_process(config.trainer, size), config.trainer.eval_batch_size
    if corpus is None:
        limit = min(config.data.max_tokens or encoder.max_tokens, encoder.max_tokens)
        return BatchShape(sizes[0], sizes[0], limit), BatchShape(sizes[1], sizes[1], limit)
    tokens = _tokenize_longest(config, encoder, corpus)
    most = per_process(config.trainer, len(corpus.records)), len(corpus.records)
    train, evaluation = (
        longest_batch(tokens, np.arange(len(tokens)), min(*pair)) for pair in zip(sizes, most, strict=True)
    )
    return train, evaluation


def _tokenize_longest(config: TrainConfig, encoder: Encoder, corpus: Corpus) -> TokenizedTexts:
    """Those records of a large corpus that have the most characters, and all of a small one."""
    data = config.data
    rows = sorted((record.fields for record in corpus.records), key=lambda fields: -sum(map(len, fields.values())))
    template = text_template(data.features)
    texts = render_texts(encoder.tokenizer, template, rows[:_MOST_TOKENIZED], data.feature_tokens)
    limit = min(data.max_tokens or encoder.max_tokens, encoder.max_tokens)
    return tokenize(encoder.tokenizer, texts, limit, data.window_overlap)


@dataclass(frozen=True)
class _Fit:
    memory: Footprint | None
    needed: int | None
    available: int
    most: int | None
    """Texts of a process."""
    problem: str | None


def _fit_ram(config: TrainConfig, network: TaggerNetwork, train: BatchShape, evaluation: BatchShape) -> _Fit:
    available = available_memory()
    step = trace_step(network, train, autocast_dtype(choose_precision(config.trainer)))
    if step is None:
        return _Fit(None, None, available, None, None)
    problem = _problem(lambda: check_ram(config, network, train, evaluation, step))
    most = largest_in_ram(config, network, train, step, available)
    return _Fit(step, needed_memory(step, config.trainer), available, most, problem)


def _fit_gpu(config: TrainConfig, network: TaggerNetwork, train: BatchShape, evaluation: BatchShape) -> _Fit:
    device, state = own_gpu(), state_memory(network)
    available = free_on(device)
    if config.trainer.strategy == "fsdp":
        return _Fit(None, None, available, None, None)
    problem = _problem(lambda: check_gpu(config, network, train, evaluation))
    torch.cuda.reset_peak_memory_stats(device)
    dtype, copies = autocast_dtype(choose_precision(config.trainer)), copies_beside(config.trainer)
    memory = needed = None
    if fits_on(device, network, train, dtype, copies):
        peak = torch.cuda.max_memory_allocated(device)
        memory, needed = replace(state, activations=max(0, peak - state.total)), peak
    most = largest_on_gpu(config, network, train, device, MOST)
    network.to("cpu")
    return _Fit(memory, needed, available, most, problem)


def _problem(check: Callable[[], None]) -> str | None:
    try:
        check()
    except HardwareError as error:
        return str(error)
    return None


def _notes(fit: _Fit, processes: int, shared_memory: int | None, *, on_gpu: bool) -> list[str]:
    notes = []
    if fit.needed is not None and not on_gpu and fit.needed <= fit.available < fit.needed * HEAP_SLACK:
        notes.append(
            f"It may not fit: it can take up to {in_words(math.ceil(fit.needed * HEAP_SLACK))}, for the C library "
            "keeps freed memory in pieces."
        )
    if processes > 1 and shared_memory is not None and shared_memory < _LITTLE_SHARED_MEMORY:
        notes.append(
            f"/dev/shm holds {in_words(shared_memory)}: too little for processes that exchange gradients through it. "
            "In a container: docker run --ipc=host, or --shm-size=1g."
        )
    return notes


def _disk_problem(config: TrainConfig, needed: int) -> str | None:
    folder = Path(config.run.dir or "runs").absolute()
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    if free >= needed:
        return None
    return (
        f"run.dir={config.run.dir or 'runs'}: resume points, weights and bundle need {in_words(needed)}, and the disk "
        f"has {in_words(free)} left.\nChoose a run.dir on another disk, or make room."
    )
