"""A server against bare onnxruntime on the same model, side by side in one run (bar 3).

    python -m benchmarks.serving.throughput EXPORT [--rounds 7] [--requests 640] [--output throughput.json]

EXPORT is a folder of `tagnet export --to onnx`. In every round, one after the other: bare calls of one record; one
client; bare batches of 32 in the order of the corpus; the same with all records sorted by length beforehand, which no
server can do; 32 clients. Bare calls tokenize too. Medians over rounds, and ratios round by round. The clients run on
the same machine as the server. Takes about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.serving.client import Connection, tags_body
from benchmarks.serving.corpus import corpus_records
from benchmarks.serving.process import running
from tagnet.prediction.onnx_tagger import OnnxTagger
from tagnet.prediction.over_batches import over_batches

CLIENTS = 32
BATCH = 32


def bare_call(tagger: OnnxTagger, records: list[dict[str, str]]) -> float:
    """The median of calls of one record (unit: ms)."""
    seconds = []
    for record in records:
        start = time.perf_counter()
        tagger.run(tagger.tokenize([record]).sequences(0))
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def bare_batches(tagger: OnnxTagger, records: list[dict[str, str]], *, sort: bool) -> float:
    """Records a second, in batches of 32."""
    start = time.perf_counter()
    if sort:  # batch after batch, as a server runs them
        over_batches(tagger.tokenize(records), tagger.run, len(tagger.tags), batch_size=BATCH)
    else:
        for first in range(0, len(records), BATCH):
            tagger.decide(tagger.tokenize(records[first : first + BATCH]), batch_size=BATCH)
    return len(records) / (time.perf_counter() - start)


async def served(port: int, bodies: list[bytes], clients: int) -> tuple[float, float]:
    """Requests a second, and the median latency (unit: ms), of clients that ask one record after the other."""
    waiting = iter(bodies)
    seconds: list[float] = []

    async def client() -> None:
        connection = Connection(port)
        for body in waiting:
            start = time.perf_counter()
            status, _, _ = await connection.post("/v1/tags", body)
            seconds.append(time.perf_counter() - start)
            assert status == 200, status
        connection.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return len(bodies) / (time.perf_counter() - start), 1000 * statistics.median(seconds)


def measure(folder: Path, rounds: int, requests: int, log: Path) -> dict[str, Any]:
    """All rounds, and what they come to."""
    tagger = OnnxTagger.load(folder)
    corpus = corpus_records(tagger.described.text.features)
    records = [corpus[i % len(corpus)] for i in range(requests)]
    bodies = [tags_body([record]) for record in records]
    single = min(requests, 200)
    table = []
    with running(folder, log) as server:
        asyncio.run(served(server.port, bodies[:single], CLIENTS))
        for number in range(rounds):
            row = {
                "bare_ms": bare_call(tagger, records[:single]),
                "one_client_ms": asyncio.run(served(server.port, bodies[:single], 1))[1],
                "bare_batches": bare_batches(tagger, records, sort=False),
                "bare_sorted_batches": bare_batches(tagger, records, sort=True),
                "many_clients": asyncio.run(served(server.port, bodies, CLIENTS))[0],
            }
            table.append(row)
            print(number + 1, {name: round(value, 2) for name, value in row.items()}, flush=True)

    def median(of: Any) -> float:
        return float(statistics.median(of(row) for row in table))

    return {
        "cores": os.cpu_count(),
        "records": requests,
        "rounds": table,
        "p50_over_bare_ms": median(lambda row: row["one_client_ms"] - row["bare_ms"]),
        "of_bare_batches": median(lambda row: row["many_clients"] / row["bare_batches"]),
        "of_bare_sorted_batches": median(lambda row: row["many_clients"] / row["bare_sorted_batches"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=640)
    parser.add_argument("--output", type=Path, default=Path("throughput.json"))
    words = parser.parse_args()
    found = measure(words.export, words.rounds, words.requests, words.output.with_suffix(".log"))
    words.output.write_text(json.dumps(found, indent=2) + "\n")
    print(f"one client: p50 {found['p50_over_bare_ms']:+.2f} ms over the bare call (bar: 3)")
    print(f"{CLIENTS} clients: {found['of_bare_batches']:.2f} of bare batches of {BATCH} (bar: .8)")
    print(f"{CLIENTS} clients: {found['of_bare_sorted_batches']:.2f} of bare batches of records sorted beforehand")


if __name__ == "__main__":
    main()
