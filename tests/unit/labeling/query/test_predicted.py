"""The pool as a bundle sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tagnet.bundle import Bundle
from tagnet.errors import ConfigError
from tagnet.labeling.query.predicted import predicted_pool
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.tagger import Tagger
from tagnet.records.record import Record

CPU = torch.device("cpu")
RECORDS = [Record(n, {"title": f"Title {n}", "description": f"About {n} and more."}, (), None) for n in range(6)]
LABELLED = [
    Record(10, {"title": "Graphs", "description": ""}, ("graphs", "nlp alias"), None),
    Record(11, {"title": "Words", "description": ""}, ("nlp", "unheard-of"), None),
]


def test_nothing_is_computed_that_is_not_needed(write_tiny_bundle: Callable[..., Bundle]) -> None:
    tagger = Tagger(write_tiny_bundle(), CPU)
    pool = predicted_pool(tagger, RECORDS, ())
    assert pool.embeddings_ND is pool.labelled_embeddings_MD is pool.members_ENK is None
    np.testing.assert_array_equal(pool.probs_NK, tagger.probabilities(RECORDS))
    assert pool.counts_K.tolist() == [0, 1, 2]  # what the bundle was trained on


def test_labelled_records_are_counted_in_the_words_of_the_bundle(write_tiny_bundle: Callable[..., Bundle]) -> None:
    tagger = Tagger(write_tiny_bundle(), CPU)
    pool = predicted_pool(tagger, RECORDS, {"embeddings_ND"}, labelled=LABELLED)
    assert pool.counts_K.tolist() == [0, 1, 2]  # databases, graphs, nlp
    assert pool.embeddings_ND is not None
    assert pool.labelled_embeddings_MD is not None
    assert (len(pool.embeddings_ND), len(pool.labelled_embeddings_MD)) == (6, 2)


def test_members_are_the_bundle_others_and_passes_with_dropout(
    write_tiny_bundle: Callable[..., Bundle], make_network: Callable[..., TaggerNetwork]
) -> None:
    tagger = Tagger(write_tiny_bundle(), CPU)
    other = Tagger(write_tiny_bundle("other"), CPU, make_network(3))
    pool = predicted_pool(tagger, RECORDS, {"members_ENK"}, members=[other], dropout_passes=2, seed=1)
    again = predicted_pool(tagger, RECORDS, {"members_ENK"}, members=[other], dropout_passes=2, seed=1)
    assert pool.members_ENK is not None
    assert again.members_ENK is not None
    assert pool.members_ENK.shape == (4, 6, 3)
    np.testing.assert_array_equal(pool.members_ENK[0], pool.probs_NK)
    np.testing.assert_array_equal(pool.members_ENK, again.members_ENK)
    assert np.abs(pool.members_ENK[2] - pool.members_ENK[3]).max() > 1e-6
    np.testing.assert_array_equal(tagger.probabilities(RECORDS), pool.probs_NK)  # dropout is off again


def test_a_member_with_other_tags_is_refused(write_tiny_bundle: Callable[..., Bundle]) -> None:
    other = Tagger(write_tiny_bundle("other", ("databases", "graphs", "vision")), CPU)
    with pytest.raises(ConfigError, match=r"expected the 3 tags of .* found others: nlp, vision"):
        predicted_pool(Tagger(write_tiny_bundle(), CPU), RECORDS, {"members_ENK"}, members=[other])


def test_an_empty_pool_is_one(write_tiny_bundle: Callable[..., Bundle]) -> None:
    pool = predicted_pool(Tagger(write_tiny_bundle(), CPU), [], {"embeddings_ND", "members_ENK"}, dropout_passes=3)
    assert pool.num_records == 0
