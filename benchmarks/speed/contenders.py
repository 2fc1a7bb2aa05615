"""One contender's training on one corpus, in a process of its own; prints what it took as a line of JSON.

    python -m benchmarks.speed.contenders tagnet --recipe madewithml_b --threads 2 --steps 96 --seed 0

All train the embedded encoder on the recipe's own training records with batches of 32 and AdamW, for `--steps`
optimizer steps; the first four do not count. Validation is left out: the Trainer has none, and for tagnet's the clock
stands still.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

BATCH = 32
WARM_UP = 4
PADDED_TO = 128
"""What transformers' run_classification.py pads to unless it is told otherwise."""


@dataclass(frozen=True)
class Clocked:
    """What the counted steps took."""

    contender: str
    examples: int
    seconds: float
    cpu_seconds: float
    useful_flops: float
    """What the matrix products of the real tokens take, forward and backward."""


class Clock:
    """Counts steps; after the last one it prints and ends the process, whatever would have come next."""

    def __init__(self, contender: str, steps: int, sizes: Sizes) -> None:
        self._contender, self._steps, self._sizes = contender, steps, sizes
        self._done = self._examples = 0
        self._flops = 0.0
        self._start = (0.0, 0.0)
        self._paused: tuple[float, float] | None = None

    def pause(self) -> None:
        """What comes now does not count."""
        self._paused = (time.perf_counter(), time.process_time())

    def resume(self) -> None:
        """From here on it does again."""
        if self._paused is not None:
            ended = (time.perf_counter(), time.process_time())
            seconds, cpu = (
                start + now - then for start, then, now in zip(self._start, self._paused, ended, strict=True)
            )
            self._start = (seconds, cpu)
            self._paused = None

    def step(self, lengths: np.ndarray[Any, Any]) -> None:
        """One step of texts of these lengths is done."""
        self._done += 1
        if self._done == WARM_UP:
            self._start = (time.perf_counter(), time.process_time())
        elif self._done > WARM_UP:
            self._examples += len(lengths)
            self._flops += self._sizes.flops(lengths)
        if self._done == self._steps:
            seconds, cpu = time.perf_counter() - self._start[0], time.process_time() - self._start[1]
            print(json.dumps(asdict(Clocked(self._contender, self._examples, seconds, cpu, self._flops))), flush=True)
            os._exit(0)


@dataclass(frozen=True)
class Sizes:
    """What the operations of an encoder follow from."""

    layers: int
    hidden: int
    inner: int

    def flops(self, lengths: np.ndarray[Any, Any]) -> float:
        """Multiplications and additions of a training step on texts of these lengths, their real tokens alone.

        A forward pass; a backward pass takes twice as many (Kaplan et al., arXiv 2001.08361, section 2.1).
        """
        tokens, pairs = float(lengths.sum()), float((lengths.astype(np.float64) ** 2).sum())
        products = 2 * tokens * (4 * self.hidden**2 + 2 * self.hidden * self.inner)
        attention = 2 * 2 * pairs * self.hidden
        return 3 * self.layers * (products + attention)


def train_tagnet(recipe: str, steps: int, seed: int, more: list[str]) -> None:
    """`tagnet train` as its users run it."""
    import pytorch_lightning as pl

    from tagnet.cli.compose import train_config
    from tagnet.training.fit import fit

    class Steps(pl.Callback):
        clock: Clock | None = None

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if self.clock is None:
                self.clock = Clock("tagnet", steps, sizes_of(module.network.encoder.config))
            self.clock.step(batch.mask_ST.sum(1).numpy())

        def on_validation_start(self, trainer: Any, module: Any) -> None:
            if self.clock is not None:
                self.clock.pause()

        def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
            if self.clock is not None:
                self.clock.resume()

    folder = f"/tmp/tagnet-speed-{os.getpid()}"
    words = (f"experiment={recipe}", f"trainer.batch_size={BATCH}", "logger=none", f"run.seed={seed}")
    fit(train_config(*words, *more, f"run.dir={folder}"), callbacks=[Steps()])


@dataclass(frozen=True)
class Sides:
    """A recipe's texts and labels, as other trainers take them."""

    parts: dict[str, tuple[list[str], np.ndarray[Any, Any]]]
    """"train" and "val": N texts, and labels (N, K)."""
    max_tokens: int
    num_tags: int


