"""Records of concurrent requests, computed together by one thread.

The thread takes what waits, sorts it by length and runs it in batches; meanwhile new requests gather, which is what
makes the next batches large. A single client never waits for others. Each request is computed by the model that was
served when it came, whatever is loaded meanwhile.

Shapes: N records of a request, K tags.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tagnet.data.padding import plan_in_order_of_length
from tagnet.data.tokens import TokenizedTexts
from tagnet.serving.engine import Engine, Model
from tagnet.serving.limits import Limits
from tagnet.serving.refusal import Refusal

_LOG = logging.getLogger("tagnet.serving")

_LONGEST_WAIT = 0.002
"""How long the thread lets requests gather, where several clients ask at once (unit: seconds)."""
_BATCHES_A_TURN = 8
"""So many batches are taken, and sorted by length, at a time."""


@dataclass(eq=False, slots=True)
class _Asked:
    """One request's records on their way."""

    engine: Engine
    records: Sequence[Mapping[str, str]]
    characters: int
    future: asyncio.Future[NDArray[np.float64]]
    probs_NK: NDArray[np.float64]
    left: int
    """Records that are not computed yet."""
    taken: int = 0
    """Records that the thread has taken."""


@dataclass
class _Pace:
    """How quickly records are computed, for `Retry-After`."""

    seconds_a_record: float = 0.01
    last_turn: int = 1
    """Requests of the last turn: about half as many clients are on their way with their next one."""


@dataclass(frozen=True)
class Watch:
    """Who is told about batches."""

    batch: Callable[[int, float], object] = field(default=lambda size, seconds: None)
    """Records of a batch, and seconds it took."""


