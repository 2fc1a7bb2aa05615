"""How much work a fixed small job is: counted, not timed, so that a slower design is seen on any machine.

A bound that breaks is either a fault or a decision; in the latter case it is written anew, with the reason.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tagnet.cli.compose import train_config
from tagnet.data.batches import plan_epoch
from tagnet.data.padding import plan_in_order_of_length
from tagnet.data.prepare import Prepared, prepare
from tagnet.data.tokens import TokenizedTexts, tokenize
from tagnet.model.encoder import load_encoder
from tagnet.model.packed import packed_states

JOB = ("encoder=tiny", "trainer=cpu", "trainer.batch_size=16", "trainer.max_epochs=2", "evaluation.baselines=[]")
MOST_PADDED = 0.13
"""Of the places in an epoch's batches; lengths are jittered by 15% on purpose."""
MOST_PADDED_IN_PREDICTION = 0.025
MOST_SHAPES = 30
MOST_MEGABYTES = 260
"""Of the job beyond what PyTorch, transformers and Lightning take by being imported."""

_PEAK = "import resource; print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))"
_BARE = f"import torch, transformers, pytorch_lightning, sklearn, pyarrow.parquet, matplotlib\n{_PEAK}"
_RUN = (
    "import sys\nfrom tagnet.cli.compose import train_config\nfrom tagnet.training.fit import fit\n"
    f"fit(train_config(*sys.argv[1:]))\n{_PEAK}"
)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(train_config(*JOB))


@pytest.fixture(scope="module")
def tokens(prepared: Prepared) -> TokenizedTexts:
    return tokenize(load_encoder("tiny").tokenizer, prepared.texts, 256)


def padded_share(batches: list[np.ndarray[tuple[int], np.dtype[np.int64]]], lengths_N: np.ndarray) -> float:
    places = sum(len(batch) * int(lengths_N[batch].max()) for batch in batches)
    return 1 - sum(int(lengths_N[batch].sum()) for batch in batches) / places


def test_little_is_padding_and_shapes_are_few(prepared: Prepared, tokens: TokenizedTexts) -> None:
    train, lengths_N = prepared.split.train, tokens.lengths_N
    batches = plan_epoch(lengths_N, train, 16, 0, 0)
    assert len(batches) == math.ceil(len(train) / 16)
    assert padded_share(batches, lengths_N) <= MOST_PADDED
    assert len({(len(batch), int(lengths_N[batch].max())) for batch in batches}) <= MOST_SHAPES
    assert padded_share(plan_in_order_of_length(lengths_N, 64), lengths_N) <= MOST_PADDED_IN_PREDICTION


def test_a_packed_encoder_multiplies_tokens_alone(prepared: Prepared, tokens: TokenizedTexts) -> None:
    encoder = load_encoder("tiny").module.train()
    rows: list[int] = []
    for module in encoder.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.register_forward_hook(lambda _, given, __: rows.append(given[0].shape[0]))
    index = plan_epoch(tokens.lengths_N, prepared.split.train, 16, 0, 0)[0]
    lengths = torch.from_numpy(tokens.lengths_N[index])
    mask_BT = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    packed_states(encoder, mask_BT * 1000, mask_BT)
    assert rows == [int(lengths.sum())] * 5  # of the embeddings, and two in each of two layers


def test_steps_and_memory_of_a_run(tmp_path: Path, prepared: Prepared) -> None:
    folder = tmp_path / "run"
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", script, *words],
                capture_output=True,
                text=True,
                check=True,
                timeout=300,
            ).stdout.split()[-1]
        )
        for script, words in ((_BARE, ()), (_RUN, (*JOB, f"run.dir={folder}")))
    ]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = sum("train.loss" in line for line in lines)
    assert steps == 2 * math.ceil(len(prepared.split.train) / 16)
    assert len(lines) == steps + 2  # and a validation an epoch
    assert peaks[1] - peaks[0] <= MOST_MEGABYTES
