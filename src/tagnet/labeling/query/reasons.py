"""Why a record was chosen, for the file beside a batch.

Legend: N records of the pool, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tagnet.labeling.query.choose import Chosen, ChosenCells
from tagnet.labeling.query.pool import Pool
from tagnet.labeling.query.strategies import parse_strategy
from tagnet.records.record import RecordId

MOST_TAGS = 3


def record_reasons(
    strategy: str, pool: Pool, chosen: Chosen, ids: Sequence[RecordId], tags: Sequence[str]
) -> list[dict[str, Any]]:
    """For each chosen record its id, whether it was drawn at random, its score, and the tags that speak most for it.

    Args:
        strategy: its name.
        pool: what was chosen from.
        chosen: what `choose` gave.
        ids: N ids.
        tags: K tags.
    """
    scored = parse_strategy(strategy).scored
    if scored is None or not len(chosen):
        return [
            {"id": ids[row], "random": bool(at_random), "score": None, "tags": []}
            for row, at_random in zip(chosen.positions, chosen.is_random, strict=True)
        ]
    small = pool.take(chosen.positions)
    scores_C, cells_CK = scored.records(small).gains(), scored.cells(small)
    found = []
    for place, row in enumerate(chosen.positions):
        order_K = np.argsort(-cells_CK[place], kind="stable")[:MOST_TAGS]
        found.append(
            {
                "id": ids[row],
                "random": bool(chosen.is_random[place]),
                "score": float(scores_C[place]),
                "tags": [cell_reason(pool, row, k, tags) | {"score": float(cells_CK[place, k])} for k in order_K],
            }
        )
    return found


def cell_reasons(
    strategy: str, pool: Pool, chosen: ChosenCells, ids: Sequence[RecordId], tags: Sequence[str]
) -> list[dict[str, Any]]:
    """The same for chosen cells: one entry a cell."""
    scored = parse_strategy(strategy).scored
    found = []
    for row, k, at_random in zip(chosen.positions, chosen.tags, chosen.is_random, strict=True):
        score = None if scored is None else float(scored.cells(pool.take(np.array([row])))[0, k])
        found.append({"id": ids[row], **cell_reason(pool, row, k, tags), "random": bool(at_random), "score": score})
    return found


def cell_reason(pool: Pool, row: int, k: int, tags: Sequence[str]) -> dict[str, Any]:
    """A tag with what the model says of it, and how many labelled records bear it."""
    return {
        "tag": tags[k],
        "probability": round(float(pool.probs_NK[row, k]), 4),
        "threshold": round(float(pool.thresholds_K[k]), 4),
        "labelled": int(pool.counts_K[k]),
    }
