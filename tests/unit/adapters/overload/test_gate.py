"""An operation begins when it is its turn, or not at all: in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.clock import loop_time
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.adapters.overload.gate import (
    RETRY_AFTER_S_MAX,
    RETRY_AFTER_S_MIN,
    Gate,
    GateOptions,
    NotBegun,
)
from websocket_handler.adapters.overload.limit import LimitOptions
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.ports.backoff import Backoff

AT_ONCE = Backoff(lambda: 0.0)


class Desk:
    """A gate, and operations that last until they are told to end."""

    def __init__(self, allowed: int = 1, **options: Any) -> None:
        limit = LimitOptions(calls_min=1, calls_first=allowed, calls_max=allowed)
        self.gate = Gate(loop_time, AT_ONCE, GateOptions(limit=limit, **options))
        self.begun: list[str] = []
        self.refused: dict[str, NotBegun] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, rank: Rank = Rank.LOG, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Begin an operation, when it is its turn."""
        self._ends[name] = asyncio.Event()
        work: Coroutine[Any, Any, None] = self._operation(name, rank, is_wanted)
        self.tasks[name] = asyncio.create_task(work)

    async def _operation(self, name: str, rank: Rank, is_wanted: Callable[[], bool]) -> None:
        try:
            async with self.gate.turn(rank, is_wanted):
                self.begun.append(name)
                await self._ends[name].wait()
        except NotBegun as answer:
            self.refused[name] = answer

    async def end(self, name: str) -> None:
        """Let it end."""
        self._ends[name].set()
        await settle()

    async def start_all(self, *names: str) -> None:
        for name in names:
            self.start(name)
        await settle()


@in_virtual_time
async def test_as_many_as_allowed_are_under_way_and_not_one_more() -> None:
    desk = Desk(allowed=2)
    await desk.start_all("a", "b", "c")
    assert desk.begun == ["a", "b"]
    assert (desk.gate.under_way, desk.gate.waiting) == (2, 1)
    await desk.end("b")
    assert desk.begun == ["a", "b", "c"]
    await desk.end("a")
    await desk.end("c")
    assert (desk.gate.under_way, desk.gate.waiting) == (0, 0)


@in_virtual_time
async def test_nobody_overtakes_one_who_waits_even_when_there_is_room() -> None:
    desk = Desk()
    await desk.start_all("a", "b")
    desk._ends["a"].set()
    desk.start("c")  # in the turn of the loop in which `a` ends
    await settle()
    assert desk.begun == ["a", "b"]


@in_virtual_time
async def test_records_wait_until_no_log_does() -> None:
    desk = Desk()
    await desk.start_all("a")
    desk.start("record", Rank.RECORDS)
    await desk.start_all("b")
    await desk.end("a")
    assert desk.begun == ["a", "b"]
    await desk.end("b")
    assert desk.begun == ["a", "b", "record"]


@in_virtual_time
async def test_who_waits_to_the_end_of_its_time_is_refused_and_told_when_to_come_back() -> None:
    desk = Desk(wait_max_s=5.0)
    await desk.start_all("a", "b")
    await asyncio.sleep(4.9)
    assert desk.refused == {}
    await asyncio.sleep(0.2)
    assert desk.refused["b"].retry_after_s >= RETRY_AFTER_S_MIN
    assert not desk.refused["b"].is_unwanted
    assert desk.gate.waiting == 0


@in_virtual_time
async def test_a_full_queue_refuses_at_once() -> None:
    desk = Desk(waiting_max=2)
    await desk.start_all("a", "b", "c")
    assert desk.refused == {}
    await desk.start_all("d")
    assert list(desk.refused) == ["d"]
    assert desk.gate.waiting == 2


@in_virtual_time
async def test_a_full_queue_drops_records_for_a_log() -> None:
    desk = Desk(waiting_max=1)
    await desk.start_all("a")
    desk.start("record", Rank.RECORDS)
    await desk.start_all("b")
    assert list(desk.refused) == ["record"]
    await desk.end("a")
    assert desk.begun == ["a", "b"]


@in_virtual_time
async def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    desk = Desk()
    await desk.start_all("a")
    desk.start("b", is_wanted=lambda: False)
    await desk.start_all("c")
    await desk.end("a")
    assert desk.begun == ["a", "c"]
    assert desk.refused["b"].is_unwanted


@in_virtual_time
async def test_what_begins_at_once_is_not_asked_if_it_is_wanted() -> None:
    desk = Desk()
    desk.start("a", is_wanted=lambda: False)
    await settle()
    assert desk.begun == ["a"]


