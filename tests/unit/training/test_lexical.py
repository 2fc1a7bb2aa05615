"""Fitting lexical evidence: words from training records, names from the taxonomy, their weight from validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from tagnet.data.tokens import TokenizedTexts, tokenize
from tagnet.model.encoder import Encoder
from tagnet.model.lexical import LONGEST_NAME, LexicalEvidence
from tagnet.records.tag_names import TagNames
from tagnet.training.lexical import (
    continuing_tokens,
    evidence_of_texts,
    fit_weights,
    fit_words,
    token_counts,
    weighted,
    with_names,
)

Floats = NDArray[Any]
TEXTS = ["maps of cities", "plots of maps", "graphs and nodes", "nodes in graphs", "nothing at all", "all of it"]
Y_NK = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]], dtype=np.uint8)
NAMES = [TagNames(("object-detection", "yolo"), (0,)), TagNames(("gan",), (0, 1))]


def tokens_of(encoder: Encoder, texts: list[str], max_tokens: int = 64) -> TokenizedTexts:
    """Tokens of these texts."""
    return tokenize(encoder.tokenizer, texts, max_tokens)


def words_of(encoder: Encoder, texts: list[str], lexical: LexicalEvidence) -> Floats:
    """What the words of these texts say."""
    return evidence_of_texts(lexical, tokens_of(encoder, texts), encoder.pad_id, batch_size=4)[0]


def named(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    """Which of the two tags each text names."""
    vocabulary = fit_words(tokens_of(encoder, TEXTS), np.arange(6), Y_NK, encoder.tokenizer, 0)
    lexical = LexicalEvidence(with_names(vocabulary, NAMES, encoder.tokenizer))
    _, names_NK = evidence_of_texts(lexical, tokens_of(encoder, texts), encoder.pad_id, batch_size=2)
    return [np.flatnonzero(row).tolist() for row in names_NK]


def test_words_that_only_one_tag_has_speak_for_it(tiny: Encoder) -> None:
    lexical = LexicalEvidence(fit_words(tokens_of(tiny, TEXTS), np.arange(6), Y_NK, tiny.tokenizer, 0))
    words_NK = words_of(tiny, ["maps", "graphs", "it"], lexical)
    assert words_NK[0, 0] > 0 > words_NK[0, 1]
    assert words_NK[1, 1] > 0 > words_NK[1, 0]


def test_only_training_texts_are_learned_from_and_special_tokens_are_no_words(tiny: Encoder) -> None:
    weights = fit_words(tokens_of(tiny, TEXTS), np.arange(2, 6), Y_NK, tiny.tokenizer, 0)
    seen = {tiny.tokenizer.id_to_token(int(token)) for token in weights.column_of_token_V.nonzero().ravel()}
    assert "maps" not in seen
    assert "graphs" in seen
    assert "[CLS]" not in seen
    # The first tag has no positive left, the second has.
    assert not weights.word_weights_KF[0].any()
    assert weights.word_weights_KF[1].any()


def test_names_are_whole_words_in_several_spellings(tiny: Encoder) -> None:
    texts = [
        "Object Detection in video",
        "object-detection",
        "many object detections",
        "yolo",
        "yolov5 and objects",
        "GANs",
        "organic",
        "gan",
    ]
    assert named(tiny, texts) == [[0], [0], [0], [0], [], [0, 1], [], [0, 1]]


def test_a_name_in_any_window_of_a_text_counts(tiny: Encoder) -> None:
    vocabulary = fit_words(tokens_of(tiny, TEXTS), np.arange(6), Y_NK, tiny.tokenizer, 0)
    lexical = LexicalEvidence(with_names(vocabulary, NAMES, tiny.tokenizer))
    texts = tokenize(tiny.tokenizer, ["word " * 30 + "yolo", "word"], 16, window_overlap=2)
    _, names_NK = evidence_of_texts(lexical, texts, tiny.pad_id, batch_size=2)
    assert names_NK.tolist() == [[1, 0], [0, 0]]


def test_names_that_are_too_long_are_left_out(tiny: Encoder) -> None:
    vocabulary = fit_words(tokens_of(tiny, TEXTS), np.arange(6), Y_NK, tiny.tokenizer, 0)
    weights = with_names(vocabulary, [TagNames(("word-" * (LONGEST_NAME + 1),), (0,))], tiny.tokenizer)
    assert len(weights.hash_of_name_P) == 0


def test_a_byte_level_tokenizer_tells_words_by_the_blank_before_them() -> None:
    vocabulary = {"<unk>": 0, "gan": 1, "Ġgan": 2, "Ġthe": 3, "ism": 4, ",": 5}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert continuing_tokens(tokenizer).tolist() == [False, True, False, False, True, False]


def test_a_few_tokens_with_another_kind_s_mark_do_not_make_it_that_kind() -> None:
    # As in the vocabulary of RoBERTa, where ## and #### stand for headings.
    vocabulary = {"<unk>": 0, "##": 1, "####": 2, "Ġsql": 3, "ite": 4, "Ġthe": 5, "Ġof": 6}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    assert continuing_tokens(tokenizer).tolist() == [False, False, False, False, True, False, False]


def test_token_ids_may_leave_numbers_out() -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "maps": 4, "##s": 7, "##ed": 9}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    texts = tokenize(tokenizer, ["maps", "nothing", "maps maps"], 8)
    weights = fit_words(texts, np.arange(3), np.array([[1], [0], [1]], dtype=np.uint8), tokenizer, 0)
    assert len(weights.column_of_token_V) == len(weights.continues_V) == 10
    words_NK, _ = evidence_of_texts(LexicalEvidence(weights), texts, 0, batch_size=2)
    assert words_NK[0, 0] > words_NK[1, 0]


def test_a_text_of_many_windows_is_looked_at_in_parts(tiny: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = fit_words(tokens_of(tiny, TEXTS), np.arange(6), Y_NK, tiny.tokenizer, 0)
    lexical = LexicalEvidence(with_names(vocabulary, NAMES, tiny.tokenizer))
    texts = tokenize(tiny.tokenizer, ["maps " * 80 + "yolo", "word", "nodes " * 50], 16, window_overlap=2)
    expected = evidence_of_texts(lexical, texts, tiny.pad_id, batch_size=64)
    sizes: list[int] = []
    found_in = lexical.named

    def named(ids_ST: torch.Tensor, mask_ST: torch.Tensor) -> torch.Tensor:
        sizes.append(len(ids_ST))
        return found_in(ids_ST, mask_ST)

    monkeypatch.setattr(lexical, "named", named)
    for whole_NK, made_NK in zip(expected, evidence_of_texts(lexical, texts, tiny.pad_id, batch_size=4), strict=True):
        np.testing.assert_allclose(made_NK, whole_NK, atol=1e-6)
    assert max(sizes) == 4


def test_token_counts_are_those_of_each_text(tiny: Encoder) -> None:
    tokens = tokens_of(tiny, ["maps of maps", "of"])
    counts_NV = token_counts(tokens, tiny.tokenizer.get_vocab_size())
    maps, of = (tiny.tokenizer.token_to_id(word) for word in ("maps", "of"))
    assert counts_NV[:, [maps, of]].toarray().tolist() == [[2, 1], [0, 1]]


def simulated(seed: int, slopes: tuple[float, float, float]) -> tuple[Floats, Floats, Floats, Floats]:
    """Logits, words, names and the labels that follow from them."""
    rng = np.random.default_rng(seed)
    logits, words = rng.normal(size=(2, 3000, 4))
    names = (rng.random((3000, 4)) < 0.2) * 1.0
    z = slopes[0] * logits + slopes[1] * words + slopes[2] * names - 1
    return logits, words, names, (rng.random(z.shape) < 1 / (1 + np.exp(-z))) * 1


@settings(max_examples=20)
@given(seed=st.integers(0, 99), words=st.sampled_from([0.0, 0.5, 2.0]), names=st.sampled_from([0.0, 1.0, 3.0]))
def test_the_weights_are_those_that_the_labels_were_drawn_by(seed: int, words: float, names: float) -> None:
    found = fit_weights(*simulated(seed, (1.0, words, names)), seed=0)
    assert found[0] == pytest.approx(words, abs=0.25)
    assert found[1] == pytest.approx(names, abs=0.5)


def test_evidence_against_the_labels_counts_nothing() -> None:
    assert fit_weights(*simulated(0, (1.0, -1.0, -2.0)), seed=0) == (0.0, 0.0)


def test_validation_without_a_positive_gives_no_weight() -> None:
    logits, words, names, y = simulated(0, (1.0, 1.0, 1.0))
    assert fit_weights(logits, words, names, np.zeros_like(y), seed=0) == (0.0, 0.0)


def test_both_parts_are_scaled(tiny: Encoder) -> None:
    vocabulary = fit_words(tokens_of(tiny, TEXTS), np.arange(6), Y_NK, tiny.tokenizer, 0)
    weights = with_names(vocabulary, NAMES, tiny.tokenizer)
    texts = tokens_of(tiny, ["yolo maps"])
    words_NK, names_NK = evidence_of_texts(LexicalEvidence(weights), texts, tiny.pad_id, batch_size=1)
    sequence = torch.from_numpy(texts.token_ids.astype(np.int64))[None]
    both_NK = weighted(weights, 2.0, 3.0)(sequence, torch.ones_like(sequence)).numpy()
    np.testing.assert_allclose(both_NK, 2 * words_NK + 3 * names_NK, atol=1e-6)


def test_the_network_adds_it_to_its_logits(make_network: Callable[..., torch.nn.Module], tiny: Encoder) -> None:
    vocabulary = fit_words(tokens_of(tiny, TEXTS), np.arange(6), Y_NK, tiny.tokenizer, 0)
    lexical = weighted(with_names(vocabulary, NAMES, tiny.tokenizer), 1.0, 1.0)
    network = make_network(2, encoder=tiny)
    ids_ST = torch.from_numpy(tokens_of(tiny, ["yolo maps"]).token_ids.astype(np.int64))[None]
    mask_ST = torch.ones_like(ids_ST)
    with torch.no_grad():
        before = network(ids_ST, mask_ST)
        network.lexical = lexical
        torch.testing.assert_close(network(ids_ST, mask_ST), before + lexical(ids_ST, mask_ST))
