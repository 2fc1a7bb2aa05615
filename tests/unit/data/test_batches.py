"""Batches of like length: every index once, pure in (seed, epoch), little padding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tagnet.data.batches import collate, plan_epoch
from tagnet.data.padding import plan_in_order_of_length
from tagnet.data.tokens import TokenizedTexts, tokenize
from tagnet.model.embedded import embedded_folder

Lengths = NDArray[np.int64]


def texts_of(lengths: list[list[int]]) -> TokenizedTexts:
    """Texts of sequences of these lengths; token ids count up from 100."""
    flat = [length for text in lengths for length in text]
    return TokenizedTexts(
        token_ids=np.arange(100, 100 + sum(flat), dtype=np.int32),
        sequence_starts=np.cumsum([0, *flat]),
        text_starts=np.cumsum([0, *map(len, lengths)]),
        over_limit_N=np.zeros(len(lengths), np.bool_),
        max_tokens=512,
    )


# ------------------------------------------------------------------------------------------------------------- plans


@given(
    lengths=st.lists(st.integers(1, 300), max_size=300),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 2**31 - 1),
    epoch=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_an_epoch_shows_every_index_once(lengths: list[int], batch_size: int, seed: int, epoch: int) -> None:
    lengths_N = np.array(lengths, dtype=np.int64)
    indices = np.flatnonzero(lengths_N % 2)
    batches = plan_epoch(lengths_N, indices, batch_size, seed, epoch)
    assert sorted(np.concatenate([np.zeros(0, np.int64), *batches])) == indices.tolist()
    sizes = [len(batch) for batch in batches]
    assert len(sizes) == -(-len(indices) // batch_size)
    assert sum(size < batch_size for size in sizes) <= 1
    again = plan_epoch(lengths_N, indices, batch_size, seed, epoch)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]


def test_what_is_repeated_is_shown_as_often() -> None:
    batches = plan_epoch(np.array([3, 4, 5]), np.array([2, 2, 0, 2]), 2, seed=0, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == [0, 2, 2, 2]


def test_epochs_and_seeds_differ_in_order_and_in_company() -> None:
    lengths_N = np.random.default_rng(0).integers(5, 50, 400)
    plans = [
        {frozenset(batch.tolist()) for batch in plan_epoch(lengths_N, np.arange(400), 8, seed, epoch)}
        for seed, epoch in [(0, 0), (0, 1), (1, 0)]
    ]
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        assert len(plans[one] & plans[other]) < 5


def test_lengths_come_in_no_order() -> None:
    lengths_N = np.random.default_rng(0).integers(5, 50, 2000)
    batches = plan_epoch(lengths_N, np.arange(2000), 8, seed=0, epoch=0)
    means = np.array([lengths_N[batch].mean() for batch in batches])
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.2


def test_a_plan_is_the_same_in_another_process(repository: Path) -> None:
    script = (
        "import numpy as np; from tagnet.data.batches import plan_epoch\n"
        "print([b.tolist() for b in plan_epoch(np.arange(40) % 7, np.arange(40), 4, 3, 5)])"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    here = [batch.tolist() for batch in plan_epoch(np.arange(40) % 7, np.arange(40), 4, 3, 5)]
    assert other.stdout.strip() == str(here), other.stderr


def padded_share(batches: list[Lengths], lengths_N: Lengths) -> float:
    padded = sum(len(batch) * lengths_N[batch].max() for batch in batches)
    return float(1 - lengths_N.sum() / padded)


@pytest.mark.parametrize(("num_texts", "batch_size"), [(1000, 16), (20_000, 32)])
def test_little_is_padding(num_texts: int, batch_size: int) -> None:
    lengths_N = np.maximum(3, np.random.default_rng(0).lognormal(3.4, 0.4, num_texts)).astype(np.int64)
    planned = padded_share(plan_epoch(lengths_N, np.arange(num_texts), batch_size, 0, 0), lengths_N)
    shuffled = np.random.default_rng(0).permutation(num_texts)
    random = padded_share(np.array_split(shuffled, num_texts // batch_size), lengths_N)
    assert planned < 0.15
    assert planned < random / 3
    assert padded_share(plan_in_order_of_length(lengths_N, batch_size), lengths_N) < 0.03


# ----------------------------------------------------------------------------------------------------------- collate


def test_a_batch_by_hand() -> None:
    targets_NK = np.array([[0, 1], [1, 0], [0.5, 1]], dtype=np.float32)
    known_NK = np.array([[True, True], [True, False], [False, True]])
    batch = collate(texts_of([[2], [3], [1]]), [2, 0], 7, targets_NK[[2, 0]], known_NK[[2, 0]])
    assert batch.index_B.tolist() == [2, 0]
    assert batch.input_ids_ST.tolist() == [[105, 7], [100, 101]]
    assert batch.mask_ST.tolist() == [[1, 0], [1, 1]]
    assert batch.text_of_S is None
    assert batch.targets_BK is not None
    assert batch.targets_BK.tolist() == [[0.5, 1], [0, 1]]
    assert batch.known_BK is not None
    assert batch.known_BK.tolist() == [[False, True], [True, True]]
    assert (batch.input_ids_ST.dtype, batch.mask_ST.dtype, batch.targets_BK.dtype) == (
        torch.int64,
        torch.int64,
        torch.float32,
    )


def test_windows_by_hand() -> None:
    batch = collate(texts_of([[2], [3, 3, 1], [4]]), [1, 0], 0)
    assert batch.input_ids_ST.tolist() == [[102, 103, 104], [105, 106, 107], [108, 0, 0], [100, 101, 0]]
    assert batch.mask_ST.tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert batch.text_of_S is not None
    assert batch.text_of_S.tolist() == [0, 0, 0, 1]
    assert batch.targets_BK is None
    assert batch.known_BK is None


def test_texts_of_one_window_each_need_no_map() -> None:
    assert collate(texts_of([[2], [3, 3]]), [0], 0).text_of_S is None


def test_an_empty_sequence_is_one_padding_token_that_counts() -> None:
    batch = collate(texts_of([[0], [2]]), [0, 1], 9)
    assert batch.input_ids_ST.tolist() == [[9, 9], [100, 101]]
    assert batch.mask_ST.tolist() == [[1, 0], [1, 1]]
    alone = collate(texts_of([[0], [2]]), [0], 9)
    assert alone.input_ids_ST.tolist() == [[9]]
    assert alone.mask_ST.tolist() == [[1]]


def test_an_empty_batch() -> None:
    batch = collate(texts_of([[2]]), [], 0)
    assert batch.input_ids_ST.shape == (0, 1)
    assert batch.mask_ST.shape == (0, 1)
    assert batch.index_B.tolist() == []


def test_a_batch_is_padded_to_its_own_longest() -> None:
    tokenizer = Tokenizer.from_file(str(embedded_folder() / "tokenizer.json"))
    tokens = tokenize(tokenizer, ["tiny", "graph " * 200, "a b"], 128)
    assert collate(tokens, [0, 2], 0).input_ids_ST.shape == (2, 4)
    assert collate(tokens, [0, 1], 0).input_ids_ST.shape == (2, 128)
