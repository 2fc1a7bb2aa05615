"""Records of many requests are computed together, and each request gets its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.serving import batching
from tagnet.serving.batching import Batcher
from tagnet.serving.engine import Engine
from tagnet.serving.limits import Limits
from tagnet.serving.refusal import Refusal


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that awaits, as one that pytest runs."""

    @functools.wraps(test)
    def run(*arguments: Any, **more: Any) -> None:
        async def go() -> None:
            await test(*arguments, **more)

        asyncio.run(go())

    return run


@contextlib.asynccontextmanager
async def running(limits: Limits | None = None, **settings: Any) -> AsyncIterator[Batcher]:
    batcher = Batcher(limits or Limits(), **settings)
    batcher.start()
    try:
        yield batcher
    finally:
        await asyncio.to_thread(batcher.stop)


async def ask(batcher: Batcher, engine: Engine, lengths: list[int]) -> list[float]:
    probs_NK = await batcher.probabilities(engine, [{"title": "x" * n, "description": ""} for n in lengths])
    return [round(1000 * p) for p in probs_NK[:, 1]]


async def answers(requests: list[list[int]], engines: list[Engine], batch_size: int) -> list[list[float]]:
    async with running(batch_size=batch_size) as batcher:
        jobs = [ask(batcher, engines[place % len(engines)], lengths) for place, lengths in enumerate(requests)]
        return await asyncio.gather(*jobs)


class Gate:
    """Holds a model at its first batch until it is opened."""

    def __init__(self, model: Any) -> None:
        self._reached, self._open = threading.Event(), threading.Event()
        model.hold = self._wait

    def _wait(self) -> None:
        self._reached.set()
        self._open.wait(5)

    async def reached(self) -> None:
        await asyncio.to_thread(self._reached.wait)

    def open(self) -> None:
        self._open.set()


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=9), max_size=20), st.integers(1, 5))
def test_every_request_gets_its_own_answers(make_model: Any, requests: list[list[int]], batch_size: int) -> None:
    model = make_model()
    assert asyncio.run(answers(requests, [Engine(model)], batch_size)) == requests
    assert sum(model.batches) == sum(map(len, requests))
    assert max(model.batches, default=0) <= batch_size


@in_a_loop
async def test_a_request_is_answered_by_the_model_that_was_served_when_it_came(make_model: Any) -> None:
    first, second = make_model("v1"), make_model("v2")
    requests = [[n, n + 1, n + 2] for n in range(30)]
    assert await answers(requests, [Engine(first), Engine(second)], 4) == requests
    assert sum(first.batches) == sum(second.batches) == 45


@in_a_loop
async def test_what_gathers_while_a_batch_is_computed_is_the_next_batch(model: Any) -> None:
    gate, engine = Gate(model), Engine(model)
    async with running(batch_size=8) as batcher:
        first = asyncio.ensure_future(ask(batcher, engine, [1]))
        await gate.reached()
        others = [asyncio.ensure_future(ask(batcher, engine, [n])) for n in range(8)]
        await asyncio.sleep(0.02)
        assert batcher.records == 9
        gate.open()
        await asyncio.gather(first, *others)
        assert batcher.records == 0
    assert model.batches == [1, 8]


@in_a_loop
async def test_a_single_client_waits_for_nobody(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_LONGEST_WAIT", 3.0)
    async with running() as batcher:
        await ask(batcher, Engine(model), [1] * 20)
        begun = time.monotonic()
        await ask(batcher, Engine(model), [1])
    assert time.monotonic() - begun < 2


@in_a_loop
async def test_a_failure_is_told_and_the_thread_goes_on(model: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with running() as batcher:
        model.fails = True
        with pytest.raises(RuntimeError, match="lost its way"):
            await ask(batcher, Engine(model), [1, 2])
        model.fails = False
        assert await ask(batcher, Engine(model), [3]) == [3]
        assert batcher.records == 0
    assert "a batch of 2 records failed" in caplog.text


@in_a_loop
async def test_a_failure_is_told_to_those_alone_whom_it_concerns(model: Any) -> None:
    gate, engine, decide = Gate(model), Engine(model), model.decide

    def decide_but_for_two(tokens: Any, **more: Any) -> Any:
        if 2 in tokens.lengths_N:
            raise MemoryError("no room for two")
        return decide(tokens, **more)

    model.decide = decide_but_for_two
    async with running(batch_size=1) as batcher:
        asked = [ask(batcher, engine, lengths) for lengths in ([1], [2], [900], [3, 2])]
        waiting = asyncio.gather(*asked, return_exceptions=True)
        await gate.reached()
        gate.open()
        first, second, third, fourth = await waiting
    assert (first, third) == ([1], [900])
    assert isinstance(second, MemoryError)
    assert isinstance(fourth, MemoryError)


@pytest.mark.parametrize(("records", "batches"), [(1, [1, 1]), (10, [2, 1])])
@in_a_loop
async def test_who_gave_up_is_not_computed(model: Any, records: int, batches: list[int]) -> None:
    gate, engine = Gate(model), Engine(model)
    async with running(batch_size=2) as batcher:
        first = asyncio.ensure_future(ask(batcher, engine, [1] * records))
        await gate.reached()
        second = asyncio.ensure_future(ask(batcher, engine, [2] * 50))
        await asyncio.sleep(0)
        for each in (first, second):
            each.cancel()
        await asyncio.sleep(0)
        gate.open()
        assert await ask(batcher, engine, [3]) == [3]
    assert model.batches == batches


@in_a_loop
async def test_an_engine_that_is_not_served_any_more_is_let_go(make_model: Any) -> None:
    engine = Engine(make_model())
    gone = weakref.ref(engine)
    async with running() as batcher:
        await ask(batcher, engine, [1])
        del engine
        for _ in range(100):
            gc.collect()
            if gone() is None:
                break
            await asyncio.sleep(0.01)
        assert gone() is None


@pytest.mark.parametrize("waiting", [0, 1])
@in_a_loop
async def test_what_never_fits_is_refused_for_good(model: Any, waiting: int) -> None:
    gate, engine = Gate(model), Engine(model)
    async with running(Limits(queue_characters=10)) as batcher:
        others = [asyncio.ensure_future(ask(batcher, engine, [1])) for _ in range(waiting)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="at most 2048 texts of 10 characters") as refused:
            await ask(batcher, engine, [11])
        assert refused.value.status == 413
        gate.open()
        await asyncio.gather(*others)


@in_a_loop
async def test_stopping_finishes_what_waits(model: Any) -> None:
    async with running(batch_size=1) as batcher:
        waiting = asyncio.ensure_future(ask(batcher, Engine(model), list(range(20))))
        await asyncio.sleep(0)
    assert await waiting == list(range(20))
