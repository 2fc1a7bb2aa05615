"""Attention as one node of onnxruntime's own, in the place of the dozen that an export spells it out in.

Only where it is the same: softmax attention whose mask leaves out padding and nothing else, which is tried on a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tagnet.export.graph import DOMAIN, Graph, drop_dead, import_domain, replace_node

_LENGTHS = (300, 40)
"""Of the batch on which masks are tried: longer than a window that an encoder might look at, or than fits."""
_NEVER = -1e4
"""What a mask adds where nobody shall look is at most this."""


@dataclass(frozen=True)
class Attention:
    """Where the parts of one attention are."""

    query: str
    """(S, T, H), as are key, value and the output."""
    key: str
    value: str
    mask: str
    num_heads: int
    scale: float
    reshape: NodeProto
    """The last node, whose output is the attention's."""


def fuse_attention(model: ModelProto, mask_input: str) -> int:
    """Replace attention in a model, in place.

    Args:
        model: in float32.
        mask_input: the name of the input that is 1 at tokens and 0 at padding.

    Returns:
        How many were replaced.
    """
    graph = Graph(model)
    found = [each for node in model.graph.node if (each := _match(graph, node)) is not None]
    found = [
        each for each, plain in zip(found, _leave_out_padding_alone(model, found, mask_input), strict=True) if plain
    ]
    if not found:
        return 0
    padding = "attention.tokens"
    for each in found:
        _replace(model, graph, each, padding)
    cast = helper.make_node("Cast", [mask_input], [padding], to=TensorProto.INT32)
    model.graph.node.insert(0, cast)
    import_domain(model)
    drop_dead(model)
    return len(found)


