"""8 bits: small, near, and the same whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tagnet.bundle import Bundle
from tagnet.export.quantize import quantize
from tagnet.prediction.onnx_folder import describe_onnx_folder, read_onnx_folder
from tagnet.prediction.onnx_tagger import OnnxTagger, open_session

Export = Callable[..., tuple[Bundle, Path]]
TEXTS = ["a tiny sql engine", "graphs", "natural language " * 20, "", "x"]


@pytest.fixture
def taggers(tiny_onnx: Export, tmp_path: Path) -> tuple[OnnxTagger, OnnxTagger]:
    """Before and after."""
    _, folder = tiny_onnx()
    before = OnnxTagger.load(folder, threads=1)
    quantize(folder / "model.onnx", tmp_path / "small.onnx")
    (tmp_path / "small.onnx").replace(folder / "model.onnx")
    describe_onnx_folder(before.described)
    return before, OnnxTagger.load(folder, threads=1)


def test_it_is_small_and_near(taggers: tuple[OnnxTagger, OnnxTagger], tmp_path: Path) -> None:
    before, after = taggers
    np.testing.assert_allclose(after.probabilities(TEXTS), before.probabilities(TEXTS), atol=0.05, rtol=0)
    model = onnx.load(tmp_path / "onnx" / "model.onnx")
    kinds = {
        each.name: each.data_type
        for each in model.graph.initializer
        if np.prod(each.dims) >= 1024 and each.dims[-1] > 1
    }
    assert kinds
    assert not [name for name, kind in kinds.items() if kind == TensorProto.FLOAT]
    products = [node.op_type for node in model.graph.node]
    assert products.count("MatMulIntegerToFloat") == 2 * 6  # four of attention and two behind it, in two layers
    weights = {each.name: each for each in model.graph.initializer}
    assert weights["network.head.weight"].data_type == TensorProto.FLOAT


def test_a_text_is_told_the_same_in_any_company(taggers: tuple[OnnxTagger, OnnxTagger]) -> None:
    _, after = taggers
    together_NK = after.probabilities(TEXTS, batch_size=8)
    np.testing.assert_allclose(after.probabilities(TEXTS, batch_size=1), together_NK, atol=1e-5, rtol=0)
    np.testing.assert_allclose(after.probabilities(TEXTS * 9, batch_size=45)[:5], together_NK, atol=1e-5, rtol=0)


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_written_as_gemm_are_quantized_too(transposed: int, bias: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(64, 32)).astype(np.float32)
    stored = weight.T.copy() if transposed else weight
    initializers = [numpy_helper.from_array(stored, "w"), numpy_helper.from_array(np.ones(32, np.float32), "b")]
    names = ["x", "w", *(["b"] if bias else [])]
    graph = helper.make_graph(
        [helper.make_node("Gemm", names, ["y"], transB=transposed)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 32])],
        initializers if bias else initializers[:1],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "exact.onnx")
    quantize(tmp_path / "exact.onnx", tmp_path / "small.onnx")
    x = rng.normal(size=(3, 64)).astype(np.float32)
    (found,) = open_session(tmp_path / "small.onnx", 1).run(None, {"x": x})
    np.testing.assert_allclose(found, x @ weight + bias, atol=0.4)
    assert "MatMulIntegerToFloat" in [node.op_type for node in onnx.load(tmp_path / "small.onnx").graph.node]


def test_the_description_says_what_it_is(tiny_onnx: Export) -> None:
    _, folder = tiny_onnx()
    assert read_onnx_folder(folder).precision == "float32"
