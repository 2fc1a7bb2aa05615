"""Weights that no loss reaches, and processes that would wait for their gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModel, PreTrainedTokenizerFast

from tagnet.config import LoraConfig, TrainConfig
from tagnet.model.adapter import add_adapter
from tagnet.model.embedded import embedded_folder
from tagnet.model.encoder import load_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.training.fit import fit
from tagnet.training.unreached import freeze_unreached

MakeConfig = Callable[..., TrainConfig]
MakeNetwork = Callable[..., TaggerNetwork]

SIZES = {
    "vocab_size": 30522,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "Longformer": {"attention_window": 8},
    "Luke": {"entity_vocab_size": 10, "entity_emb_size": 8},
    "BigBird": {},
    "Bert": {},
}
UNREACHED = {"Longformer": ("_global",), "Luke": ("entity", "w2e_", "e2w_", "e2e_")}


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str], Path]:
    """Saves a tiny random encoder of an architecture, with a tokenizer."""

    def make(architecture: str) -> Path:
        torch.manual_seed(0)
        config = getattr(transformers, f"{architecture}Config")(**SIZES, **ARCHITECTURES[architecture])
        AutoModel.from_config(config).save_pretrained(tmp_path / architecture)  # type: ignore[no-untyped-call]
        tokenizer: Any = PreTrainedTokenizerFast
        tokenizer(tokenizer_file=str(embedded_folder() / "tokenizer.json"), pad_token="[PAD]").save_pretrained(
            tmp_path / architecture
        )
        return tmp_path / architecture

    return make


def is_unreached(architecture: str, name: str) -> bool:
    return any(part in name for part in UNREACHED.get(architecture, ()))


@pytest.mark.parametrize("with_adapter", [False, True])
@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_only_what_no_loss_reaches_is_frozen(
    architecture: str, with_adapter: bool, save: Callable[[str], Path], make_network: MakeNetwork
) -> None:
    network = make_network(encoder=load_encoder(str(save(architecture)), dropout=0.1)).train()
    if with_adapter:
        add_adapter(network.encoder, LoraConfig("lora", rank=2, alpha=4.0, dropout=0.1, targets=None))
    trained = {name: each for name, each in network.named_parameters() if each.requires_grad}
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    kinds = [type(module) for module in network.modules()]
    random = torch.get_rng_state()

    frozen = freeze_unreached(network)
    expected = {name for name in trained if is_unreached(architecture, name)}
    assert {name for name, each in trained.items() if not each.requires_grad} == expected
    assert frozen == sum(trained[name].numel() for name in expected)
    assert (frozen > 0) == (architecture in UNREACHED)

    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in network.modules())
    assert all(each.grad is None for each in network.parameters())
    # BigBird gives up its sparse attention for good when it sees a short text.
    assert [type(module) for module in network.modules()] == kinds
    assert getattr(network.encoder, "attention_type", "block_sparse") == "block_sparse"
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights[name])


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_processes_that_average_gradients_train_such_an_encoder(
    adapter: str, save: Callable[[str], Path], make_config: MakeConfig, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    words = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.max_epochs=1", "evaluation.baselines=[]", "logger=none")
    config = make_config(f"encoder={save('Longformer')}", f"adapter={adapter}", *words, f"run.dir={tmp_path / 'run'}")
    run = fit(config, rows)
    assert "take no part in what it says of a text, and are frozen" in (run.dir / "run.log").read_text()
    assert len((run.dir / "metrics.jsonl").read_text().splitlines()) > 3
