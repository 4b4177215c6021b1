"""Who is connected, written down in batches, in virtual time."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.memory_ports import MemoryStateStore
from tests.support.virtual_time import in_virtual_time
from tests.unit.delivery.desk import Desk as NodeDesk
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.recorder import BATCH_MAX, GONE_MAX, REFRESH_INTERVAL_S, StateRecorder
from websocket_handler.ports.state_store import ConnectionRecord, StatePostponed, StateUnavailable


class Store(MemoryStateStore):
    """A state store that can fail, and that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.is_busy = False
        self.tries: list[float] = []
        self.writes: list[tuple[int, int]] = []
        self.before_write: Callable[[], object] = lambda: None

    async def write(self, changed: Sequence[ConnectionRecord], gone: Sequence[str], now: float) -> None:
        self.tries.append(asyncio.get_running_loop().time())
        self.before_write()
        if self.is_down:
            raise StateUnavailable("down")
        if self.is_busy:
            raise StatePostponed("busy")
        self.writes.append((len(changed), len(gone)))
        await super().write(changed, gone, now)


class _Longest(Random):
    """Every random wait is as long as it can be."""

    def random(self) -> float:
        return 1.0


LONGEST = _Longest()


class Desk(NodeDesk):
    """A node whose connections are recorded."""

    def __init__(self, random: Random = LONGEST) -> None:
        self.state = Store()
        self.events: list[str] = []
        self.recorder = StateRecorder(
            self.state, "n1", SteeredClock(loop_time), random, lambda event, _fields: self.events.append(event)
        )
        super().__init__(observer=self.recorder)

    def run(self) -> None:
        """Record from now on, until the test ends."""
        self.running = asyncio.create_task(self.recorder.run())

    def arrive(self, name: str = "c") -> Connection:
        """A connection that the recorder knows of."""
        connection = self.connect(name)
        self.recorder.changed(connection)
        return connection


@in_virtual_time
async def test_connections_and_their_subscriptions_are_written_within_a_second() -> None:
    desk = Desk()
    desk.run()
    connection = desk.arrive()
    desk.subscribe(connection, "p")
    await asyncio.sleep(1.1)
    record = desk.state.records["c"]
    assert (record.node_id, record.connected_at, list(record.subscriptions)) == ("n1", 0.0, ["p"])
    assert desk.state.writes == [(1, 0)], "both changes in one write"
    desk.node.unsubscribe(connection, "p", lambda: None)
    await asyncio.sleep(1)
    assert desk.state.records["c"].subscriptions == {}


@in_virtual_time
async def test_nothing_is_written_while_nothing_changes() -> None:
    desk = Desk()
    desk.run()
    await asyncio.sleep(100)
    assert desk.state.tries == []


@in_virtual_time
async def test_a_connection_that_ended_is_forgotten() -> None:
    desk = Desk()
    desk.run()
    connection = desk.arrive()
    await asyncio.sleep(1.1)
    desk.node.unregister(connection)
    desk.recorder.gone(connection)
    desk.recorder.changed(connection)
    await asyncio.sleep(1)
    assert desk.state.records == {}


@in_virtual_time
async def test_a_connection_that_ended_before_it_was_written_is_never_written() -> None:
    desk = Desk()
    connection = desk.arrive()
    desk.node.unregister(connection)
    desk.recorder.gone(connection)
    assert await desk.recorder.write()
    assert desk.state.tries == []


@in_virtual_time
async def test_a_connection_that_the_node_let_go_of_is_skipped() -> None:
    desk = Desk()
    connection = desk.arrive()
    desk.node.unregister(connection)
    assert await desk.recorder.write()
    assert desk.state.records == {}


@in_virtual_time
async def test_writes_are_batched_and_everything_is_written() -> None:
    desk = Desk()
    for number in range(BATCH_MAX + 50):
        desk.arrive(f"c{number}")
    assert await desk.recorder.write()
    assert desk.state.writes == [(BATCH_MAX, 0), (50, 0)]