def read_sides(recipe: str) -> Sides:
    """What `tagnet train experiment=RECIPE` trains and is validated on."""
    from tagnet.cli.compose import train_config
    from tagnet.data.prepare import prepare

    config = train_config(f"experiment={recipe}", "run.dir=/tmp/unused")
    prepared = prepare(config)
    y_NK = prepared.corpus.y_NK.astype(np.float32)
    parts = {
        name: ([prepared.texts[i] for i in side], y_NK[side])
        for name, side in (("train", prepared.split.train), ("val", prepared.split.val))
    }
    return Sides(parts, config.data.max_tokens or PADDED_TO, y_NK.shape[1])


def classifier(num_tags: int) -> tuple[Any, Any]:
    """transformers' own classifier on the embedded encoder, and its tokenizer."""
    import transformers
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from tagnet.model.embedded import embedded_folder

    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    folder = str(embedded_folder())
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=num_tags, problem_type="multi_label_classification"
    )
    return model, AutoTokenizer.from_pretrained(folder)


def tokenized(tokenizer: Any, texts: list[str], y_NK: np.ndarray[Any, Any], **settings: Any) -> list[dict[str, Any]]:
    """Rows as the Trainer reads them."""
    encoded = tokenizer(texts, truncation=True, **settings)
    names = ("input_ids", "attention_mask")
    return [{name: encoded[name][i] for name in names} | {"labels": y_NK[i]} for i in range(len(texts))]


def tuned_arguments() -> dict[str, Any]:
    """What makes the Trainer as quick as it can be: batches of like length, fused AdamW, nothing saved or logged."""
    return _PLAIN | {"train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused"}


_PLAIN: dict[str, Any] = {
    "per_device_train_batch_size": BATCH,
    "use_cpu": True,
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}


def train_transformers(recipe: str, steps: int, seed: int, *, tuned: bool, bf16: bool, name: str) -> None:
    """transformers' Trainer: as its multi-label example is run, or tuned."""
    from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments, default_data_collator

    sides = read_sides(recipe)
    model, tokenizer = classifier(sides.num_tags)
    padding: dict[str, Any] = {} if tuned else {"padding": "max_length"}
    longest = sides.max_tokens if tuned else PADDED_TO
    rows = tokenized(tokenizer, *sides.parts["train"], max_length=longest, **padding)
    clock = Clock(name, steps, sizes_of(model.config))
    collate = DataCollatorWithPadding(tokenizer) if tuned else default_data_collator

    lengths: list[np.ndarray[Any, Any]] = []

    def counted(features: list[dict[str, Any]]) -> Any:
        batch = collate(features)
        lengths.append(batch["attention_mask"].sum(1).numpy())
        return batch

    class Steps(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.step(lengths[state.global_step - 1])

    arguments = TrainingArguments(
        output_dir=f"/tmp/trainer-speed-{os.getpid()}",
        learning_rate=1e-4,
        num_train_epochs=3,
        bf16=bf16,
        seed=seed,
        **(tuned_arguments() if tuned else _PLAIN),
    )
    Trainer(model=model, args=arguments, train_dataset=rows, data_collator=counted, callbacks=[Steps()]).train()


def sizes_of(config: Any) -> Sizes:
    """The sizes of a BERT's settings."""
    return Sizes(config.num_hidden_layers, config.hidden_size, config.intermediate_size)


def matrix_rates() -> dict[str, float]:
    """Floating-point operations a second of this machine's matrix products, the best of a layer's shapes and a cube."""
    shapes = [(1024, 384, 1152), (1024, 384, 1536), (1024, 1536, 384), (384, 1024, 1536), (2048, 2048, 2048)]
    rates = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        best = 0.0
        for rows, inner, columns in shapes:
            a, b = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
            seconds = []
            for _ in range(25):
                start = time.perf_counter()
                torch.mm(a, b)
                seconds.append(time.perf_counter() - start)
            best = max(best, 2 * rows * inner * columns / float(np.median(seconds)))
        rates[name] = best
    return rates


CONTENDERS = ("trainer_padded", "trainer_tuned", "trainer_tuned_bf16", "tagnet", "tagnet_float32", "rates")


def main() -> None:
    """Run one contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--recipe", default="madewithml_b")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if given.contender == "rates":
        print(json.dumps(matrix_rates()))
    elif given.contender.startswith("tagnet"):
        more = ["trainer.precision=32-true"] if given.contender == "tagnet_float32" else []
        train_tagnet(given.recipe, given.steps, given.seed, more)
    else:
        tuned, bf16 = "tuned" in given.contender, given.contender.endswith("bf16")
        train_transformers(given.recipe, given.steps, given.seed, tuned=tuned, bf16=bf16, name=given.contender)
    if given.contender != "rates":
        sys.exit("the corpus ended before the steps did")


if __name__ == "__main__":
    main()
