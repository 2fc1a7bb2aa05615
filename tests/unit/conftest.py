"""Fixtures that unit tests of several folders ask for."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tagnet.bundle import Bundle, TextSettings, load_network, read_bundle, write_bundle
from tagnet.calibration.rule import DecisionRule
from tagnet.config import EvaluationConfig, LabelsConfig, ModelConfig
from tagnet.export.onnx import write_onnx
from tagnet.model.encoder import Encoder, load_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.records.taxonomy import build_taxonomy


@pytest.fixture(scope="session")
def _tiny() -> Encoder:
    return load_encoder("tiny")


@pytest.fixture
def tiny(_tiny: Encoder) -> Encoder:
    """The random encoder, two layers, 32 wide; a test may change its weights."""
    return replace(_tiny, module=copy.deepcopy(_tiny.module))


@pytest.fixture
def make_network(tiny: Encoder) -> Callable[..., TaggerNetwork]:
    """Networks in evaluation mode, whose heads are loud enough for differences to show."""

    def make(num_tags: int = 3, *, encoder: Encoder | None = None, **model: Any) -> TaggerNetwork:
        settings = {
            "pooling": "mean",
            "head": "linear",
            "dropout": 0.1,
            "encoder_dropout": None,
            "lexical": False,
            "init_from": None,
        }
        torch.manual_seed(num_tags)
        network = TaggerNetwork(encoder or tiny, ModelConfig(**{**settings, **model}), num_tags)
        with torch.no_grad():
            for parameter in [*network.pooling.parameters(), *network.head.parameters()]:
                parameter.normal_()
        return network.eval()

    return make


@pytest.fixture
def write_tiny_bundle(
    tmp_path: Path, tiny: Encoder, make_network: Callable[..., TaggerNetwork]
) -> Callable[..., Bundle]:
    """Bundles of the tiny encoder, with tags and text settings to choose."""

    def write(
        name: str = "bundle",
        tags: tuple[str, ...] = ("databases", "graphs", "nlp"),
        *,
        network: TaggerNetwork | None = None,
        encoder: Encoder = tiny,
        with_taxonomy: bool = True,
        model: ModelConfig | None = None,
        thresholds_K: NDArray[np.float64] | None = None,
        **text: Any,
    ) -> Bundle:
        settings = {
            "template": "{title} {description}",
            "features": ("title", "description"),
            "feature_tokens": {},
            "max_tokens": 32,
            "window_overlap": None,
        }
        size = len(tags)
        rows = [{"tag": tag, "aliases": [f"{tag} alias"], "parents": []} for tag in tags]
        return write_bundle(
            tmp_path / name,
            network=network or make_network(size, encoder=encoder),
            encoder=encoder,
            model=model or ModelConfig("mean", "linear", 0.1, None, False, None),
            taxonomy=build_taxonomy(rows, "tags.json") if with_taxonomy else None,
            rule=DecisionRule(
                tags,
                1.5,
                np.linspace(-1, 1, size),
                np.linspace(0.2, 0.8, size) if thresholds_K is None else thresholds_K,
                "shared_platt",
                "shrunk",
            ),
            text=TextSettings(**{**settings, **text}),
            labels=LabelsConfig(1, (), (), "drop", False, True),
            evaluation=EvaluationConfig(50, 0.8, (1, 2), (), "warn"),
            train_counts={tag: place for place, tag in enumerate(tags)},
            provenance={"run": "test", "seed": 0},
        )

    return write


@pytest.fixture(scope="session")
def _onnx_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    return tmp_path_factory.mktemp("onnx"), {}


@pytest.fixture
def tiny_onnx(
    write_tiny_bundle: Callable[..., Bundle], _onnx_folders: tuple[Path, dict[str, Path]], tmp_path: Path
) -> Callable[..., tuple[Bundle, Path]]:
    """A tiny bundle and its ONNX export, in folders of the test's own; tracing takes seconds, and is done once."""
    home, made = _onnx_folders

    def export(**settings: Any) -> tuple[Bundle, Path]:
        key = repr(sorted(settings.items()))
        if key not in made:
            made[key] = home / str(len(made))
            shutil.copytree(write_tiny_bundle(**settings).folder, made[key] / "bundle")
            (made[key] / "onnx").mkdir()
            bundle = read_bundle(made[key] / "bundle")
            write_onnx(bundle, load_network(bundle), made[key] / "onnx")
        shutil.copytree(made[key], tmp_path, dirs_exist_ok=True)
        return read_bundle(tmp_path / "bundle"), tmp_path / "onnx"

    return export
