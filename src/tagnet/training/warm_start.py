"""A warm start: the weights of an earlier bundle, whose tags may have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

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
        BundleError: the folder is no bundle, or its network is another one; `network` is then as it was.
    """
    bundle = read_bundle(folder)
    earlier = load_network(bundle).state_dict()
    current = network.state_dict()
    different = [
        name for name in sorted(earlier.keys() | current.keys()) if _shape(earlier, name) != _shape(current, name)
    ]
    if different:
        raise BundleError(
            f"model.init_from={folder}: expected a network with the same encoder, pooling and kind of head, found "
            f"another ({different[0]} differs).\n"
            f"The bundle has encoder={bundle.encoder_source} model.pooling={bundle.model.pooling} "
            f"model.head={bundle.model.head}"
        )
    kept = tuple(tag for tag in tags if tag in bundle.tags)
    here = [tags.index(tag) for tag in kept]
    there = [bundle.tags.index(tag) for tag in kept]
    for name, value in current.items():
        if _is_row_a_tag(name):
            value[here] = earlier[name][there]
        else:
            value.copy_(earlier[name])
    return WarmStart(
        kept=kept,
        new=tuple(tag for tag in tags if tag not in bundle.tags),
        gone=tuple(tag for tag in bundle.tags if tag not in tags),
    )


def _is_row_a_tag(name: str) -> bool:
    return name.startswith("head.")


def _shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    """The shape of a tensor, without the number of tags in the head's; None where there is no such tensor."""
    if name not in state:
        return None
    shape = tuple(state[name].shape)
    return shape[1:] if _is_row_a_tag(name) else shape