@in_virtual_time
async def test_one_who_is_cancelled_while_it_waits_lets_the_next_one_go() -> None:
    desk = Desk()
    await desk.start_all("a", "b", "c")
    desk.tasks["b"].cancel()
    await settle()
    await desk.end("a")
    assert desk.begun == ["a", "c"]
    await desk.end("c")
    assert desk.gate.under_way == 0


@in_virtual_time
async def test_a_turn_that_was_given_to_one_who_is_cancelled_in_the_same_moment_goes_to_the_next() -> None:
    desk = Desk()
    await desk.start_all("a", "b", "c")
    desk._ends["a"].set()
    await asyncio.sleep(0)  # `a` ends, and `b` has its turn but has not run yet
    desk.tasks["b"].cancel()
    await settle()
    assert desk.begun == ["a", "c"]
    await desk.end("c")
    assert desk.gate.under_way == 0


@in_virtual_time
async def test_when_the_limit_grows_those_who_wait_begin() -> None:
    gate = Gate(loop_time, AT_ONCE, GateOptions(limit=LimitOptions(calls_first=1, calls_max=2)))
    desk = Desk()
    desk.gate = gate
    await desk.start_all("a", "b", "c")
    assert desk.begun == ["a"]
    gate.answered(loop_time(), is_failed=False)
    await settle()
    assert desk.begun == ["a", "b"]


@in_virtual_time
async def test_the_moment_to_come_back_grows_with_the_queue_within_bounds() -> None:
    desk = Desk(wait_max_s=1000.0)
    await desk.start_all("first")
    await asyncio.sleep(10.0)
    await desk.end("first")  # an operation takes about a second, on average
    seen: list[float] = []
    for number in range(200):
        await desk.start_all(f"{number}")
        seen.append(desk.gate.retry_after_s())
    assert seen[0] == RETRY_AFTER_S_MIN
    assert seen == sorted(seen)
    assert 5.0 < seen[20] < 30.0
    assert seen[-1] == RETRY_AFTER_S_MAX


async def fail(gate: Gate) -> None:
    with pytest.raises(ValueError, match="no"):
        async with gate.turn(Rank.LOG, lambda: True):
            raise ValueError("no")


async def succeed(gate: Gate) -> None:
    async with gate.turn(Rank.LOG, lambda: True):
        pass


@in_virtual_time
async def test_the_place_of_an_operation_that_failed_stays_taken_for_longer_and_longer() -> None:
    longest = Backoff(lambda: 1.0, base_s=0.05, max_s=1.0)
    gate = Gate(loop_time, longest, GateOptions(limit=LimitOptions(calls_first=1, calls_max=1)))
    waits: list[float] = []
    for _ in range(7):
        begun = loop_time()
        await fail(gate)
        waits.append(loop_time() - begun)
        assert gate.under_way == 1
    assert waits == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    await succeed(gate)
    assert gate.under_way == 0
    await fail(gate)
    await asyncio.sleep(0.11)
    assert gate.under_way == 0, "after a success it begins anew"


@in_virtual_time
async def test_a_success_and_a_cancelled_operation_free_their_places_at_once() -> None:
    desk = Desk()
    desk.gate = Gate(loop_time, Backoff(lambda: 1.0), GateOptions(limit=LimitOptions(calls_first=1, calls_max=1)))
    await desk.start_all("a", "b", "c")
    await desk.end("a")
    assert desk.begun == ["a", "b"]
    desk.tasks["b"].cancel()
    await settle()
    assert desk.begun == ["a", "b", "c"]


class Called:
    """An operation that begins by a plain call."""

    def __init__(self) -> None:
        self.waits_until = 0.0
        self.told: list[str] = []

    def is_wanted(self) -> bool:
        return True

    def begin(self, _now: float) -> None:
        self.told.append("begin")

    def refuse(self, answer: NotBegun) -> None:
        self.told.append(str(answer))


@in_virtual_time
async def test_an_operation_by_calls_has_its_place_in_the_same_queue() -> None:
    desk = Desk(wait_max_s=5.0)
    first, second, third = Called(), Called(), Called()
    desk.gate.enter(first, Rank.LOG)
    assert first.told == ["begin"], "at once"
    await desk.start_all("a")
    await asyncio.sleep(1.0)
    desk.gate.enter(second, Rank.LOG)
    desk.gate.enter(third, Rank.LOG)
    desk.gate.leave(third)
    desk.gate.end(loop_time(), is_failed=False)
    await settle()
    assert (desk.begun, second.told) == (["a"], [])
    await asyncio.sleep(4.5)
    assert second.told == [], "its time began a second after that of `a`"
    await asyncio.sleep(0.6)
    assert second.told == ["the store has too much to do"]
    await desk.end("a")
    assert third.told == []
    assert (desk.gate.under_way, desk.gate.waiting) == (0, 0)
