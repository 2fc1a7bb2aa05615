"""A BERT-like encoder run on the tokens of a batch and not on its padding, with dropout that is drawn quickly.

For training on a processor, where every multiplication counts. What it computes is what the encoder's own forward
computes (Devlin et al., NAACL 2019; the layers' weights are the module's own), but for rounding and for which numbers
dropout draws.

Shapes: B texts, T tokens of the longest, M tokens of all texts, R ≥ M rows that are computed, H hidden width, A heads,
D width of a head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tagnet.model.quick_dropout import KeepMasks, dropout_add

_POSITIONS_AFTER_PADDING = {"bert": False, "roberta": True, "xlm-roberta": True}


@dataclass(frozen=True)
class Packing:
    """Where the tokens of a padded batch lie once the padding is left out."""

    shape: tuple[int, int]
    """B, T."""
    token_M: Tensor
    """The place of each token in the flattened batch, B · T."""
    row_BT: Tensor
    """The row of each place among the M tokens; at padding, row 0."""
    is_token_BT: Tensor
    """Whether a place holds a token."""
    num_rows: int
    """R: rows from M on are no tokens. None attends to them, and they get no gradient."""

    @classmethod
    def of(cls, mask_BT: Tensor, *, few_shapes: bool = False) -> Packing:
        """The packing of a batch whose mask is 1 at tokens and 0 at padding.

        Args:
            mask_BT: the mask.
            few_shapes: whether rows are added up to one of few numbers, see `rounded`.

        >>> Packing.of(torch.tensor([[1, 1], [1, 0]])).row_BT
        tensor([[0, 1],
                [2, 0]])
        """
        is_token_BT = mask_BT.bool()
        flat = is_token_BT.flatten()
        row_BT = (flat.cumsum(0) - 1).masked_fill_(~flat, 0).view(mask_BT.shape)
        token_M = flat.nonzero().squeeze(1)
        num_rows = rounded(len(token_M)) if few_shapes else len(token_M)
        return cls((mask_BT.shape[0], mask_BT.shape[1]), token_M, row_BT, is_token_BT, num_rows)


def rounded(number: int) -> int:
    """The next of few numbers, less than an eighth larger.

    >>> [rounded(number) for number in (7, 100, 129, 1000)]
    [7, 104, 144, 1024]
    """
    step = 1 << max(0, number.bit_length() - 4)
    return -(-number // step) * step


def compiles_each_shape() -> bool:
    """Whether code is compiled for each new shape of a product, which takes as long as several products.

    oneDNN does so in bfloat16, which is what autocast is used for on a processor; in float32 PyTorch has MKL multiply.
    """
    return torch.is_autocast_enabled("cpu")


def can_pack(encoder: nn.Module) -> bool:
    """Whether `packed_states` computes what this encoder does: BERT and RoBERTa with GELU, as transformers has them."""
    module: Any = encoder
    config = getattr(module, "config", None)
    return (
        getattr(config, "model_type", None) in _POSITIONS_AFTER_PADDING
        and getattr(config, "hidden_act", None) == "gelu"
        and getattr(config, "position_embedding_type", "absolute") in (None, "absolute")
        and not getattr(config, "is_decoder", False)
        and all(type(linear) is nn.Linear for layer in module.encoder.layer for linear in _linears(layer))
    )


def _linears(layer: Any) -> tuple[nn.Module, ...]:
    """What a layer multiplies with. An adapter would stand in the place of one, and compute something else."""
    own = layer.attention.self
    return own.query, own.key, own.value, layer.attention.output.dense, layer.intermediate.dense, layer.output.dense


def packed_states(encoder: nn.Module, input_ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The encoder's last hidden states, (B, T, H), in training mode; 0 at padding.

    Args:
        encoder: one that `can_pack`.
        input_ids_BT: token ids.
        mask_BT: 1 at tokens, 0 at padding.
    """
    module: Any = encoder
    config = module.config
    width = mask_BT.shape[1]
    few_shapes = compiles_each_shape()
    if few_shapes:
        more = (0, rounded(width) - width)
        input_ids_BT, mask_BT = nn.functional.pad(input_ids_BT, more), nn.functional.pad(mask_BT, more)
    packing = Packing.of(mask_BT, few_shapes=few_shapes)
    masks = KeepMasks.seeded_by_torch()
    states_MH = _embed(module.embeddings, config, input_ids_BT, packing, masks)
    num_tokens = len(states_MH)
    states_RH = nn.functional.pad(states_MH, (0, 0, 0, packing.num_rows - num_tokens)) if few_shapes else states_MH
    for layer in module.encoder.layer:
        states_RH = _layer(layer, config, states_RH, packing, masks)
    states_MH = states_RH[:num_tokens] if few_shapes else states_RH
    padded = states_MH.new_zeros(mask_BT.numel(), states_MH.shape[1])
    return padded.index_copy(0, packing.token_M, states_MH).view(*packing.shape, -1)[:, :width]


def _embed(embeddings: Any, config: Any, input_ids_BT: Tensor, packing: Packing, masks: KeepMasks) -> Tensor:
    ids_M = input_ids_BT.flatten()[packing.token_M]
    place_M = (packing.is_token_BT.cumsum(1) - 1).flatten()[packing.token_M]
    if _POSITIONS_AFTER_PADDING[config.model_type]:
        place_M = place_M + config.pad_token_id + 1
    words_MH = embeddings.word_embeddings(ids_M)
    summed_MH = words_MH + embeddings.position_embeddings(place_M) + embeddings.token_type_embeddings.weight[0]
    return dropout_add(embeddings.LayerNorm(summed_MH), None, config.hidden_dropout_prob, masks)


