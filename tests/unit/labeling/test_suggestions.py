"""What a bundle suggests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tagnet.bundle import Bundle
from tagnet.labeling.suggestions import model_version, suggest
from tagnet.prediction.tagger import Tagger
from tagnet.records.record import Record


def test_accepted_tags_and_what_it_says_of_the_authors(write_tiny_bundle: Callable[..., Bundle]) -> None:
    bundle = write_tiny_bundle()
    tagger = Tagger.load(bundle.folder, "cpu")
    records = [
        Record(1, {"title": "Sets", "description": "A tour."}, (), None),
        Record(2, {"title": "Graphs", "description": "Walks."}, ("nlp", "own"), None),
    ]
    done: list[int] = []
    found = suggest(tagger, records, progress=done.append)
    probs_NK = tagger.probabilities(records)
    accepted_NK = bundle.rule.accept(probs_NK)
    assert done[-1] == 2
    for n, (record, row) in enumerate(zip(records, found, strict=True)):
        accepted = {tag for tag, yes in zip(bundle.tags, accepted_NK[n], strict=True) if yes}
        assert {each.tag for each in row} == accepted | (set(record.tags) & set(bundle.tags))
        probabilities = [each.probability for each in row if each.probability is not None]
        assert len(probabilities) == len(row)
        assert probabilities == sorted(probabilities, reverse=True)
        np.testing.assert_allclose(probabilities, [probs_NK[n][bundle.tags.index(each.tag)] for each in row], atol=1e-4)
        assert {(each.source, each.model_version) for each in row} <= {("model", model_version(bundle.folder))}


def test_a_version_stands_for_the_bundles_content(write_tiny_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    one, other = write_tiny_bundle("one"), write_tiny_bundle("other", tags=("a", "b"))
    assert model_version(one.folder) == model_version(write_tiny_bundle("one").folder)
    assert model_version(one.folder) != model_version(other.folder)