@in_virtual_time
async def test_what_changes_while_it_is_written_is_written_again() -> None:
    desk = Desk()
    connection = desk.arrive()
    changes = iter([lambda: desk.subscribe(connection, "p")])
    desk.state.before_write = lambda: next(changes, list)() and None
    assert await desk.recorder.write()
    assert list(desk.state.records["c"].subscriptions) == ["p"]


@in_virtual_time
async def test_a_store_that_fails_is_tried_again_ever_less_often_and_reported_once() -> None:
    desk = Desk()
    desk.run()
    desk.state.is_down = True
    desk.arrive()
    await asyncio.sleep(300)
    pauses = [later - earlier for earlier, later in pairwise(desk.state.tries)]
    assert max(pauses) <= 30.1
    assert pauses == sorted(pauses)
    assert desk.events == ["state.unavailable"]
    assert desk.recorder.fault == "down"
    desk.state.is_down = False
    await asyncio.sleep(31)
    assert desk.recorder.fault is None
    assert list(desk.state.records) == ["c"]


@in_virtual_time
async def test_nodes_whose_store_fails_do_not_come_back_together() -> None:
    desks = [Desk(Random(seed)) for seed in range(20)]
    for desk in desks:
        desk.state.is_down = True
        desk.arrive()
        desk.run()
    await asyncio.sleep(300)
    assert len({desk.state.tries[5] for desk in desks}) == len(desks)
    pauses = [later - earlier for desk in desks for earlier, later in pairwise(desk.state.tries)]
    assert min(pauses) > 0.99, "a failing store is not asked more often than one that works"
    assert max(pauses) <= 30.1


@in_virtual_time
async def test_a_connection_that_ends_while_the_store_fails_is_forgotten_once_it_answers() -> None:
    """A write without an answer may have happened."""
    desk = Desk()
    connection = desk.arrive()
    desk.state.is_down = True
    assert not await desk.recorder.write()
    desk.node.unregister(connection)
    desk.recorder.gone(connection)
    desk.state.is_down = False
    assert await desk.recorder.write()
    assert desk.state.writes == [(0, 1)]


@in_virtual_time
async def test_the_records_of_live_connections_are_written_again_before_they_expire() -> None:
    desk = Desk()
    desk.run()
    desk.arrive()
    await asyncio.sleep(REFRESH_INTERVAL_S + 10)
    assert desk.state.writes == [(1, 0), (1, 0)]


@in_virtual_time
async def test_what_a_busy_store_postponed_is_written_later_and_is_no_failure() -> None:
    desk = Desk()
    desk.run()
    desk.state.is_busy = True
    desk.arrive("a")
    await asyncio.sleep(1.1)
    desk.arrive("b")
    await asyncio.sleep(20)
    assert desk.recorder.fault is None
    assert desk.events == []
    assert desk.state.records == {}
    tries = len(desk.state.tries)
    assert tries < 10, "the pauses grow"
    desk.state.is_busy = False
    await asyncio.sleep(31)
    assert sorted(desk.state.records) == ["a", "b"]


@in_virtual_time
async def test_a_node_that_stops_does_not_wait_for_a_busy_store() -> None:
    desk = Desk()
    desk.state.is_busy = True
    desk.arrive()
    assert not await desk.recorder.write()


@in_virtual_time
async def test_so_many_ended_connections_wait_to_be_taken_out_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GONE_MAX >= 10_000
    monkeypatch.setattr("websocket_handler.delivery.recorder.GONE_MAX", 2)
    desk = Desk()
    connections = [desk.arrive(name) for name in "abc"]
    assert await desk.recorder.write()
    desk.state.is_down = True
    for connection in connections:
        desk.node.unregister(connection)
        desk.recorder.gone(connection)
    desk.state.is_down = False
    assert await desk.recorder.write()
    assert list(desk.state.records) == ["a"], "the oldest one is left to expire"
