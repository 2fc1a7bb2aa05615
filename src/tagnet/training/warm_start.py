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


class EarlierNetwork:
    """The weights of a bundle, checked against a network that shall start from them.

    The encoder and the pooling are taken over first, so that the rows of new tags can start from their names in the
    encoder that will read them; the rows of tags that both know are taken over last.
    """

    def __init__(self, network: TaggerNetwork, folder: str) -> None:
        """Read the bundle.

        Raises:
            BundleError: the folder is no bundle, or its network is another one.
        """
        self._network = network
        self._bundle = read_bundle(folder)
        earlier = load_network(self._bundle)
        # It belongs to the vocabulary and tags of that run; this one fits its own.
        earlier.lexical = None
        self._earlier = earlier.state_dict()
        names = sorted(self._earlier.keys() | network.state_dict().keys())
        different = [name for name in names if _shape(self._earlier, name) != _shape(network.state_dict(), name)]
        if different:
            raise BundleError(
                f"model.init_from={folder}: expected a network with the same encoder, pooling and kind of head, found "
                f"another ({different[0]} differs).\n"
                f"The bundle has encoder={self._bundle.encoder_source} model.pooling={self._bundle.model.pooling} "
                f"model.head={self._bundle.model.head}"
            )

    def copy_encoder(self) -> None:
        """Take over encoder and pooling, in place."""
        for name, value in self._network.state_dict().items():
            if not _is_row_a_tag(name):
                value.copy_(self._earlier[name])

    def copy_rows(self, tags: tuple[str, ...]) -> WarmStart:
        """Take over the head's rows of the tags that both know, in place."""
        earlier_tags = self._bundle.tags
        kept = tuple(tag for tag in tags if tag in earlier_tags)
        here = [tags.index(tag) for tag in kept]
        there = [earlier_tags.index(tag) for tag in kept]
        for name, value in self._network.state_dict().items():
            if _is_row_a_tag(name):
                value[here] = self._earlier[name][there]
        return WarmStart(
            kept=kept,
            new=tuple(tag for tag in tags if tag not in earlier_tags),
            gone=tuple(tag for tag in earlier_tags if tag not in tags),
        )


def _is_row_a_tag(name: str) -> bool:
    return name.startswith("head.")


def _shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    """The shape of a tensor, without the number of tags in the head's; None where there is no such tensor."""
    if name not in state:
        return None
    shape = tuple(state[name].shape)
    return shape[1:] if _is_row_a_tag(name) else shape
