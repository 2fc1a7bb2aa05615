"""Any number of records that look like the MadeWithML projects ($TAGNET_DATA).

Each takes a real text, three in ten of its words replaced by words of other texts; one in fifty is an exact copy of
another, one in fifty differs from another by a word. Tags are drawn so that the common and the rare are as uneven as
theirs.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

_REPLACED, _COPIES, _NEAR = 0.3, 0.02, 0.02


def write_records(path: Path, number: int, num_tags: int) -> None:
    """Write resampled records as JSON Lines."""
    from tagnet.records.io import load_records
    from tagnet.records.sources import MADEWITHML

    real = load_records(MADEWITHML, {}, "error", ("title", "description")).records
    titles = [record.fields["title"].split() or ["untitled"] for record in real]
    bodies = [record.fields["description"].split() or ["nothing"] for record in real]
    vocabulary = np.array([word for words in bodies for word in words])
    drawn = np.random.default_rng(0)
    sizes = np.array([len(record.tags) for record in real])
    weights = 1 / np.arange(1, num_tags + 1)  # Zipf's law, which the 400 real tags follow over most of their range
    edges = np.cumsum(weights / weights.sum())
    before: list[tuple[str, str]] = []
    with path.open("w", encoding="utf-8") as stream:
        for place in range(number):
            source = int(drawn.integers(len(real)))
            kind = drawn.random()
            if before and kind < _COPIES + _NEAR:
                title, body = before[int(drawn.integers(len(before)))]
                if kind >= _COPIES:
                    body += " again"
            else:
                words = [*titles[source], *bodies[source]]
                for at in np.flatnonzero(drawn.random(len(words)) < _REPLACED).tolist():
                    words[at] = str(vocabulary[int(drawn.integers(len(vocabulary)))])
                cut = len(titles[source])
                title, body = " ".join(words[:cut]), " ".join(words[cut:])
                if len(before) < 1000:
                    before.append((title, body))
                else:
                    before[int(drawn.integers(1000))] = (title, body)
            tags = np.unique(np.searchsorted(edges, drawn.random(max(1, int(sizes[source])))))
            row = {
                "id": place,
                "title": title,
                "description": body,
                "tags": [f"tag-{tag:05d}" for tag in tags.tolist()],
            }
            stream.write(json.dumps(row) + "\n")
