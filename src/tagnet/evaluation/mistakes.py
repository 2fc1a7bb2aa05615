"""The mistakes the model is surest of: often the records' faults, not the model's.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mistake:
    """One tag of one record, wrongly given or wrongly withheld."""

    id: str
    text: str
    tag: str
    kind: Literal["given", "missed"]
    """Given though the record does not bear it; or missed though it does."""
    probability: float
    threshold: float
    true_tags: tuple[str, ...]
    given_tags: tuple[str, ...]


def confident_mistakes(
    ids: Sequence[int | str],
    texts: Sequence[str],
    tags: Sequence[str],
    thresholds_K: NDArray[np.floating],
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    accepted_NK: NDArray[np.bool_],
    limit: int = 8,
) -> tuple[Mistake, ...]:
    """Up to `limit` tags that were given with the highest probability, then as many that were missed with the lowest.

    A record is shown once among each kind, with its worst mistake.
    """
    true_NK: NDArray[np.bool_] = y_NK > 0
    mistakes = []
    kinds: tuple[tuple[Literal["given", "missed"], NDArray[np.bool_], NDArray[np.floating]], ...] = (
        ("given", accepted_NK & ~true_NK, -probs_NK),
        ("missed", ~accepted_NK & true_NK, probs_NK),
    )
    for kind, wrong_NK, surprise_NK in kinds:
        cells = np.argwhere(wrong_NK)
        seen: set[int] = set()
        for n, k in cells[np.argsort(surprise_NK[wrong_NK], kind="stable")].tolist():
            if len(seen) == limit:
                break
            if n in seen:
                continue
            seen.add(n)
            mistakes.append(
                Mistake(
                    id=str(ids[n]),
                    text=texts[n],
                    tag=tags[k],
                    kind=kind,
                    probability=float(probs_NK[n, k]),
                    threshold=float(thresholds_K[k]),
                    true_tags=tuple(tags[j] for j in np.flatnonzero(true_NK[n]).tolist()),
                    given_tags=tuple(tags[j] for j in np.flatnonzero(accepted_NK[n]).tolist()),
                )
            )
    return tuple(mistakes)
