"""Many requests of all kinds, every answer held against what is right (bar 4).

    python -m benchmarks.serving.endurance EXPORT OTHER [--requests 100000] [--clients 64] [--output endurance.json]

EXPORT and OTHER are folders of `tagnet export --to onnx` of two models. 64 clients send requests of one to four
records; among them are slow ones, connections that are cut, bodies that are too large or broken. Half-way the folder
that is served is replaced by OTHER. Each answer must hold the probabilities of the model that it names, within 1e-5; a
request that was sent whole must be answered, nine in ten of the plain ones with tags, and by both models; the only 5xx
are 503s with Retry-After. Memory is read every second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import signal
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.client import Connection, tags_body
from benchmarks.serving.corpus import corpus_records
from benchmarks.serving.process import Server, running
from tagnet.prediction.onnx_tagger import OnnxTagger

KINDS = {"plain": 90, "slow": 2, "cut": 3, "too large": 2, "broken": 3}
"""Shares of the kinds of requests (unit: percent)."""
MOST_OFF = 1e-5
LEAST_ANSWERED = 0.9
TEXTS = 500
CHARACTERS = 60
"""Of each field, so that the server answers hundreds of requests a second."""


@dataclass
class Seen:
    """What has come back."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    answered: int = 0
    megabytes: list[float] = field(default_factory=list)
    largest_difference: float = 0.0


class Right:
    """What each model says of each text."""

    def __init__(self, folders: list[Path]) -> None:
        taggers = [OnnxTagger.load(folder) for folder in folders]
        self.records = corpus_records(taggers[0].described.text.features, CHARACTERS)[:TEXTS]
        self.expected = {
            tagger.described.model_version: (tagger.tags, tagger.probabilities(self.records)) for tagger in taggers
        }
        if len(self.expected) != len(folders):
            raise SystemExit("EXPORT and OTHER are the same model")

    def check(self, picked: list[int], body: bytes, seen: Seen) -> None:
        answer = json.loads(body)
        seen.versions[answer["model_version"]] += 1
        tags, expected_NK = self.expected[answer["model_version"]]
        if len(answer["results"]) != len(picked):
            seen.faults.append(f"{len(picked)} records, {len(answer['results'])} results")
            return
        for place, result in zip(picked, answer["results"], strict=True):
            difference = _difference(tags, expected_NK[place], result)
            seen.largest_difference = max(seen.largest_difference, difference)
            if not difference <= MOST_OFF:
                seen.faults.append(f"text {place}: off by {difference}")


def _difference(tags: tuple[str, ...], expected_K: NDArray[np.float64], result: dict[str, Any]) -> float:
    found = {each["tag"]: each["probability"] for each in result["tags"]}
    return float(np.abs(np.array([found[tag] for tag in tags]) - expected_K).max())


async def one(kind: str, connection: Connection, right: Right, draw: random.Random, seen: Seen) -> None:
    picked = draw.sample(range(len(right.records)), k=draw.choice([1, 1, 1, 2, 4]))
    body = tags_body([right.records[i] for i in picked])
    if kind == "cut":
        await connection.cut("/v1/tags", body, draw.randint(0, len(body) + 100))
        seen.statuses["cut"] += 1
        return
    allowed = {200, 429, 503}
    if kind == "too large":
        body, allowed = tags_body([{"title": "x" * 1_200_000}]), {413, 503}
    elif kind == "broken":
        body, allowed = body[: draw.randint(0, len(body) - 1)] + b"\x00", {422, 503}
    seen.sent += 1
    try:
        if kind == "slow":
            status, headers, content = await connection.post_slowly("/v1/tags", body, 5, 0.2)
        else:
            status, headers, content = await connection.post("/v1/tags", body)
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        seen.faults.append(f"{kind}: no answer ({error!r})")
        connection.close()
        return
    seen.answered += 1
    seen.statuses[f"{kind} {status}"] += 1
    if status not in allowed:
        seen.faults.append(f"{kind}: {status} {content[:200]!r}")
    elif status == 200:
        right.check(picked, content, seen)
    elif status in (429, 503):
        if "retry-after" not in headers:
            seen.faults.append(f"{status} without Retry-After")
        await asyncio.sleep(0.2)


