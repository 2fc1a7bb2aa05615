"""The Lightning module: what a step computes, what validation gathers, how gradients are clipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tagnet.cli.compose import train_config
from tagnet.data.batches import Batch
from tagnet.model.network import TaggerNetwork
from tagnet.training import module as module_file
from tagnet.training.module import TaggerModule

OPTIM = replace(
    train_config("run.dir=nowhere").optim,
    lr=1e-3,
    head_lr=1e-2,
    layer_decay=1.0,
    warmup=0.5,
    schedule="linear",
    clip_norm=1.0,
    fused=False,
)

Make = Callable[..., TaggerNetwork]


class Loss(nn.Module):
    """Binary cross-entropy that remembers what it was given."""

    def forward(self, logits_BK: Tensor, targets_BK: Tensor, known_BK: Tensor | None) -> Tensor:
        self.known_BK = known_BK
        return nn.functional.binary_cross_entropy_with_logits(logits_BK, targets_BK)


def batch(index: list[int], share: float = 1.0, num_tags: int = 3) -> Batch:
    """Texts whose tokens follow from their index."""
    index_B = torch.tensor(index)
    input_ids = 5 + (index_B[:, None] * 13 + torch.arange(6)) % 50
    targets = ((index_B[:, None] + torch.arange(num_tags)) % 2).float()
    return Batch(index_B, input_ids, torch.ones_like(input_ids), None, targets, targets > 2, share)


@pytest.fixture
def module(make_network: Make) -> TaggerModule:
    return TaggerModule(make_network(), Loss(), OPTIM, num_steps=4, seed=5)


def test_a_step_is_the_loss_of_the_batch_times_its_share(module: TaggerModule) -> None:
    one, part = batch([1, 2, 3]), batch([1, 2, 3], share=0.25)
    with torch.no_grad():
        logits_BK = module.network(one.input_ids_ST, one.mask_ST)
    loss = float(nn.functional.binary_cross_entropy_with_logits(logits_BK, cast(Tensor, one.targets_BK)))
    assert float(module.training_step(one, 0).detach()) == pytest.approx(loss)
    assert float(module.training_step(part, 0).detach()) == pytest.approx(loss / 4)
    assert module.loss.known_BK is part.known_BK
    # A process for which no text was left learns nothing from the one it reads.
    torch.autograd.backward(module.training_step(batch([1], share=0.0), 0))
    assert all(p.grad is None or not p.grad.any() for p in module.parameters())


def test_dropout_follows_from_seed_epoch_batch_and_process_alone(
    module: TaggerModule, make_network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(seed: int = 5, epoch: int = 0, number: int = 0, rank: int = 0) -> list[float]:
        torch.rand(int(torch.randint(1, 9, ()).item()))  # whatever came before
        one = TaggerModule(make_network(), Loss(), OPTIM, 4, seed)
        with monkeypatch.context() as patch:
            patch.setattr(TaggerModule, "current_epoch", epoch)
            patch.setattr(TaggerModule, "global_rank", rank)
            one.on_train_batch_start(batch([1]), number)
        return torch.rand(4).tolist()

    first = drawn()
    assert drawn() == first
    for other in ({"seed": 6}, {"epoch": 1}, {"number": 1}, {"rank": 1}):
        assert drawn(**other) != first, other


@torch.no_grad()
def test_validation_logits_stand_in_the_order_of_the_corpus(module: TaggerModule) -> None:
    module.on_validation_epoch_start()
    for index in ([7, 2], [9, 4, 3]):
        module.validation_step(batch(index), 0)
    index_V, logits_VK = module.validation_logits()
    assert index_V.tolist() == [2, 3, 4, 7, 9]
    assert logits_VK.dtype == np.float32
    for place, index in enumerate(index_V.tolist()):
        alone = batch([index])
        expected = module.network(alone.input_ids_ST, alone.mask_ST)[0].numpy()
        np.testing.assert_allclose(logits_VK[place], expected, atol=1e-5)
    module.on_validation_epoch_start()
    module.validation_step(batch([11]), 0)
    assert module.validation_logits()[0].tolist() == [11]


def test_validation_logits_of_all_processes_are_gathered_once(
    module: TaggerModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def gather(value: Any) -> list[Any]:
        calls.append(value)
        # The other process read text 2 too, to have as many batches.
        return [value, (np.array([8, 2]), np.array([[8.0] * 3, [2.0] * 3], np.float32))]

    monkeypatch.setattr(module_file, "gather", gather)
    module.on_validation_epoch_start()
    with torch.no_grad():
        module.validation_step(batch([5, 2]), 0)
    index_V, logits_VK = module.validation_logits()
    assert index_V.tolist() == [2, 5, 8]
    assert logits_VK.shape == (3, 3)
    assert logits_VK[2].tolist() == [8.0] * 3
    module.validation_logits()
    assert len(calls) == 1


@pytest.mark.parametrize("clip_norm", [0.25, 1e6, None])
def test_gradients_are_clipped_to_their_global_norm(clip_norm: float | None, make_network: Make) -> None:
    module = TaggerModule(make_network(), Loss(), replace(OPTIM, clip_norm=clip_norm), 4, 0)
    torch.autograd.backward(module.training_step(batch([1, 2, 3]), 0))

    def norm() -> float:
        return float(torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None]).norm())

    before = norm()
    assert 0.25 < before < 1e6
    module.configure_gradient_clipping(cast(Any, None))
    assert norm() == pytest.approx(0.25 if clip_norm == 0.25 else before, rel=1e-4)


def test_the_schedule_moves_with_every_optimizer_step(module: TaggerModule) -> None:
    module.trainer = cast(Any, SimpleNamespace(precision="32-true"))
    found = module.configure_optimizers()
    assert found["lr_scheduler"]["interval"] == "step"
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(4):
        rates.append(max(group["lr"] for group in optimizer.param_groups) / OPTIM.head_lr)
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.5])
    assert all(rate > 0 for rate in rates)
