"""Fixtures that every test may ask for, and what holds for all of them."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import matplotlib
import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent

# Examples that follow from the test alone: a failure is the same one everywhere, and no slow machine makes one.
hypothesis.settings.register_profile("tagnet", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("tagnet")

# Before any test imports huggingface_hub, which reads it once: what is not on this machine is not asked for.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# What runs keep for later ones shall not come from code before this one. Workers take it over from their controller;
# matplotlib's fonts, which take seconds to find, stay where they are.
if "TAGNET_TESTS_CACHE_HOME" not in os.environ:
    os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())
    _cache_home = tempfile.TemporaryDirectory(prefix="tagnet-tests-cache-")
    os.environ["TAGNET_TESTS_CACHE_HOME"] = os.environ["XDG_CACHE_HOME"] = _cache_home.name


_AT_START = dict(os.environ)
_LEFT_BEHIND = (
    "MASTER_ADDR",
    "MASTER_PORT",
    "NODE_RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "TAGNET_RUN_DIR",
    "WANDB_SERVICE",
)


@pytest.fixture(autouse=True)
def _environment_as_it_was() -> None:
    """Lightning and wandb, run in this process, leave variables that the processes of later tests would obey.

    They would meet at the port of a run that is over, or all be first of their machine.
    """
    for name in _LEFT_BEHIND:
        if name in _AT_START:
            os.environ[name] = _AT_START[name]
        else:
            os.environ.pop(name, None)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, and lose much where other processes want the same cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A command that runs in this process sets up tagnet's log for good; the next test must not notice."""
    log = logging.getLogger("tagnet")
    handlers, level, propagate = list(log.handlers), log.level, log.propagate
    yield
    log.handlers[:] = handlers
    log.setLevel(level)
    log.propagate = propagate


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real data (MadeWithML, GoEmotions), which is not part of the project."""
    folder = Path(os.environ.get("TAGNET_SHARED", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "projects.json").is_file():
        pytest.skip(f"the MadeWithML data is not at {folder}; set TAGNET_SHARED to its folder")
    return folder