def _match(graph: Graph, softmax: NodeProto) -> Attention | None:
    """The attention around a softmax; None where it looks otherwise."""
    if softmax.op_type != "Softmax" or (added := graph.maker(softmax.input[0], "Add")) is None:
        return None
    scores = graph.maker(added.input[0], "MatMul")
    if scores is None:
        return None
    (query, query_scale), (key, key_scale) = (_unscaled(graph, name) for name in scores.input)
    mixed = next(iter(_after_softmax(graph, softmax)), None)
    if mixed is None:
        return None
    size = _head_size(graph, query)
    sources = [_before_heads(graph, name) for name in (query, mixed.input[1])]
    sources.insert(1, _before_heads(graph, _unturned(graph, key)))
    turned = graph.readers(mixed.output[0], "Transpose")
    reshape = graph.readers(turned[0].output[0], "Reshape") if len(turned) == 1 else []
    if size is None or None in sources or len(reshape) != 1:
        return None
    q, k, v = (str(name) for name in sources)
    widths = {_width(graph, name) for name in (q, k, v)}
    width = widths.pop()
    if widths or width is None or width % size:
        return None
    return Attention(q, k, v, added.input[1], width // size, query_scale * key_scale, reshape[0])


def _unscaled(graph: Graph, name: str) -> tuple[str, float]:
    node = graph.maker(name, "Mul")
    factor = None if node is None else graph.constant(node.input[1])
    return (name, 1.0) if node is None or factor is None or factor.size != 1 else (node.input[0], float(factor))


def _after_softmax(graph: Graph, softmax: NodeProto) -> Iterator[NodeProto]:
    """The product of weights and values; an export may replace NaN in between, which real masks never lead to."""
    yield from graph.readers(softmax.output[0], "MatMul")
    for where in graph.readers(softmax.output[0], "Where"):
        if graph.maker(where.input[0], "IsNaN") is not None:
            yield from graph.readers(where.output[0], "MatMul")


def _before_heads(graph: Graph, name: str) -> str | None:
    """What was cut into heads: (S, T, H)."""
    turned = graph.maker(name, "Transpose")
    if turned is None or _order(turned) != [0, 2, 1, 3]:
        return None
    cut = graph.maker(turned.input[0], "Reshape")
    return None if cut is None else cut.input[0]


def _unturned(graph: Graph, name: str) -> str:
    """Keys before their last two axes changed places; an export makes (S · A, T, D) of them meanwhile."""
    outer = graph.maker(name, "Reshape")
    turned = graph.maker(name if outer is None else outer.input[0], "Transpose")
    if turned is None or _order(turned) not in ([0, 2, 1], [0, 1, 3, 2]):
        return name
    inner = graph.maker(turned.input[0], "Reshape") if outer is not None else None
    before: str = (turned if inner is None else inner).input[0]
    return before


def _order(transpose: NodeProto) -> list[int]:
    return next((list(each.ints) for each in transpose.attribute if each.name == "perm"), [])


def _head_size(graph: Graph, query: str) -> int | None:
    turned = graph.maker(query, "Transpose")
    reshape = None if turned is None else graph.maker(turned.input[0], "Reshape")
    shape = None if reshape is None else graph.maker(reshape.input[1], "Concat")
    size = None if shape is None else graph.constant(shape.input[-1])
    return None if size is None or size.size != 1 or size.item() < 1 else int(size.item())


def _leave_out_padding_alone(model: ModelProto, found: list[Attention], mask_input: str) -> list[bool]:
    """For each attention whether its mask does that and no more, on a batch of texts of several lengths."""
    import onnxruntime

    if not found:
        return []
    shown = ModelProto()
    shown.CopyFrom(model)
    names = list(dict.fromkeys(each.mask for each in found))
    del shown.graph.output[:]
    shown.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    drop_dead(shown)  # no mask follows from the weights, which may be too many to be copied
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for length in _LENGTHS:
        mask_ST = (np.arange(length) < np.array([[length], [length // 2], [1]])).astype(np.int64)
        try:
            session = onnxruntime.InferenceSession(
                shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            feed = {each.name: mask_ST for each in session.get_inputs()}  # ids of 0 and 1 do as well as any
            masks = dict(zip(names, session.run(names, feed), strict=True))
        except Exception:  # onnxruntime's errors share no narrower class; what cannot be tried stays as it is
            continue
        return [_is_padding(masks[each.mask], mask_ST) for each in found]
    return [False] * len(found)


def _is_padding(added: NDArray[Any], mask_ST: NDArray[np.int64]) -> bool:
    num_texts, length = mask_ST.shape
    try:
        added_SATT = np.broadcast_to(added, (num_texts, 1, length, length))
    except ValueError:  # another mask for each head
        return False
    asks_S1T1 = mask_ST[:, None, :, None] == 1
    expected_S11T = mask_ST[:, None, None, :] == 1
    right = np.where(expected_S11T, added_SATT == 0, added_SATT <= _NEVER)
    return bool(np.all(right | ~asks_S1T1))


def _replace(model: ModelProto, graph: Graph, attention: Attention, padding: str) -> None:
    biased = [_bias(graph, name) for name in (attention.query, attention.key, attention.value)]
    inputs, bias = [attention.query, attention.key, attention.value], ""
    values = [each[1] for each in biased if each is not None]
    if len(values) == 3:
        inputs, bias = [each[0] for each in biased if each is not None], f"{attention.reshape.output[0]}.bias"
        model.graph.initializer.append(numpy_helper.from_array(np.concatenate(values), bias))
    node = helper.make_node(
        "MultiHeadAttention",
        [*inputs, bias, padding],
        [attention.reshape.output[0]],
        domain=DOMAIN,
        num_heads=attention.num_heads,
        scale=attention.scale,
        mask_filter_value=float(np.finfo(np.float32).min),
    )
    replace_node(model, attention.reshape, [node])


def _bias(graph: Graph, name: str) -> tuple[str, NDArray[Any]] | None:
    node = graph.maker(name, "Add")
    value = None if node is None else graph.constant(node.input[1])
    return None if node is None or value is None or value.ndim != 1 else (node.input[0], value)


def _width(graph: Graph, name: str) -> int | None:
    """H of a tensor that is a product with a constant matrix, with a bias or without; None of any other."""
    biased = _bias(graph, name)
    product = graph.maker(name if biased is None else biased[0], "MatMul")
    weight = None if product is None else graph.constant(product.input[1])
    return None if weight is None or weight.ndim != 2 else int(weight.shape[1])