async def go(server: Server, right: Right, requests: int, clients: int, replace: Any) -> Seen:
    seen = Seen()
    kinds = random.Random(0).choices(list(KINDS), weights=list(KINDS.values()), k=requests)
    waiting = iter(enumerate(kinds))
    done = 0

    async def client(number: int) -> None:
        nonlocal done
        draw, connection = random.Random(number), Connection(server.port)
        for place, kind in waiting:
            if place == requests // 2:
                await asyncio.to_thread(replace)
                server.process.send_signal(signal.SIGHUP)
            await one(kind, connection, right, draw, seen)
            done += 1
        connection.close()

    async def watch() -> None:
        while True:
            seen.megabytes.append(round(server.resident_megabytes(), 1))
            if len(seen.megabytes) % 60 == 0:
                print(f"{done} of {requests}, {seen.megabytes[-1]:.0f} MB, {len(seen.faults)} faults", flush=True)
            await asyncio.sleep(1)

    watching = asyncio.ensure_future(watch())
    await asyncio.gather(*(client(number) for number in range(clients)))
    watching.cancel()
    seen.faults += too_few_answers(seen, set(right.expected))
    return seen


def too_few_answers(seen: Seen, models: set[str]) -> list[str]:
    """What is wrong where no answer is: refusals alone are right one by one."""
    faults = []
    plain = {name: count for name, count in seen.statuses.items() if name.startswith("plain ")}
    if plain.get("plain 200", 0) < LEAST_ANSWERED * sum(plain.values()):
        faults.append(f"plain requests were refused: {plain}")
    if set(seen.versions) != models:
        faults.append(f"answers of {sorted(seen.versions)} alone")
    return faults


def measure(first: Path, second: Path, requests: int, clients: int, log: Path) -> dict[str, Any]:
    right = Right([first, second])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "served"
        shutil.copytree(first, folder)
        shutil.copytree(second, Path(scratch) / "next")

        def replace() -> None:
            folder.rename(Path(scratch) / "before")
            (Path(scratch) / "next").rename(folder)

        start = time.perf_counter()
        with running(folder, log) as server:
            seen = asyncio.run(go(server, right, requests, clients, replace))
            in_flight = server.figures()["tagnet_requests_in_flight"]
        seconds = time.perf_counter() - start
    memory = seen.megabytes
    return {
        "requests": requests,
        "clients": clients,
        "seconds": round(seconds, 1),
        "statuses": dict(sorted(seen.statuses.items())),
        "models": dict(seen.versions),
        "sent_whole": seen.sent,
        "answered": seen.answered,
        "largest_difference": seen.largest_difference,
        "faults": len(seen.faults),
        "first_faults": seen.faults[:10],
        "tracebacks_in_log": log.read_text().count("Traceback"),
        "in_flight_at_the_end": in_flight - 1,
        "megabytes_before_reload": _median_of(memory, 0.25, 0.5),
        "megabytes_after_reload": _median_of(memory, 0.55, 0.75),
        "megabytes_at_the_end": _median_of(memory, 0.8, 1.0),
        "megabytes_most": max(memory),
        "megabytes": memory[:: max(1, len(memory) // 200)],
    }


def _median_of(values: list[float], first: float, last: float) -> float:
    """The median of a stretch of time, its ends as shares of the whole."""
    stretch = values[int(first * len(values)) : int(last * len(values))]
    return round(statistics.median(stretch or values), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--output", type=Path, default=Path("endurance.json"))
    words = parser.parse_args()
    found = measure(words.export, words.other, words.requests, words.clients, words.output.with_suffix(".log"))
    words.output.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps({name: value for name, value in found.items() if name != "megabytes"}, indent=2))
    raise SystemExit(1 if found["faults"] or found["tracebacks_in_log"] else 0)


if __name__ == "__main__":
    main()
