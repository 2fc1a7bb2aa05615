"""Records of many requests are computed together, and each request gets its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.serving.batching import Batcher
from tagnet.serving.engine import Engine
from tagnet.serving.limits import Limits
from tagnet.serving.refusal import Refusal


async def ask(batcher: Batcher, engine: Engine, lengths: list[int]) -> list[float]:
    probs_NK = await batcher.probabilities(engine, [{"title": "x" * n, "description": ""} for n in lengths])
    return [round(1000 * p) for p in probs_NK[:, 1]]


def run(requests: list[list[int]], engines: list[Engine], **settings: Any) -> list[list[float]]:
    async def together() -> list[list[float]]:
        batcher = Batcher(Limits(), **settings)
        batcher.start()
        try:
            jobs = [ask(batcher, engines[place % len(engines)], lengths) for place, lengths in enumerate(requests)]
            return await asyncio.gather(*jobs)
        finally:
            await asyncio.to_thread(batcher.stop)

    return asyncio.run(together())


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=9), max_size=20), st.integers(1, 5))
def test_every_request_gets_its_own_answers(make_model: Any, requests: list[list[int]], batch_size: int) -> None:
    model = make_model()
    assert run(requests, [Engine(model)], batch_size=batch_size) == requests
    assert sum(model.batches) == sum(map(len, requests))
    assert max(model.batches, default=0) <= batch_size


def test_a_request_is_answered_by_the_model_that_was_served_when_it_came(make_model: Any) -> None:
    first, second = make_model("v1"), make_model("v2")
    requests = [[n, n + 1, n + 2] for n in range(30)]
    assert run(requests, [Engine(first), Engine(second)], batch_size=4) == requests
    assert sum(first.batches) == sum(second.batches) == 45


def test_what_gathers_while_a_batch_is_computed_is_the_next_batch(make_model: Any) -> None:
    model = make_model()
    begun, free = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        free.wait(5)

    model.hold = hold

    async def go() -> None:
        batcher = Batcher(Limits(), batch_size=8)
        batcher.start()
        engine = Engine(model)
        first = asyncio.ensure_future(ask(batcher, engine, [1]))
        await asyncio.to_thread(begun.wait)
        others = [asyncio.ensure_future(ask(batcher, engine, [n])) for n in range(8)]
        await asyncio.sleep(0.02)
        assert batcher.records == 9
        free.set()
        await asyncio.gather(first, *others)
        assert batcher.records == 0
        await asyncio.to_thread(batcher.stop)

    asyncio.run(go())
    assert model.batches == [1, 8]


def test_a_failure_is_told_to_those_it_concerns_and_the_thread_goes_on(
    make_model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model()

    async def go() -> None:
        batcher = Batcher(Limits())
        batcher.start()
        engine = Engine(model)
        model.fails = True
        with pytest.raises(RuntimeError, match="lost its way"):
            await ask(batcher, engine, [1, 2])
        model.fails = False
        assert await ask(batcher, engine, [3]) == [3]
        assert batcher.records == 0
        await asyncio.to_thread(batcher.stop)

    asyncio.run(go())
    assert "a batch of 2 records failed" in caplog.text


def test_who_gave_up_is_not_computed(make_model: Any) -> None:
    model = make_model()
    begun, free = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        free.wait(5)

    model.hold = hold

    async def go() -> None:
        batcher = Batcher(Limits())
        batcher.start()
        engine = Engine(model)
        first = asyncio.ensure_future(ask(batcher, engine, [1]))
        await asyncio.to_thread(begun.wait)
        second = asyncio.ensure_future(ask(batcher, engine, [2] * 50))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        free.set()
        assert await first == [1]
        assert await ask(batcher, engine, [3]) == [3]
        await asyncio.to_thread(batcher.stop)

    asyncio.run(go())
    assert sum(model.batches) == 2


def test_who_gives_up_halfway_is_not_computed_to_the_end(make_model: Any) -> None:
    model = make_model()
    begun, free = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        free.wait(5)

    model.hold = hold

    async def go() -> None:
        batcher = Batcher(Limits(), batch_size=2)
        batcher.start()
        engine = Engine(model)
        first = asyncio.ensure_future(ask(batcher, engine, [1] * 10))
        await asyncio.to_thread(begun.wait)
        first.cancel()
        await asyncio.sleep(0)
        free.set()
        assert await ask(batcher, engine, [3]) == [3]
        await asyncio.to_thread(batcher.stop)

    asyncio.run(go())
    assert model.batches == [2, 1]


def test_characters_count_too(make_model: Any) -> None:
    async def go() -> None:
        batcher = Batcher(Limits(queue_characters=10))
        batcher.start()
        with pytest.raises(Refusal, match="at most 2048 texts of 10 characters") as refused:
            await ask(batcher, Engine(make_model()), [11])
        assert refused.value.status == 413
        await asyncio.to_thread(batcher.stop)

    asyncio.run(go())


def test_stopping_finishes_what_waits(make_model: Any) -> None:
    async def go() -> list[float]:
        batcher = Batcher(Limits(), batch_size=1)
        batcher.start()
        waiting = asyncio.ensure_future(ask(batcher, Engine(make_model()), list(range(20))))
        await asyncio.sleep(0)
        await asyncio.to_thread(batcher.stop)
        return await waiting

    assert asyncio.run(go()) == list(range(20))
