"""What every format promises, for every head and pooling: the bundle's probabilities and decisions, or no folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from tagnet.bundle import Bundle, TextSettings, write_bundle
from tagnet.calibration.rule import DecisionRule
from tagnet.config import EvaluationConfig, LabelsConfig, ModelConfig
from tagnet.export.exporter import References, export_bundle
from tagnet.export.formats import FORMATS
from tagnet.model.encoder import build_encoder, load_encoder
from tagnet.model.lexical import LONGEST_NAME, LexicalEvidence, hash_of, no_weights
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.tagger import Tagger

HINTS = get_type_hints(ModelConfig)
HEADS, POOLINGS = get_args(HINTS["head"]), get_args(HINTS["pooling"])
# The label-wise head attends for itself; one that starts from the tags' names is a linear one.
PAIRS = [
    ("linear", "mean"),
    *(("linear", pooling) for pooling in POOLINGS if pooling != "mean"),
    *((head, "mean") for head in HEADS if head != "linear"),
]
TEXTS = ["", "one", "a tiny sql engine written in rust {braces} 🎉", "graph neural networks " * 30, "x " * 29 + "sql"]
TAGS = ("c++/c#", "größe 🎉", "nlp")
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "roberta": {"pad_token_id": 1, "max_position_embeddings": 50},
    "mpnet": {"pad_token_id": 1, "max_position_embeddings": 50},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "deberta-v2": {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8, "pad_token_id": 0},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
}
SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}

Make = Callable[..., Bundle]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Bundles with loud heads; the encoder is tiny, of any architecture."""

    def write(
        head: str = "linear",
        pooling: str = "mean",
        architecture: str = "tiny",
        window_overlap: int | None = None,
        lexical: bool = False,
    ) -> Bundle:
        encoder = load_encoder("tiny")
        torch.manual_seed(0)
        if architecture != "tiny":
            sizes = {} if architecture in ("distilbert", "gpt2") else SIZES
            config = {"vocab_size": 30522, **sizes, **ARCHITECTURES[architecture], "model_type": architecture}
            encoder = build_encoder(config, encoder.tokenizer, source=architecture)
        model = ModelConfig(pooling, head, 0.1, None, lexical, None)  # type: ignore[arg-type]
        network = TaggerNetwork(encoder, model, len(TAGS))
        with torch.no_grad():
            for parameter in [*network.pooling.parameters(), *network.head.parameters()]:
                parameter.normal_()
            # Else no token would change the state of another one.
            for name, parameter in network.encoder.named_parameters():
                if parameter.ndim == 2 and "embed" not in name and "wte" not in name:
                    parameter.normal_(std=0.3)
        if lexical:
            network.lexical = evidence(encoder.tokenizer)
        return write_bundle(
            tmp_path / "bundle",
            network=network.eval(),
            encoder=encoder,
            model=model,
            taxonomy=None,
            rule=DecisionRule(TAGS, 0.5, np.array([-0.5, 0.0, 1.0]), np.array([0.3, 0.5, 0.7]), "none", "fixed"),
            text=TextSettings("{title}", ("title",), {}, 32, window_overlap),
            labels=LabelsConfig(1, (), (), "drop", False, True),
            evaluation=EvaluationConfig(50, 0.8, (1,), (), "warn"),
            train_counts=dict.fromkeys(TAGS, 10),
            provenance={"run": "test"},
        )

    return write


def evidence(tokenizer: Tokenizer) -> LexicalEvidence:
    """Loud evidence: words of the texts below, and two names."""
    words = sorted({token for text in TEXTS for token in tokenizer.encode(text).ids})
    names = [tokenizer.encode(name, add_special_tokens=False).ids for name in ("sql", "graph neural networks")]
    weights = no_weights(tokenizer.get_vocab_size(), len(TAGS))
    weights.column_of_token_V[words] = torch.arange(1, len(words) + 1)
    lengths = [len(name) for name in names]
    return LexicalEvidence(
        weights._replace(
            idf_F=torch.rand(len(words)) + 1,
            word_weights_KF=torch.randn(len(TAGS), len(words)),
            word_bias_K=torch.randn(len(TAGS)),
            hash_of_name_P=torch.tensor([hash_of(name) for name in names]),
            tag_of_name_P=torch.tensor([0, 2]),
            names_of_length_L=torch.tensor([lengths.count(length) for length in range(1, LONGEST_NAME + 1)]),
            name_weight=torch.tensor(2.0),
        )
    )


def check(bundle: Bundle, to: str, output: Path) -> None:
    tagger = Tagger.load(bundle.folder, "cpu")
    probs_NK = tagger.probabilities(TEXTS)
    assert np.ptp(probs_NK, axis=0).min() > 0.003, "a model that says the same of every text shows nothing"
    # Labels that the bundle gets wrong throughout: its F1 is 0, and cannot fall.
    y_NK = ~bundle.rule.accept(probs_NK)
    exported = export_bundle(bundle.folder, to, output, References("some texts", TEXTS, y_NK))
    found_NK, accepted_NK = FORMATS[to].run(bundle, output, TEXTS)
    if FORMATS[to].exact:
        np.testing.assert_allclose(found_NK, probs_NK, atol=1e-5, rtol=0)
        assert (accepted_NK == bundle.rule.accept(probs_NK)).all()
    else:
        # Random weights of 32 dimensions: one step of eight bits is much of a logit.
        np.testing.assert_allclose(found_NK, probs_NK, atol=0.15, rtol=0)
    assert exported.parity.largest == pytest.approx(np.abs(found_NK - probs_NK).max(), abs=1e-6)
    card = (output / "README.md").read_text(encoding="utf-8")
    for expected in ("## Use", "## Metrics", "## Checked at export", "5 texts: probabilities differ by", "## Limits"):
        assert expected in card
    # Whoever gets the folder learns nothing of the machine on which it was made.
    for path in output.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"site-packages" not in content, path
            assert b"src/tagnet" not in content, path
            assert str(output.parent).encode() not in content, path
    assert exported.num_bytes == sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    assert [path.name for path in output.parent.iterdir() if path.name.startswith(".")] == []


# They hold the same graph as `onnx`: once is enough where time matters.
SLOW = ("onnx-int8", "triton")


@pytest.mark.parametrize(
    ("to", "head", "pooling"),
    [
        pytest.param(
            to,
            head,
            pooling,
            id=f"{to}-{head}-{pooling}",
            marks=[pytest.mark.slow] if to in SLOW and (head, pooling) != PAIRS[0] else [],
        )
        for to in FORMATS
        for head, pooling in PAIRS
    ],
)
def test_an_export_says_what_the_bundle_says(to: str, head: str, pooling: str, make: Make, tmp_path: Path) -> None:
    check(make(head, pooling), to, tmp_path / "out")


@pytest.mark.parametrize("to", FORMATS)
def test_windows_are_read_as_the_bundle_reads_them(to: str, make: Make, tmp_path: Path) -> None:
    check(make(window_overlap=5), to, tmp_path / "out")


@pytest.mark.parametrize("to", FORMATS)
def test_lexical_evidence_goes_along(to: str, make: Make, tmp_path: Path) -> None:
    check(make(lexical=True, window_overlap=5), to, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_encoders(to: str, architecture: str, make: Make, tmp_path: Path) -> None:
    # The first token of GPT-2 sees nothing but itself.
    check(make("linear", "mean" if architecture == "gpt2" else "cls", architecture), to, tmp_path / "out")
