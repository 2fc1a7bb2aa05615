"""The ranking is cleanlab's own."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class

from tagnet.errors import MissingExtraError
from tagnet.labeling.audit import rank_cells
from tagnet.labeling.audit_cleanlab import cleanlab_suspicion


def test_it_flags_and_scores_what_cleanlab_does_with_all_tags_at_once() -> None:
    rng = np.random.default_rng(0)
    probs_NK = rng.random((300, 4))
    y_NK = rng.random((300, 4)) < probs_NK
    found_NK = cleanlab_suspicion(probs_NK, y_NK, np.ones_like(y_NK))
    labels = [np.flatnonzero(row).tolist() for row in y_NK]
    flagged_NK = np.asarray(find_multilabel_issues_per_class(labels, probs_NK, n_jobs=1))
    assert 0 < flagged_NK.sum() < flagged_NK.size
    quality_NK = np.asarray(get_label_quality_scores_per_class(labels, probs_NK))
    np.testing.assert_allclose(found_NK, 1 - quality_NK + 10 * flagged_NK)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.multilabel_classification.filter", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tagnet\[audit\]'"):
        rank_cells([[0.5]], [[1]], ranker="cleanlab")
