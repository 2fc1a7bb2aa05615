"""Lexical evidence: TF-IDF as scikit-learn makes it, and names found as whole words, wherever they stand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer

from tagnet.model.lexical import (
    LONGEST_NAME,
    LexicalEvidence,
    LexicalWeights,
    hash_of,
    lexical_from_state,
    no_weights,
)

VOCABULARY = 12
CONTINUES = (10, 11)


def evidence(names: dict[tuple[int, ...], int], num_tags: int = 3) -> LexicalEvidence:
    """Evidence that looks for these names of tags; tokens 10 and 11 continue words."""
    ordered = sorted(names, key=len)
    weights = no_weights(VOCABULARY, num_tags)
    weights.continues_V[list(CONTINUES)] = True
    return LexicalEvidence(
        weights._replace(
            hash_of_name_P=torch.tensor([hash_of(name) for name in ordered], dtype=torch.int64),
            tag_of_name_P=torch.tensor([names[name] for name in ordered], dtype=torch.int64),
            names_of_length_L=torch.tensor([sum(len(n) == i for n in ordered) for i in range(1, LONGEST_NAME + 1)]),
            name_weight=torch.tensor(1.0),
        )
    )


def stands_in(name: tuple[int, ...], ids: list[int]) -> bool:
    """The same by hand: the name's tokens in a row, and no continuation after them."""
    n = len(name)
    return any(
        tuple(ids[i : i + n]) == name and (ids[i + n : i + n + 1] or [0])[0] not in CONTINUES for i in range(len(ids))
    )


tokens = st.integers(0, VOCABULARY - 1)


@given(
    names=st.dictionaries(st.lists(tokens, min_size=1, max_size=3).map(tuple), st.integers(0, 2), max_size=6),
    texts=st.lists(st.lists(tokens, min_size=1, max_size=9), min_size=1, max_size=4),
)
def test_names_are_found_as_a_search_by_hand_finds_them(
    names: dict[tuple[int, ...], int], texts: list[list[int]]
) -> None:
    width = max(map(len, texts))
    ids_ST = torch.tensor([text + [0] * (width - len(text)) for text in texts])
    mask_ST = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts])
    named_SK = evidence(names).named(ids_ST, mask_ST)
    for row, text in enumerate(texts):
        expected = {tag for name, tag in names.items() if stands_in(name, text)}
        assert set(named_SK[row].nonzero().ravel().tolist()) == expected


def test_padding_changes_nothing() -> None:
    lexical = evidence({(5,): 0, (0,): 1})
    short = torch.tensor([[3, 5]])
    padded = torch.tensor([[3, 5, 0, 0, 0]])
    assert torch.equal(lexical(short, torch.ones_like(short)), lexical(padded, torch.tensor([[1, 1, 0, 0, 0]])))


def test_a_name_at_the_longest_length_is_found_and_its_parts_are_not() -> None:
    name = tuple(range(1, 1 + LONGEST_NAME))
    lexical = evidence({name: 2})
    ids_ST = torch.tensor([[9, *name], [9, 9, *name[:-1]]])
    assert lexical.named(ids_ST, torch.ones_like(ids_ST))[:, 2].tolist() == [1, 0]


@given(st.lists(st.lists(tokens, min_size=1, max_size=9), min_size=1, max_size=5))
def test_tfidf_is_that_of_scikit_learn(texts: list[list[int]]) -> None:
    known = [token for token in range(VOCABULARY) if token not in (0, 7)]
    corpus_NV = np.random.default_rng(0).integers(0, 3, (20, VOCABULARY))
    transformer = TfidfTransformer(sublinear_tf=True).fit(csr_matrix(corpus_NV[:, known].astype(float)))
    column_of_token_V = torch.zeros(VOCABULARY, dtype=torch.int64)
    column_of_token_V[known] = torch.arange(1, len(known) + 1)
    lexical = LexicalEvidence(
        no_weights(VOCABULARY, 1)._replace(
            column_of_token_V=column_of_token_V,
            idf_F=torch.from_numpy(transformer.idf_).float(),
            word_weights_KF=torch.zeros(1, len(known)),
        )
    )
    width = max(map(len, texts))
    ids_ST = torch.tensor([text + [3] * (width - len(text)) for text in texts])
    mask_ST = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts])
    counts_NV = np.array([np.bincount(text, minlength=VOCABULARY) for text in texts])
    expected_NF = transformer.transform(csr_matrix(counts_NV[:, known].astype(float))).toarray()
    np.testing.assert_allclose(lexical.tfidf(ids_ST, mask_ST).numpy(), expected_NF, atol=1e-6)


def test_it_speaks_in_float32_under_autocast() -> None:
    lexical = evidence({(5,): 0})
    ids_ST = torch.tensor([[5]])
    with torch.autocast("cpu", torch.bfloat16):
        assert lexical(ids_ST, torch.ones_like(ids_ST)).dtype == torch.float32


def test_evidence_that_knows_nothing_adds_nothing() -> None:
    lexical = LexicalEvidence(no_weights(VOCABULARY, 3))
    ids_ST = torch.tensor([[1, 2, 3]])
    assert lexical(ids_ST, torch.ones_like(ids_ST)).tolist() == [[0, 0, 0]]


def test_it_comes_back_from_the_state_of_a_network() -> None:
    lexical = evidence({(5,): 0, (7, 8): 1})
    state = {f"lexical.{name}": tensor for name, tensor in lexical.state_dict().items()}
    again = lexical_from_state(state)
    assert again is not None
    ids_ST = torch.tensor([[5, 1, 7, 8]])
    assert torch.equal(again(ids_ST, torch.ones_like(ids_ST)), lexical(ids_ST, torch.ones_like(ids_ST)))
    assert lexical_from_state({"head.weight": torch.zeros(1)}) is None
    state.pop(f"lexical.{LexicalWeights._fields[0]}")
    with pytest.raises(KeyError):
        lexical_from_state(state)
