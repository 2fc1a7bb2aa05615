"""Look at an ONNX graph, and change its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

DOMAIN = "com.microsoft"
"""Of onnxruntime's own operators."""


class Graph:
    """Who makes a tensor, and what is constant."""

    def __init__(self, model: ModelProto) -> None:
        self._made_by = {name: node for node in model.graph.node for name in node.output}
        self._read_by: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._read_by.setdefault(name, []).append(node)
        self._constants = {each.name: each for each in model.graph.initializer}

    def maker(self, name: str, *kinds: str) -> NodeProto | None:
        """The node that makes a tensor, if it is of one of these kinds."""
        node = self._made_by.get(name)
        return node if node is not None and node.op_type in kinds else None

    def readers(self, name: str, kind: str) -> list[NodeProto]:
        """The nodes of a kind that read a tensor."""
        return [node for node in self._read_by.get(name, []) if node.op_type == kind]

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of a constant."""
        return numpy_helper.to_array(self._constants[name]) if name in self._constants else None


def import_domain(model: ModelProto) -> None:
    """Let a model use onnxruntime's own operators."""
    if DOMAIN not in {each.domain for each in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


def replace_node(model: ModelProto, node: NodeProto, steps: Sequence[NodeProto]) -> None:
    """Put nodes in the place of one; the order of a graph's nodes is that of its computation."""
    nodes = model.graph.node
    place = next(i for i, each in enumerate(nodes) if each.output[0] == node.output[0])
    del nodes[place]
    for offset, step in enumerate(steps):
        nodes.insert(place + offset, step)


def drop_dead(model: ModelProto) -> None:
    """Take out nodes and constants that no output follows from."""
    needed = {each.name for each in model.graph.output}
    kept: list[NodeProto] = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    for each in [each for each in model.graph.initializer if each.name not in needed]:
        model.graph.initializer.remove(each)
