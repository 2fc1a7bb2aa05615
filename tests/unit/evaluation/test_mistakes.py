from __future__ import annotations

import numpy as np

from tagnet.evaluation.mistakes import Mistake, confident_mistakes

PROBS_NK = np.array([[0.9, 0.8], [0.2, 0.99], [0.01, 0.4]])
Y_NK = np.array([[0, 0], [1, 1], [1, 0]])


def find(limit: int) -> tuple[Mistake, ...]:
    texts = ["first", "second", "third"]
    return confident_mistakes([7, 8, 9], texts, ("a", "b"), np.full(2, 0.5), PROBS_NK, Y_NK, PROBS_NK >= 0.5, limit)


def test_the_surest_come_first_and_a_record_once_of_each_kind() -> None:
    assert [(m.kind, m.id, m.tag) for m in find(8)] == [("given", "7", "a"), ("missed", "9", "a"), ("missed", "8", "a")]


def test_what_is_shown_of_a_mistake() -> None:
    mistake = find(8)[-1]
    assert (mistake.text, mistake.probability, mistake.threshold) == ("second", 0.2, 0.5)
    assert (mistake.true_tags, mistake.given_tags) == (("a", "b"), ("b",))


def test_the_limit_holds_for_each_kind() -> None:
    assert [m.kind for m in find(1)] == ["given", "missed"]
