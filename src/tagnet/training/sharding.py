"""A network whose weights, gradients and optimizer state are shared among processes (FSDP; Zhao et al., VLDB 2023)."""

from __future__ import annotations

from torch import nn
from torch.distributed.device_mesh import DeviceMesh

from tagnet.model.network import TaggerNetwork


def shard(network: TaggerNetwork, mesh: DeviceMesh) -> None:
    """Cut every parameter into as many parts as the mesh has processes; each process keeps one.

    A layer of the encoder is put together while it computes. All other parameters (embeddings, pooling, head) are one
    more group, so that no gradient is left that the processes do not average. Half precision is left to autocast, as
    under every strategy: weights are put together, and gradients added, in float32.

    Args:
        network: changed in place; its parameters become `DTensor`s.
        mesh: of one dimension, over all processes.
    """
    # It brings much that a run of one process never needs.
    from torch.distributed.fsdp import fully_shard

    for layer in transformer_layers(network.encoder):
        fully_shard(layer, mesh=mesh)
    fully_shard(network, mesh=mesh)


def transformer_layers(encoder: nn.Module) -> list[nn.Module]:
    """The encoder's stack of layers: its longest list of modules; empty where it has none.

    >>> stack = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    >>> transformer_layers(nn.Sequential(nn.ModuleList([nn.Linear(2, 2)]), stack)) == list(stack)
    True
    """
    stacks = [list(module) for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    return max(stacks, key=len, default=[])
