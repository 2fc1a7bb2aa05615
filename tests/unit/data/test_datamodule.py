"""Batches for one process or several: every record's say counts once, and an epoch goes on where it stopped."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagnet.config import NoSamplerConfig, OversampleConfig, SamplerConfig, TrainerConfig
from tagnet.data.batches import Batch
from tagnet.data.datamodule import Targets, TextDataModule, part_of_process
from tagnet.data.sides import Split
from tagnet.data.tokens import TokenizedTexts

N = 50
SPLIT = Split(train=np.arange(0, 37), val=np.arange(37, 45), test=np.arange(45, N))
LENGTHS_N = 3 + np.arange(N) * 7 % 40
SIZES = TrainerConfig(
    accelerator="cpu",
    strategy="single",
    devices=None,
    num_nodes=1,
    precision="32-true",
    compile=False,
    packing=None,
    gradient_checkpointing=False,
    batch_size=8,
    tags_at_once=None,
    eval_batch_size=3,
    accumulate=1,
    max_epochs=None,
    steps=10,
    epoch_range=(1, 1),
    patience=None,
    checkpoint_steps=None,
    monitor="val.map",
)


def module(
    *, epoch: int = 0, rank: int = 0, processes: int = 1, targets: Targets | None = None, **more: Any
) -> TextDataModule:
    """A data module of 50 texts, under a trainer at this epoch in this process of several."""
    starts = np.concatenate([[0], np.cumsum(LENGTHS_N)])
    texts = TokenizedTexts(
        np.arange(starts[-1], dtype=np.int32), starts, np.arange(N + 1), np.zeros(N, np.bool_), max_tokens=64
    )
    y_NK = np.stack([np.arange(N) % 2, np.arange(N) % 10 == 0], axis=1).astype(np.uint8)
    sampler: SamplerConfig = more.get("sampler", NoSamplerConfig("none"))
    data = TextDataModule(
        texts, targets or Targets(y_NK.astype(np.float32)), y_NK, SPLIT, 0, sampler, SIZES, more.get("seed", 3)
    )
    data.trainer = cast(Any, SimpleNamespace(current_epoch=epoch, global_rank=rank, world_size=processes))
    return data


def rows(batches: list[Batch]) -> list[list[int]]:
    return [batch.index_B.tolist() for batch in batches]


def flat(batches: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(batches))


def train(data: TextDataModule) -> list[Batch]:
    return list(data.train_dataloader())


# -------------------------------------------------------------------------------------------------- parts of a batch


@given(size=st.integers(1, 40), processes=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_mean_over_the_processes_is_the_mean_of_the_batch(size: int, processes: int, seed: int) -> None:
    loss_of = np.random.default_rng(seed).normal(size=100)
    index_G = np.random.default_rng(seed + 1).permutation(100)[:size].astype(np.int64)
    parts = [part_of_process(index_G, rank, processes) for rank in range(processes)]
    assert all(len(part.index_B) > 0 for part in parts)
    mean_of_processes = np.mean([part.share * loss_of[part.index_B].mean() for part in parts])
    assert mean_of_processes == pytest.approx(loss_of[index_G].mean())
    assert np.sum([part.share for part in parts]) == pytest.approx(processes)
    shown = [i for part in parts if part.share > 0 for i in part.index_B.tolist()]
    assert sorted(shown) == sorted(index_G.tolist())


# ---------------------------------------------------------------------------------------------------------- training


def test_an_epoch_shows_every_training_record_once_and_no_other() -> None:
    shown = rows(train(module()))
    assert sorted(flat(shown)) == SPLIT.train.tolist()
    assert sorted(map(len, shown)) == [5, 8, 8, 8, 8]


def test_epochs_differ_and_each_is_the_same_again() -> None:
    assert rows(train(module(epoch=1))) == rows(train(module(epoch=1)))
    assert rows(train(module(epoch=1))) != rows(train(module(epoch=0)))
    assert rows(train(module(seed=4))) != rows(train(module(seed=3)))


def test_the_sampler_chooses_among_training_records_alone() -> None:
    shown = flat(rows(train(module(sampler=OversampleConfig("oversample", 0.5)))))
    assert len(shown) > len(SPLIT.train)
    assert set(shown) == set(SPLIT.train.tolist())


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_processes_share_the_batches_of_one(processes: int) -> None:
    whole = rows(train(module(epoch=2)))
    parts = [train(module(epoch=2, rank=rank, processes=processes)) for rank in range(processes)]
    assert {len(part) for part in parts} == {len(whole)}
    for number, batch in enumerate(whole):
        counted = [part[number] for part in parts if part[number].share > 0]
        assert sorted(flat(rows(counted))) == sorted(batch)


@pytest.mark.parametrize("done", [0, 1, 3, 5])
def test_an_epoch_goes_on_after_the_batches_that_are_done(done: int) -> None:
    whole = rows(train(module(epoch=2)))
    data = module(epoch=2)
    data.load_state_dict({"epoch": 2, "batches_done": done})
    assert data.state_dict() == {"epoch": 2, "batches_done": done}
    loader = data.train_dataloader()
    # Lightning learns from the length where an epoch ends, and counts from the batches that are done.
    assert len(loader) == len(whole)
    assert rows(list(loader)) == whole[done:]


def test_the_place_in_one_epoch_means_nothing_in_another() -> None:
    data = module(epoch=3)
    data.place = (2, 4)
    assert rows(train(data)) == rows(train(module(epoch=3)))


def test_soft_targets_and_unknown_cells_reach_the_batch() -> None:
    random = np.random.default_rng(0)
    targets_NK: NDArray[np.float32] = random.random((N, 2)).astype(np.float32)
    known_NK: NDArray[np.bool_] = random.random((N, 2)) < 0.5
    batch = train(module(targets=Targets(targets_NK, known_NK)))[0]
    index = batch.index_B.numpy()
    assert batch.targets_BK is not None
    assert batch.known_BK is not None
    np.testing.assert_array_equal(batch.targets_BK.numpy(), targets_NK[index])
    np.testing.assert_array_equal(batch.known_BK.numpy(), known_NK[index])


# -------------------------------------------------------------------------------------------------------- validation


def test_validation_goes_from_the_longest_to_the_shortest() -> None:
    shown = flat(rows(list(module().val_dataloader())))
    assert sorted(shown) == SPLIT.val.tolist()
    lengths = LENGTHS_N[shown]
    assert (np.diff(lengths) <= 0).all()


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_every_process_validates_as_many_batches_and_none_is_left_out(processes: int) -> None:
    parts = [rows(list(module(rank=rank, processes=processes).val_dataloader())) for rank in range(processes)]
    assert len({len(part) for part in parts}) == 1
    assert {i for part in parts for batch in part for i in batch} == set(SPLIT.val.tolist())
