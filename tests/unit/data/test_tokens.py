"""Texts to ragged token ids: nothing lost, nothing too long."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tagnet.data.tokens import cut_to_budget, render_texts, tokenize
from tagnet.errors import ConfigError
from tagnet.model.embedded import embedded_folder

TEXTS = ["a tiny sql engine", "", "graph neural networks " * 10, "Ünïcode {braces} 🎉", "x"]


@pytest.fixture(scope="module")
def word_piece() -> Tokenizer:
    return Tokenizer.from_file(str(embedded_folder() / "tokenizer.json"))


@pytest.fixture(scope="module")
def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


@pytest.fixture(params=["word_piece", "byte_level"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    found: Tokenizer = request.getfixturevalue(request.param)
    return found


def whole(tokenizer: Tokenizer, text: str) -> list[int]:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids: list[int] = tokenizer.encode(text).ids
    return ids


# -------------------------------------------------------------------------------------------------------- tokenizing


def test_short_texts_are_whole(tokenizer: Tokenizer) -> None:
    tokens = tokenize(tokenizer, TEXTS, 512)
    assert len(tokens) == len(TEXTS)
    assert [tokens.sequences(n)[0].tolist() for n in range(len(TEXTS))] == [whole(tokenizer, text) for text in TEXTS]
    assert tokens.lengths_N.tolist() == [len(whole(tokenizer, text)) for text in TEXTS]
    assert tokens.num_over_limit == 0


def test_long_texts_are_cut_and_counted(tokenizer: Tokenizer) -> None:
    tokens = tokenize(tokenizer, TEXTS, 9)
    lengths = np.array([len(whole(tokenizer, text)) for text in TEXTS])
    assert tokens.lengths_N.tolist() == np.minimum(lengths, 9).tolist()
    assert tokens.over_limit_N.tolist() == (lengths > 9).tolist()
    assert tokens.num_over_limit == (lengths > 9).sum() > 0


def test_a_text_that_just_fits_is_not_over_the_limit(word_piece: Tokenizer) -> None:
    length = len(whole(word_piece, "a tiny sql engine"))
    assert tokenize(word_piece, ["a tiny sql engine"], length).num_over_limit == 0
    assert tokenize(word_piece, ["a tiny sql engine"], length - 1).num_over_limit == 1


@given(
    words=st.lists(st.sampled_from(["graph", "sql", "tokenization", "🎉", "Ü"]), max_size=60),
    room=st.integers(1, 20),
    data=st.data(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_cover_everything_and_share_the_overlap(
    word_piece: Tokenizer, words: list[str], room: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, room - 1))
    text = " ".join(words)
    tokens = tokenize(word_piece, [text], room + 2, overlap)
    windows = tokens.sequences(0)
    first, *inner, last = whole(word_piece, text)
    assert all(window[0] == first and window[-1] == last and len(window) <= room + 2 for window in windows)
    insides = [window[1:-1].tolist() for window in windows]
    for left, right in pairwise(insides):
        assert len(left) == room
        assert left[room - overlap :] == right[:overlap]
    joined = insides[0] + [token for inside in insides[1:] for token in inside[overlap:]]
    assert joined == inner
    assert tokens.num_over_limit == (len(windows) > 1)


def test_windows_of_several_texts(word_piece: Tokenizer) -> None:
    tokens = tokenize(word_piece, TEXTS, 12, window_overlap=4)
    assert [len(tokens.sequences(n)) for n in range(len(TEXTS))] == [1, 1, 5, 1, 1]
    assert tokens.lengths_N.tolist() == [6, 2, 12, tokens.lengths_N[3], 3]


def test_an_overlap_that_leaves_no_room_is_refused(word_piece: Tokenizer) -> None:
    with pytest.raises(ConfigError, match=r"data\.window_overlap: expected fewer than the 10 tokens .* found 10"):
        tokenize(word_piece, ["a"], 12, window_overlap=10)


def test_nothing_at_all(tokenizer: Tokenizer) -> None:
    for overlap in (None, 2):
        tokens = tokenize(tokenizer, [], 12, overlap)
        assert len(tokens) == 0
        assert tokens.lengths_N.tolist() == []
        assert tokens.num_over_limit == 0
        assert len(tokens.take(np.zeros(0, np.int64))) == 0


def test_an_empty_text_is_one_sequence(tokenizer: Tokenizer) -> None:
    for overlap in (None, 2):
        tokens = tokenize(tokenizer, [""], 12, overlap)
        assert [sequence.tolist() for sequence in tokens.sequences(0)] == [whole(tokenizer, "")]


def test_padding_and_truncation_of_the_file_are_switched_off(word_piece: Tokenizer) -> None:
    word_piece.enable_padding(length=128)
    word_piece.enable_truncation(3)
    assert cut_to_budget(word_piece, ["a b c d e f"], 5) == ["a b c d e"]
    word_piece.enable_padding(length=128)
    word_piece.enable_truncation(3)
    assert tokenize(word_piece, ["a b c d e f"], 64).lengths_N.tolist() == [8]
    assert word_piece.truncation is None
    assert word_piece.padding is None


def test_more_texts_than_are_tokenized_at_once(word_piece: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tokenize(word_piece, TEXTS, 9)
    monkeypatch.setattr("tagnet.data.tokens._CHUNK", 2)
    found = tokenize(word_piece, TEXTS, 9)
    assert found.token_ids.tolist() == expected.token_ids.tolist()
    assert found.over_limit_N.tolist() == expected.over_limit_N.tolist()
    assert cut_to_budget(word_piece, TEXTS, 2) == [cut_to_budget(word_piece, [text], 2)[0] for text in TEXTS]


@pytest.mark.parametrize("overlap", [None, 3])
def test_take(word_piece: Tokenizer, overlap: int | None) -> None:
    tokens = tokenize(word_piece, TEXTS, 9, overlap)
    index = np.array([2, 0, 2, 1])
    taken = tokens.take(index)
    assert len(taken) == 4
    for place, n in enumerate(index):
        assert [s.tolist() for s in taken.sequences(place)] == [s.tolist() for s in tokens.sequences(n)]
    assert taken.lengths_N.tolist() == tokens.lengths_N[index].tolist()
    assert taken.num_over_limit == 2


# ----------------------------------------------------------------------------------------------------------- budgets


@given(text=st.text(max_size=60), budget=st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_a_cut_text_is_a_beginning_within_its_budget(word_piece: Tokenizer, text: str, budget: int) -> None:
    (cut,) = cut_to_budget(word_piece, [text], budget)
    assert text.startswith(cut)
    inside = word_piece.encode(text, add_special_tokens=False).ids
    kept = word_piece.encode(cut, add_special_tokens=False).ids
    assert len(kept) <= budget
    if len(inside) <= budget:
        assert cut == text


def test_a_cut_keeps_the_tokens_before_it(tokenizer: Tokenizer) -> None:
    text = "graph neural tokenization networks"
    for budget in range(1, 8):
        (cut,) = cut_to_budget(tokenizer, [text], budget)
        inside = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.encode(cut, add_special_tokens=False).ids == inside[:budget]


def test_a_character_of_several_tokens_stays_whole(byte_level: Tokenizer) -> None:
    (cut,) = cut_to_budget(byte_level, ["漢字"], 1)
    assert cut == "漢"


def test_rows_are_cut_field_by_field_and_rendered(word_piece: Tokenizer) -> None:
    rows = [
        {"title": "one two three", "description": "four five six"},
        {"title": "{a} in", "description": ""},
        {"description": "no title"},
    ]
    texts = render_texts(word_piece, "{title} {description}", rows, {"title": 2})
    assert texts == ["one two four five six", "{a", "no title"]
    assert rows[0]["title"] == "one two three"
    assert render_texts(word_piece, "{title}", [], {"title": 2}) == []