class Batcher:
    """The queue and its thread."""

    def __init__(self, limits: Limits, batch_size: int = 8, watch: Watch | None = None) -> None:
        self._limits = limits
        self._batch_size = batch_size
        self._watch = watch or Watch()
        self._waiting: deque[_Asked] = deque()
        self._untaken = 0
        self._records = 0
        self._characters = 0
        self._pace = _Pace()
        self._changed = threading.Condition()
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name="tagnet-inference", daemon=True)

    @property
    def records(self) -> int:
        """Records that wait or are computed."""
        return self._records

    def start(self) -> None:
        """Start the thread; called in the event loop that will ask."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end once all that waits is computed."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    async def probabilities(self, engine: Engine, records: Sequence[Mapping[str, str]]) -> NDArray[np.float64]:
        """Probabilities (N, K) of records, which have the model's fields.

        Raises:
            Refusal: the queue is full, or the answer does not come in time.
        """
        assert self._loop is not None
        characters = sum(sum(map(len, record.values())) for record in records)
        self._check_room(len(records), characters)
        future: asyncio.Future[NDArray[np.float64]] = self._loop.create_future()
        probs_NK = np.zeros((len(records), len(engine.tags)))
        asked = _Asked(engine, records, characters, future, probs_NK, len(records))
        self._records += len(records)
        self._characters += characters
        try:
            with self._changed:
                self._waiting.append(asked)
                self._untaken += len(records)
                self._changed.notify()
            async with asyncio.timeout(self._limits.answer_seconds):
                return await future
        except TimeoutError as error:
            raise Refusal(
                503,
                "too_slow",
                f"the server could not answer within {self._limits.answer_seconds:g} seconds; "
                "send fewer or shorter records, or try again later",
                retry_after=5,
            ) from error
        finally:
            self._records -= len(records)
            self._characters -= characters

    def _check_room(self, records: int, characters: int) -> None:
        limits = self._limits
        if self._records + records <= limits.queue_records and (
            self._characters + characters <= limits.queue_characters
        ):
            return
        if records > limits.queue_records or characters > limits.queue_characters:  # it would never fit
            raise Refusal(
                413,
                "too_much_at_once",
                f"the request makes {records} texts of {characters} characters; at most {limits.queue_records} texts "
                f"of {limits.queue_characters} characters are computed at a time. Send fewer.",
            )
        seconds = min(30, max(1, math.ceil(self._records * self._pace.seconds_a_record)))
        raise Refusal(
            429,
            "queue_full",
            f"{self._records} records are waiting already; try again in {seconds} s",
            retry_after=seconds,
        )

    # ------------------------------------------------------------------------------------------------- in the thread

    def _work(self) -> None:
        while (turn := self._next_turn()) is not None:
            if turn:
                self._compute(turn)
            del turn  # or a model that was replaced would stay until the next request

    def _next_turn(self) -> list[tuple[_Asked, int]] | None:
        """Records of one engine, from the head of the queue; None once it is empty and stopped."""
        with self._changed:
            while not self._waiting:
                if self._stopped:
                    return None
                self._changed.wait()
            self._let_others_come()
            engine = self._waiting[0].engine
            turn: list[tuple[_Asked, int]] = []
            requests = 0
            while self._waiting and self._waiting[0].engine is engine:
                asked = self._waiting[0]
                room = self._batch_size * _BATCHES_A_TURN - len(turn)
                if room == 0:
                    break
                given_up = asked.future.done()
                last = len(asked.records) if given_up else min(len(asked.records), asked.taken + room)
                if not given_up:
                    turn += [(asked, place) for place in range(asked.taken, last)]
                    requests += 1
                self._untaken -= last - asked.taken
                asked.taken = last
                if last == len(asked.records):
                    self._waiting.popleft()
            self._pace.last_turn = max(1, requests)
            return turn

    def _let_others_come(self) -> None:
        """Where many were answered a moment ago, their next requests are about to come: half of them are enough."""
        wanted = min(self._batch_size, (self._pace.last_turn + 1) // 2)
        until = time.monotonic() + _LONGEST_WAIT
        while self._untaken < wanted and not self._stopped:
            left = until - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _compute(self, turn: list[tuple[_Asked, int]]) -> None:
        model = turn[0][0].engine.model
        try:
            tokens = model.tokenize([asked.records[place] for asked, place in turn])
        except Exception as error:  # whatever is raised must not end the thread
            self._give_up(turn, error)
            return
        # The short ones first: nobody should wait for a long text that happens to be in the same turn.
        for planned_B in reversed(plan_in_order_of_length(tokens.lengths_N, self._batch_size)):
            index_B = planned_B[[not turn[i][0].future.done() for i in planned_B.tolist()]]
            if not len(index_B):  # whoever asked has given up meanwhile
                continue
            batch = [turn[i] for i in index_B.tolist()]
            try:
                self._compute_batch(model, batch, tokens.take(index_B))
            except Exception as error:  # the other batches of the turn are none of its business
                self._give_up(batch, error)

    def _compute_batch(self, model: Model, batch: list[tuple[_Asked, int]], tokens: TokenizedTexts) -> None:
        start = time.perf_counter()
        probs_BK, _ = model.decide(tokens, batch_size=self._batch_size)
        seconds = time.perf_counter() - start
        self._pace.seconds_a_record += 0.1 * (seconds / len(batch) - self._pace.seconds_a_record)
        self._watch.batch(len(batch), seconds)
        self._hand_over(batch, probs_BK)

    def _give_up(self, failed: list[tuple[_Asked, int]], error: Exception) -> None:
        _LOG.exception("a batch of %d records failed", len(failed))
        self._call(_fail, [asked for asked, _ in failed], error)

    def _hand_over(self, batch: list[tuple[_Asked, int]], probs_BK: NDArray[np.float64]) -> None:
        done = []
        for (asked, place), probs_K in zip(batch, probs_BK, strict=True):
            asked.probs_NK[place] = probs_K
            asked.left -= 1
            if asked.left == 0:
                done.append(asked)
        if done:
            self._call(_answer, done)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)


def _answer(done: list[_Asked]) -> None:
    for asked in done:
        if not asked.future.done():
            asked.future.set_result(asked.probs_NK)


def _fail(failed: list[_Asked], error: Exception) -> None:
    for asked in failed:
        if not asked.future.done():
            asked.future.set_exception(error)
