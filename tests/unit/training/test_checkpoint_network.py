"""A checkpoint as a member of an ensemble beside a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tagnet.bundle import Bundle, load_network
from tagnet.errors import RunDirectoryError
from tagnet.model.network import TaggerNetwork
from tagnet.training.checkpoint_network import checkpoint_network


def save(path: Path, network: TaggerNetwork) -> Path:
    torch.save({"state_dict": {f"network.{name}": value for name, value in network.state_dict().items()}}, path)
    return path


def test_its_weights_take_the_place_of_the_bundles(write_tiny_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    bundle = write_tiny_bundle()
    other = load_network(bundle)
    with torch.no_grad():
        other.head.weight.add_(1)
    found = checkpoint_network(bundle, save(tmp_path / "last.ckpt", other))
    assert torch.equal(found.head.weight, other.head.weight)
    assert not torch.equal(found.head.weight, load_network(bundle).head.weight)
    assert not found.training


def test_another_networks_is_refused(
    write_tiny_bundle: Callable[..., Bundle], make_network: Callable[..., TaggerNetwork], tmp_path: Path
) -> None:
    path = save(tmp_path / "last.ckpt", make_network(5))
    with pytest.raises(RunDirectoryError, match=r"last\.ckpt: expected a checkpoint of the network in"):
        checkpoint_network(write_tiny_bundle(), path)