def _layer(layer: Any, config: Any, states_RH: Tensor, packing: Packing, masks: KeepMasks) -> Tensor:
    attention, rate = layer.attention, config.hidden_dropout_prob
    own, out = attention.self, attention.output
    projections = (own.query, own.key, own.value)
    qkv_R3H = nn.functional.linear(
        states_RH, torch.cat([each.weight for each in projections]), torch.cat([each.bias for each in projections])
    )
    mixed_RH = attend(qkv_R3H, packing, config.num_attention_heads, config.attention_probs_dropout_prob, masks)
    states_RH = out.LayerNorm(dropout_add(out.dense(mixed_RH), states_RH, rate, masks))
    inner = nn.functional.gelu(layer.intermediate.dense(states_RH))
    return layer.output.LayerNorm(dropout_add(layer.output.dense(inner), states_RH, rate, masks))  # type: ignore[no-any-return]


def attend(qkv_R3H: Tensor, packing: Packing, num_heads: int, rate: float, masks: KeepMasks) -> Tensor:
    """Softmax attention of each text's tokens to one another (Vaswani et al., NeurIPS 2017, section 3.2): (R, H).

    Args:
        qkv_R3H: queries, keys and values side by side, (R, 3 · H).
        packing: of the batch.
        num_heads: A.
        rate: dropout on the weights of attention.
        masks: where its masks come from.
    """
    num_texts, width = packing.shape
    keep = masks.draw((num_texts * num_heads, width, width), rate, qkv_R3H.dtype) if rate else None
    mixed: Tensor = _Attention.apply(qkv_R3H, packing, num_heads, keep)  # type: ignore[no-untyped-call]
    return mixed


class _Attention(torch.autograd.Function):
    """Backward by hand: each step writes where the one before no longer reads, and rows move with one copy each."""

    @staticmethod
    def forward(ctx: Any, qkv_R3H: Tensor, packing: Packing, num_heads: int, keep: Tensor | None) -> Tensor:
        num_texts, width = packing.shape
        size = qkv_R3H.shape[1] // (3 * num_heads)
        query, key, value = _to_heads(qkv_R3H, packing, 3, num_heads)
        scores = torch.baddbmm(query.new_empty(()), query, key.mT, beta=0, alpha=1 / math.sqrt(size))
        padding = (~packing.is_token_BT).view(num_texts, 1, 1, width)
        if bool(padding.any()):
            scores.view(num_texts, num_heads, width, width).masked_fill_(padding, -torch.inf)
        weights = scores.softmax(-1)
        kept = weights if keep is None else weights * keep
        mixed = torch.bmm(kept, value)
        ctx.save_for_backward(query, key, value, weights, keep)
        ctx.packing, ctx.num_heads = packing, num_heads
        return _from_heads(mixed[None], packing, num_heads)

    @staticmethod
    def backward(ctx: Any, grad_RH: Tensor) -> tuple[Tensor, None, None, None]:
        query, key, value, weights, keep = ctx.saved_tensors
        packing, num_heads = ctx.packing, ctx.num_heads
        num_texts, width = packing.shape
        size = query.shape[-1]
        (grad,) = _to_heads(grad_RH, packing, 1, num_heads)
        # Queries at padding were computed, but nobody reads them: they get no gradient and give none.
        grad.view(num_texts, num_heads, width, size).mul_(packing.is_token_BT[:, None, :, None])
        kept = weights if keep is None else weights * keep
        grad_qkv = torch.empty((3, *query.shape), dtype=query.dtype)
        torch.bmm(kept.mT, grad, out=grad_qkv[2])
        grad_weights = torch.bmm(grad, value.mT)
        if keep is not None:
            grad_weights.mul_(keep)
        grad_scores = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
        scale = 1 / math.sqrt(size)
        torch.baddbmm(grad_qkv[0], grad_scores, key, beta=0, alpha=scale, out=grad_qkv[0])
        torch.baddbmm(grad_qkv[1], grad_scores.mT, query, beta=0, alpha=scale, out=grad_qkv[1])
        return _from_heads(grad_qkv, packing, num_heads), None, None, None


def _to_heads(rows: Tensor, packing: Packing, parts: int, num_heads: int) -> Tensor:
    """(R, parts · A · D) as (parts, B · A, T, D); padding repeats row 0."""
    num_texts, width = packing.shape
    per_row = parts * num_heads
    start_B1T = (packing.row_BT * per_row).unsqueeze(1)
    part_P1A1 = torch.arange(per_row).view(parts, 1, num_heads, 1)
    index = (start_B1T + part_P1A1).flatten()
    pieces = rows.reshape(rows.shape[0] * per_row, -1)
    return pieces.index_select(0, index).view(parts, num_texts * num_heads, width, -1)


def _from_heads(heads: Tensor, packing: Packing, num_heads: int) -> Tensor:
    """(parts, B · A, T, D) as (R, parts · A · D), 0 in rows that are no tokens."""
    parts, size = heads.shape[0], heads.shape[-1]
    num_texts, width = packing.shape
    text_M, place_M = packing.token_M // width, packing.token_M % width
    start_M = text_M * num_heads * width + place_M
    offset_PA = torch.arange(parts)[:, None] * (num_texts * num_heads * width) + torch.arange(num_heads) * width
    index = (start_M[:, None, None] + offset_PA).flatten()
    rows = heads.new_empty(packing.num_rows * parts * num_heads, size)
    torch.index_select(heads.reshape(-1, size), 0, index, out=rows[: len(index)])
    rows[len(index) :] = 0
    return rows.view(packing.num_rows, -1)
