"""A checkpoint of a run as a network beside the run's bundle: another member of an ensemble."""

from __future__ import annotations

from pathlib import Path

from tagnet.bundle import Bundle, load_network
from tagnet.errors import RunDirectoryError
from tagnet.model.network import TaggerNetwork
from tagnet.training.checkpoint_files import load_file

_PREFIX = "network."


def checkpoint_network(bundle: Bundle, path: Path) -> TaggerNetwork:
    """The bundle's network with the weights of a checkpoint of the same run or recipe.

    What is fitted after training, lexical evidence, stays the bundle's.

    Raises:
        RunDirectoryError: the file is missing or damaged, or its weights are those of another network.
    """
    network, found = load_network(bundle), load_file(path)
    state = found.get("state_dict", {})
    weights = {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}
    own = network.state_dict()
    trained = {name for name in own if not name.startswith("lexical.")}
    if not trained <= weights.keys() or any(weights[name].shape != own[name].shape for name in trained):
        raise RunDirectoryError(
            f"{path}: expected a checkpoint of the network in {bundle.folder}, found another one's\n"
            "Name a checkpoint of a run with the same encoder, head and tags."
        )
    network.load_state_dict({**own, **{name: weights[name] for name in trained}})
    return network.eval()
