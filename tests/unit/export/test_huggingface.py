"""The folder in a transformers that has never heard of tagnet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tagnet.bundle import Bundle, load_network
from tagnet.config import ModelConfig
from tagnet.export.huggingface import fits_stock_class, write_huggingface
from tagnet.model.encoder import Encoder, build_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.tagger import Tagger

Write = Callable[..., Bundle]
TEXTS = ["a tiny sql engine", "graph neural networks " * 30, "[SEP] 🎉", "x"]
SCRIPT = """
import json, sys, warnings
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tagnet": raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Gone())
warnings.simplefilter("error", RuntimeWarning)
from transformers import pipeline
answers = []
for folder, trust, more in json.loads(sys.argv[1]):
    tagger = pipeline("text-classification", folder, top_k=None, function_to_apply="sigmoid", trust_remote_code=trust)
    made = tagger(json.loads(sys.argv[2]), **more)
    answers.append([{each["label"]: each["score"] for each in answer} for answer in made])
print(json.dumps(answers))
"""


@pytest.fixture
def deberta(tiny: Encoder) -> Encoder:
    torch.manual_seed(0)
    config = {
        "model_type": "deberta-v2",
        "vocab_size": 30522,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    return build_encoder(config, tiny.tokenizer, source="deberta")


def export(bundle: Bundle, folder: Path) -> Path:
    folder.mkdir()
    write_huggingface(bundle, load_network(bundle), folder)
    return folder


def test_a_pipeline_without_tagnet_gives_our_probabilities(
    write_tiny_bundle: Write, make_network: Callable[..., TaggerNetwork], deberta: Encoder, tmp_path: Path
) -> None:
    label_attention = ModelConfig("mean", "label_attention", 0.1, None, False, None)
    cls = ModelConfig("cls", "linear", 0.1, None, False, None)
    bundles = [
        write_tiny_bundle("mean"),
        write_tiny_bundle("windows", window_overlap=4),
        write_tiny_bundle("label", network=make_network(head="label_attention"), model=label_attention),
        write_tiny_bundle("stock", network=make_network(encoder=deberta, pooling="cls"), encoder=deberta, model=cls),
    ]
    asked = []
    for bundle in bundles:
        folder = export(bundle, tmp_path / f"{bundle.folder.name}-hf")
        stock = not (folder / "modeling_tagnet.py").is_file()
        assert stock == (bundle.folder.name == "stock") == fits_stock_class(bundle)
        for batch_size in (1, 3):
            more = {"batch_size": batch_size, **({"truncation": True} if stock else {})}
            asked.append((str(folder), not stock, more))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(asked), json.dumps(TEXTS)],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(tmp_path / "cache"),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "newly initialized" not in done.stderr
    for (name, _, _), answers in zip(asked, json.loads(done.stdout), strict=True):
        bundle = next(each for each in bundles if name == f"{each.folder}-hf")
        found_NK = [[answer[tag] for tag in bundle.tags] for answer in answers]
        expected_NK = Tagger.load(bundle.folder, "cpu").probabilities(TEXTS)
        np.testing.assert_allclose(found_NK, expected_NK, atol=1e-6, rtol=0, err_msg=name)


def test_the_configuration_says_how_to_make_texts_and_tags(write_tiny_bundle: Write, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(feature_tokens={"title": 9})
    folder = export(bundle, tmp_path / "out")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"] == {str(k): tag for k, tag in enumerate(bundle.tags)}
    settings = config["tagnet"]
    assert settings["text_template"].format(title="a", description="b") == "a b"
    assert settings["thresholds"] == dict(zip(bundle.tags, bundle.rule.thresholds_K.tolist(), strict=True))
    assert (settings["max_tokens"], settings["feature_tokens"]) == (32, {"title": 9})
    assert (settings["tokens_before"], settings["tokens_after"]) == (1, 1)
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (tokenizer["pad_token"], tokenizer["model_max_length"]) == ("[PAD]", 32)


def test_a_loss_can_be_had(write_tiny_bundle: Write, tmp_path: Path) -> None:
    from tagnet.export.modeling_tagnet import TagnetForSequenceClassification
    from tagnet.model.pretrained import quiet_transformers

    with quiet_transformers(bars=False):
        load: Any = TagnetForSequenceClassification.from_pretrained
        model = load(export(write_tiny_bundle(), tmp_path / "out"))
    ids, labels = torch.tensor([[101, 7, 102], [101, 9, 102]]), torch.tensor([[1, 0, 1], [0, 0, 1]])
    output = model(ids, labels=labels)
    expected = torch.nn.functional.binary_cross_entropy(torch.sigmoid(output.logits), labels.float())
    torch.testing.assert_close(output.loss, expected)
    empty = model(torch.zeros(2, 0), torch.zeros(2, 0)).logits
    torch.testing.assert_close(empty, model(torch.zeros(2, 1), torch.ones(2, 1)).logits)
