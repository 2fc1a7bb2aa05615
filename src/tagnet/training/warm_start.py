"""A warm start: the weights of an earlier bundle, whose tags may have changed since.

Shapes: K tags now, P tags of the earlier bundle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tagnet.bundle import load_network, read_bundle
from tagnet.errors import BundleError
from tagnet.model.network import TaggerNetwork


@dataclass(frozen=True)
class WarmStart:
    """What came over from the earlier bundle."""

    kept: tuple[str, ...]
    """Tags that both know: their head rows were taken over."""
    new: tuple[str, ...]
    """Tags that only this run knows: their rows start as if there had been no bundle."""
    gone: tuple[str, ...]
    """Tags that only the bundle knows."""


def start_from_bundle(network: TaggerNetwork, tags: tuple[str, ...], folder: str) -> WarmStart:
    """Copy encoder, pooling and the head rows of common tags from a bundle into `network`, in place.

    Raises:
        BundleError: the folder is no bundle, or its network is of another shape.
    """
    bundle = read_bundle(folder)
    earlier = load_network(bundle).state_dict()
    current = network.state_dict()
    shared = [tag for tag in tags if tag in set(bundle.tags)]
    to = torch.tensor([tags.index(tag) for tag in shared], dtype=torch.long)
    source = torch.tensor([bundle.tags.index(tag) for tag in shared], dtype=torch.long)
    for name, value in current.items():
        if name not in earlier or earlier[name].shape[1:] != value.shape[1:]:
            raise BundleError(
                f"model.init_from={folder}: expected a network with the same encoder, pooling and head "
                f"({name} differs); the bundle has encoder={bundle.encoder_source}, "
                f"model.pooling={bundle.model.pooling}, model.head={bundle.model.head}"
            )
        if name.startswith("head."):
            value[to] = earlier[name][source]
        elif earlier[name].shape == value.shape:
            value.copy_(earlier[name])
        else:
            raise BundleError(f"model.init_from={folder}: {name} is of another shape: {tuple(earlier[name].shape)}")
    known = set(shared)
    return WarmStart(
        kept=tuple(shared),
        new=tuple(tag for tag in tags if tag not in known),
        gone=tuple(tag for tag in bundle.tags if tag not in known),
    )
