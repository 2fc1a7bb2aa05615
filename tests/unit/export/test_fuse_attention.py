"""Attention as one node: it computes what it replaces, and replaces nothing that it does not compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

from tagnet.bundle import Bundle
from tagnet.export.fuse_attention import _is_padding, fuse_attention
from tagnet.prediction.onnx_folder import describe_onnx_folder
from tagnet.prediction.onnx_tagger import OnnxTagger

Export = Callable[..., tuple[Bundle, Path]]
TEXTS = ["a tiny sql engine", "graphs", "natural language " * 20, "", "x"]


@pytest.fixture
def folder(tiny_onnx: Export) -> Path:
    return tiny_onnx()[1]


@pytest.fixture
def model(folder: Path) -> ModelProto:
    return onnx.load(folder / "model.onnx")


def test_every_layer_is_fused_and_says_the_same(folder: Path, model: ModelProto) -> None:
    tagger = OnnxTagger.load(folder, threads=1)
    before_NK = tagger.probabilities(TEXTS)
    assert fuse_attention(model, "attention_mask") == 2
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MultiHeadAttention") == 2
    assert not {"Softmax", "IsNaN"} & set(kinds)
    onnx.save(model, folder / "model.onnx")
    describe_onnx_folder(tagger.described)
    np.testing.assert_allclose(OnnxTagger.load(folder, threads=1).probabilities(TEXTS), before_NK, atol=1e-5, rtol=0)


def test_a_mask_that_does_more_is_left_alone(model: ModelProto) -> None:
    masks = [node for node in model.graph.node if node.op_type == "Where"]
    zeros = {each.name for each in model.graph.initializer if numpy_helper.to_array(each).size == 1}
    for place, node in enumerate(masks):
        if node.input[1] in zeros:
            model.graph.initializer.append(numpy_helper.from_array(np.array(-1, np.float32), f"bias.{place}"))
            node.input[1] = f"bias.{place}"
    before = model.SerializeToString()
    assert fuse_attention(model, "attention_mask") == 0
    assert model.SerializeToString() == before


def test_a_model_without_attention_is_left_alone(model: ModelProto) -> None:
    for node in list(model.graph.node):
        if node.op_type == "Softmax":
            node.op_type = "LogSoftmax"
    assert fuse_attention(model, "attention_mask") == 0


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (lambda asks, key: key < 4, True),
        (lambda asks, key: (key < 4) & (key <= asks), False),
        (lambda asks, key: (key < 4) & (abs(key - asks) < 2), False),
        (lambda asks, key: key < 5, False),
    ],
    ids=["padding", "causal", "window", "one more"],
)
def test_which_masks_leave_out_padding_and_nothing_else(
    allowed: Callable[[np.ndarray, np.ndarray], np.ndarray], expected: bool
) -> None:
    asks_T1, key_T = np.arange(6)[:, None], np.arange(6)
    seen_TT = np.broadcast_to(allowed(asks_T1, key_T), (6, 6))
    mask_ST = (key_T < 4).astype(np.int64)[None]
    added = np.where(seen_TT, 0.0, -np.inf)[None, None]
    assert _is_padding(added, mask_ST) is expected


def test_another_mask_for_each_head_is_none() -> None:
    assert not _is_padding(np.zeros((1, 2, 6, 6)), np.ones((1, 6), dtype=np.int64))
