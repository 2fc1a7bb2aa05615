"""`--to onnx-int8`: weights in 8 bits.

Matrices have a scale a column and embeddings one a row; the head stays in float32. Activations are quantized before a
product with a scale a token: with the usual dynamic quantization they share one scale over a whole batch, and what a
text is told depends on the texts beside it. Products are in integers, with sums in int32.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tagnet.bundle import Bundle
from tagnet.export import onnx as onnx_export
from tagnet.export.fuse_attention import fuse_attention
from tagnet.export.graph import DOMAIN, drop_dead, import_domain, replace_node
from tagnet.export.onnx import describe_export, write_model
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.onnx_folder import MODEL_FILE, TOKENIZER_FILE

_LARGEST_WEIGHT = 63
"""Seven bits: processors without VNNI add two products in 16 bits, which eight bits would overflow (onnxruntime's own
`reduce_range`)."""
_LARGEST_ACTIVATION = 127
_ZERO_POINT = 128
"""Activations are unsigned, for that is the faster product."""
_HEAD = "network.head."


def write_onnx_int8(bundle: Bundle, network: TaggerNetwork, folder: Path) -> None:
    """Write an ONNX folder whose model.onnx is quantized.

    Raises:
        ExportError: PyTorch cannot trace this encoder.
    """
    exact = folder / "float32"
    exact.mkdir()
    write_model(bundle, network, exact / MODEL_FILE)
    quantize(exact / MODEL_FILE, folder / MODEL_FILE)
    shutil.rmtree(exact)
    shutil.copyfile(bundle.folder / "tokenizer.json", folder / TOKENIZER_FILE)
    describe_export(bundle, folder, precision="int8")


def quantize(source: Path, target: Path) -> None:
    """Write a model with its matrices and embeddings in 8 bits."""
    model = onnx.load(source)
    del model.graph.value_info[:]  # shapes of tensors that are about to change
    fuse_attention(model, onnx_export.INPUTS[1])
    _gemm_to_matmul(model)
    _quantize_embeddings(model)
    _quantize_products(model)
    onnx.save(
        model,
        target,
        save_as_external_data=model.ByteSize() > onnx_export.LARGEST_PROTOBUF,
        location=f"{target.name}.data",
    )


def _gemm_to_matmul(model: ModelProto) -> None:
    """Gemm with constant weights, as some encoders have it, becomes the MatMul and the Add that can be quantized."""
    weights = {each.name: each for each in model.graph.initializer}
    for node in list(model.graph.node):
        if node.op_type != "Gemm" or node.input[1] not in weights or node.input[1].startswith(_HEAD):
            continue
        settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if settings.get("alpha", 1.0) != 1.0 or settings.get("beta", 1.0) != 1.0 or settings.get("transA", 0):
            continue
        name, output = node.input[1], node.output[0]
        matrix = numpy_helper.to_array(weights[name])
        turned = f"{name}.{output}.weight"
        model.graph.initializer.append(
            numpy_helper.from_array(np.ascontiguousarray(matrix.T if settings.get("transB", 0) else matrix), turned)
        )
        product = output if len(node.input) < 3 else f"{output}.product"
        steps = [helper.make_node("MatMul", [node.input[0], turned], [product], name=f"{output}.matmul")]
        if len(node.input) == 3:
            steps.append(helper.make_node("Add", [product, node.input[2]], [output], name=f"{output}.add"))
        replace_node(model, node, steps)
    drop_dead(model)


def _quantize_products(model: ModelProto) -> None:
    """A product with a constant matrix becomes one of integers; what goes into several is quantized once."""
    weights = {each.name: each for each in model.graph.initializer}
    constants: dict[str, NDArray[Any]] = {
        "int8.axis": np.array([-1], dtype=np.int64),
        "int8.per_step": np.array(1 / _LARGEST_ACTIVATION, dtype=np.float32),
        "int8.smallest": np.array(np.finfo(np.float32).tiny, dtype=np.float32),
        "int8.one": np.array(1, dtype=np.float32),
        "int8.zero_point": np.array(_ZERO_POINT, dtype=np.uint8),
        "int8.all": np.array([-1], dtype=np.int64),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    quantized: set[str] = set()
    for node in list(model.graph.node):
        if node.op_type != "MatMul" or node.input[1] not in weights or node.input[1].startswith(_HEAD):
            continue
        matrix = numpy_helper.to_array(weights[node.input[1]])
        if matrix.ndim != 2 or matrix.dtype != np.float32:
            continue
        x, output = node.input[0], node.output[0]
        scale = np.abs(matrix).max(0) / _LARGEST_WEIGHT
        scale[scale == 0] = 1
        values = {
            f"{output}.int8": np.round(matrix / scale).astype(np.int8),
            f"{output}.scale": scale.astype(np.float32),
            f"{output}.width": np.array([matrix.shape[1]], dtype=np.int64),
        }
        model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
        steps = [] if x in quantized else _quantize_tokens(x, matrix.shape[0])
        quantized.add(x)
        product = [f"{x}.uint8", f"{output}.int8", "int8.one", f"{output}.scale", "int8.zero_point"]
        steps += [
            helper.make_node("MatMulIntegerToFloat", product, [f"{output}.columns"], domain=DOMAIN),
            helper.make_node("Mul", [f"{output}.columns", f"{x}.scale"], [f"{output}.rows"]),
            helper.make_node("Concat", [f"{x}.places", f"{output}.width"], [f"{output}.shape"], axis=0),
            helper.make_node("Reshape", [f"{output}.rows", f"{output}.shape"], [output]),
        ]
        replace_node(model, node, steps)
    if quantized:
        import_domain(model)
    drop_dead(model)


def _quantize_tokens(x: str, width: int) -> list[NodeProto]:
    """Activations as unsigned integers, `x.uint8` (M, `width`), with a scale a token, `x.scale` (M, 1)."""
    return [
        helper.make_node("Shape", [x], [f"{x}.places"], end=-1),
        helper.make_node("Constant", [], [f"{x}.flat"], value_ints=[-1, width]),
        helper.make_node("Reshape", [x, f"{x}.flat"], [f"{x}.tokens"]),
        helper.make_node("Abs", [f"{x}.tokens"], [f"{x}.abs"]),
        helper.make_node("ReduceMax", [f"{x}.abs", "int8.axis"], [f"{x}.largest"], keepdims=1),
        helper.make_node("Mul", [f"{x}.largest", "int8.per_step"], [f"{x}.step"]),
        helper.make_node("Max", [f"{x}.step", "int8.smallest"], [f"{x}.scale"]),
        helper.make_node("Reshape", [f"{x}.scale", "int8.all"], [f"{x}.scales"]),
        helper.make_node("Shape", [f"{x}.scales"], [f"{x}.number"]),
        helper.make_node("Expand", ["int8.zero_point", f"{x}.number"], [f"{x}.zeros"]),
        helper.make_node("QuantizeLinear", [f"{x}.tokens", f"{x}.scales", f"{x}.zeros"], [f"{x}.uint8"], axis=0),
    ]


def _quantize_embeddings(model: ModelProto) -> None:
    """A table of embeddings becomes int8 with a scale a row; rows are scaled back after they were looked up."""
    weights = {each.name: each for each in model.graph.initializer}
    for node in list(model.graph.node):
        if node.op_type != "Gather" or node.input[0] not in weights:
            continue
        name, output = node.input[0], node.output[0]
        table_VH = numpy_helper.to_array(weights[name])
        if (
            table_VH.ndim != 2
            or table_VH.dtype != np.float32
            or any(each.name == "axis" and each.i for each in node.attribute)
        ):
            continue
        quantized, scales = f"{name}.int8", f"{name}.scale"
        if quantized not in {each.name for each in model.graph.initializer}:
            scale_V1 = np.abs(table_VH).max(1, keepdims=True) / 127
            scale_V1[scale_V1 == 0] = 1
            table_int8_VH = np.round(table_VH / scale_V1).astype(np.int8)
            model.graph.initializer.append(numpy_helper.from_array(table_int8_VH, quantized))
            model.graph.initializer.append(numpy_helper.from_array(scale_V1.astype(np.float32), scales))
        steps = [
            helper.make_node("Gather", [quantized, node.input[1]], [f"{output}.int8"]),
            helper.make_node("Cast", [f"{output}.int8"], [f"{output}.cast"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [scales, node.input[1]], [f"{output}.scale"]),
            helper.make_node("Mul", [f"{output}.cast", f"{output}.scale"], [output]),
        ]
        replace_node(model, node, steps)
    drop_dead(model)
