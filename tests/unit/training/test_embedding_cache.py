"""What is kept of embeddings: found again for the same weights and texts, and for no others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tagnet.data.prepare import Prepared
from tagnet.data.tokens import TokenizedTexts, tokenize
from tagnet.model.encoder import Encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.inference import compute_embeddings
from tagnet.training import embedding_cache
from tagnet.training.embedding_cache import remembered


class Counted:
    """Computes embeddings, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.times = 0

    def embeddings(self, network: TaggerNetwork, *texts: TokenizedTexts, how: str) -> list[NDArray[np.float32]]:
        def compute() -> list[NDArray[np.float32]]:
            self.times += 1
            return [compute_embeddings(network, each, 0, batch_size=8) for each in texts]

        return remembered(network, texts, compute, how=how)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tagnet" / "embeddings"


@pytest.fixture
def texts(tiny: Encoder, prepared: Prepared) -> TokenizedTexts:
    return tokenize(tiny.tokenizer, prepared.texts[:20], 64)


@pytest.fixture
def network(make_network: Callable[..., TaggerNetwork]) -> TaggerNetwork:
    return make_network()


def test_a_second_time_nothing_is_computed(network: TaggerNetwork, texts: TokenizedTexts) -> None:
    compute = Counted()
    names = texts.take(np.arange(3))
    first = compute.embeddings(network, names, texts, how="float32")
    again = compute.embeddings(network, names, texts, how="float32")
    assert compute.times == 1
    for before, after, size in zip(first, again, (3, 20), strict=True):
        assert before.shape == (size, network.head.weight.shape[1])
        np.testing.assert_array_equal(before, after)


def test_other_weights_texts_and_precisions_are_computed(network: TaggerNetwork, texts: TokenizedTexts) -> None:
    compute = Counted()
    compute.embeddings(network, texts, how="float32")
    compute.embeddings(network, texts, how="bfloat16")
    compute.embeddings(network, texts.take(np.arange(19)), how="float32")
    compute.embeddings(network, texts.take(np.arange(20)[::-1]), how="float32")
    with torch.no_grad():
        next(iter(network.encoder.parameters()))[0, 0] += 1
    compute.embeddings(network, texts, how="float32")
    assert compute.times == 5


def test_a_head_of_other_tags_does_not_matter(
    make_network: Callable[..., TaggerNetwork], network: TaggerNetwork, texts: TokenizedTexts
) -> None:
    compute = Counted()
    compute.embeddings(network, texts, how="float32")
    with torch.no_grad():
        network.head.weight.add_(1)
    compute.embeddings(network, texts, how="float32")
    assert compute.times == 1


def test_a_file_that_is_not_whole_is_computed_and_written_again(
    network: TaggerNetwork, texts: TokenizedTexts, cache: Path
) -> None:
    compute = Counted()
    compute.embeddings(network, texts, how="float32")
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    compute.embeddings(network, texts, how="float32")
    assert compute.times == 2
    assert file.read_bytes() == whole


def test_only_the_latest_files_stay(
    network: TaggerNetwork, texts: TokenizedTexts, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_cache, "MOST_FILES", 2)
    compute = Counted()
    for place, how in enumerate("abac"):
        compute.embeddings(network, texts, how=how)
        for file in cache.iterdir():  # seconds apart, whatever the disk's clock can tell
            os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns - (4 - place) * 10**9))
    assert len(list(cache.iterdir())) == 2
    assert compute.times == 3
    compute.embeddings(network, texts, how="a")
    assert compute.times == 3  # "a" was asked for after "b", which is the one that went


def test_without_a_folder_that_can_be_written_to_they_are_computed(
    network: TaggerNetwork, texts: TokenizedTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    compute = Counted()
    for _ in range(2):
        compute.embeddings(network, texts, how="float32")
    assert compute.times == 2
