"""Packed training computes what the encoder's own forward computes, and its gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel, XLMRobertaConfig, XLMRobertaModel

from tagnet.model import packed as packed_module
from tagnet.model.packed import Packing, can_pack, packed_states, rounded

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 24,
}
FAMILIES: dict[str, tuple[Any, Any]] = {
    "bert": (BertModel, BertConfig),
    "roberta": (RobertaModel, RobertaConfig),
    "xlm-roberta": (XLMRobertaModel, XLMRobertaConfig),
}


def encoder(family: str = "bert", rate: float = 0.0, **more: Any) -> Any:
    torch.manual_seed(0)
    model, config = FAMILIES[family]
    made = config(**SIZES, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate, **more)
    return model(made, add_pooling_layer=False).train()


def mask_of(lengths: list[int]) -> Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def states_and_gradients(module: Any, states: Tensor, mask_BT: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    module.zero_grad()
    states = states * mask_BT[:, :, None]
    (states * torch.linspace(-1, 1, states.numel()).view(states.shape)).sum().backward()  # type: ignore[no-untyped-call]
    return states.detach(), {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("few_shapes", [False, True])
@pytest.mark.parametrize("family", sorted(FAMILIES))
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_states_and_gradients_are_the_encoders_own(
    family: str, few_shapes: bool, lengths: list[int], seed: int
) -> None:
    module, mask_BT = encoder(family), mask_of(lengths)
    ids_BT = torch.randint(3, 50, mask_BT.shape, generator=torch.Generator().manual_seed(seed))
    ids_BT = torch.where(mask_BT > 0, ids_BT, module.config.pad_token_id)
    own, own_gradients = states_and_gradients(
        module, module(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state, mask_BT
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_module, "compiles_each_shape", lambda: few_shapes)
        packed, gradients = states_and_gradients(module, packed_states(module, ids_BT, mask_BT), mask_BT)
    torch.testing.assert_close(packed, own, rtol=1e-4, atol=1e-5)
    assert gradients.keys() == own_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, own_gradients[name], rtol=1e-3, atol=1e-4, msg=name)


def test_half_precision_is_close() -> None:
    module, mask_BT = encoder(), mask_of([7, 4])
    ids_BT = torch.arange(14).view(2, 7) + 3
    with torch.autocast("cpu", torch.bfloat16):
        half = packed_states(module, ids_BT, mask_BT)
    torch.testing.assert_close(half.float(), packed_states(module, ids_BT, mask_BT), rtol=0.05, atol=0.05)


def test_padding_gets_nothing_and_says_nothing() -> None:
    module, mask_BT = encoder(), mask_of([3, 6])
    ids_BT = torch.randint(3, 50, (2, 6))
    changed = ids_BT.clone()
    changed[0, 3:] = 7
    states = packed_states(module, ids_BT, mask_BT)
    assert torch.equal(states, packed_states(module, changed, mask_BT))
    assert not states[0, 3:].any()


def test_dropout_is_as_strong_as_the_encoders_own() -> None:
    module, mask_BT = encoder(rate=0.2), mask_of([9, 12, 12, 10])
    ids_BT = torch.randint(3, 50, mask_BT.shape)

    def spread(run: Any) -> float:
        torch.manual_seed(1)
        with torch.no_grad():
            return float((torch.stack([run() for _ in range(300)]).var(0) * mask_BT[:, :, None]).mean())

    own = spread(lambda: module(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state)
    assert spread(lambda: packed_states(module, ids_BT, mask_BT)) == pytest.approx(own, rel=0.05)


def test_the_seed_of_pytorch_decides_what_is_dropped() -> None:
    module, mask_BT = encoder(rate=0.2), mask_of([5, 5])
    ids_BT = torch.randint(3, 50, mask_BT.shape)

    def once(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return packed_states(module, ids_BT, mask_BT)

    assert torch.equal(once(1), once(1))
    assert not torch.equal(once(1), once(2))


@pytest.mark.parametrize("more", [{"hidden_act": "relu"}, {"is_decoder": True}])
def test_other_architectures_are_not_packed(more: dict[str, Any]) -> None:
    assert can_pack(encoder())
    assert not can_pack(encoder("bert", 0.0, **more))


def test_what_is_no_plain_layer_is_not_packed() -> None:
    module: Any = encoder()
    module.encoder.layer[1].attention.self.value = nn.Sequential(module.encoder.layer[1].attention.self.value)
    assert not can_pack(module)
    assert not can_pack(nn.Linear(2, 2))


def test_a_packing_knows_each_token() -> None:
    packing = Packing.of(torch.tensor([[1, 1, 0], [1, 1, 1]]))
    assert packing.token_M.tolist() == [0, 1, 3, 4, 5]
    assert packing.row_BT.tolist() == [[0, 1, 0], [2, 3, 4]]


@given(number=st.integers(1, 10**6))
def test_few_numbers_are_computed_with_and_none_an_eighth_too_large(number: int) -> None:
    assert number <= rounded(number) < number * 9 / 8
    assert rounded(rounded(number)) == rounded(number)
    octave = range(1 << (number.bit_length() - 1), 1 << number.bit_length())
    assert len({rounded(each) for each in octave[:: max(1, len(octave) // 64)]}) <= 9


def test_products_in_half_precision_have_few_shapes() -> None:
    module = encoder()
    shapes: set[tuple[int, ...]] = set()
    for layer in module.encoder.layer:
        layer.output.dense.register_forward_hook(lambda _, inputs, __: shapes.add(tuple(inputs[0].shape)))
    with torch.autocast("cpu", torch.bfloat16):
        for length in range(10, 21):
            mask_BT = mask_of([length] * 10)
            packed_states(module, mask_BT * 7, mask_BT)
    assert {rows for rows, _ in shapes} == {rounded(10 * length) for length in range(10, 21)}
    assert len(shapes) < 11
