"""What the simulation found, made small: each of these failed before its repair."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from tests.support.clock import SteeredClock, loop_time
from tests.support.doubles import NEVER_OLD, Bench, client_of, segment, tail
from tests.support.virtual_time import in_virtual_time
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.follower import Follower
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.recorder import StateRecorder
from websocket_handler.hub.log import LogLimits, Start
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Behind, Tail
from websocket_handler.ports.peers import PEER_LIFETIME_S
from websocket_handler.ports.state_store import ConnectionRecord
from websocket_handler.protocol.messages import Position

SHORT = DeliveryLimits(log=LogLimits(messages=3, bytes=1_000_000, seconds=1e9))


def _opened(at: Tail, limits: DeliveryLimits | None = None) -> Bench:
    bench = Bench(limits or DeliveryLimits(log=NEVER_OLD))
    bench.hand.opened(at)
    return bench


def test_a_cursor_does_not_overtake_the_commit_of_its_own_node() -> None:
    """A page of the store may hold a segment whose commit this node has not heard of yet: it comes with the commit,
    once. Seed 1: the cursor went ahead, found nothing there, and was reset without need."""
    bench = _opened(Tail("e", 9, 0, (segment(1, 9),)), SHORT)
    connection, _ = bench.follow(since=Position("e", 2))
    bench.publish()
    bench.scheduler.settle()
    bench.hand.answer_read(Tail("e", 10, 0, (segment(1, 9), segment(10, 10))))
    assert client_of(connection).offsets == list(range(3, 10))
    bench.commit()
    assert client_of(connection).offsets == list(range(3, 11))
    assert not bench.hand.reads


def test_a_position_further_ahead_than_one_page_is_still_found() -> None:
    """A read of the store gives one page. Seed 262: a client ahead of its new node by more than that was told that
    its position cannot be continued."""
    bench = _opened(tail(1, 2))
    _, places = bench.follow(since=Position("e", 9))
    bench.hand.answer_read(tail(3, 6, floor=0))
    assert places == []
    bench.hand.answer_read(tail(7, 9, floor=0))
    assert places == [Start(9, recovered=True)]


def test_a_position_that_is_nowhere_is_refused_after_the_last_page() -> None:
    """The search ends where nothing further comes."""
    bench = _opened(tail(1, 2))
    _, places = bench.follow(since=Position("e", 9))
    bench.hand.answer_read(tail(3, 6, floor=0))
    bench.hand.answer_read(tail(7, 6, floor=0))
    assert places == [Start(0, recovered=False)]


def test_a_reset_begins_where_the_store_begins() -> None:
    """Seed 725: after a new epoch cursors began at what memory holds, though the store holds more."""
    bench = _opened(tail(1, 2), SHORT)
    connection, _ = bench.follow()
    bench.publish()
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    bench.hand.answer_read(tail(1, 9, epoch="f"))
    bench.hand.opened(Tail("f", 9, 0, (segment(1, 9, epoch="f"),)))
    reset = client_of(connection).messages[0]
    assert (reset["type"], reset["epoch"], reset["offset"]) == ("subscription_reset", "f", 0)


def test_a_place_that_was_verified_in_a_lost_log_is_decided_anew() -> None:
    """While the store is asked whether a position can be continued, another log may replace this one. Then the offset
    means nothing."""
    bench = _opened(Tail("e", 9, 0, (segment(1, 9),)), SHORT)
    _, places = bench.follow(since=Position("e", 2))
    bench.publish()
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    after, verify = bench.hand.reads.pop(0)
    bench.hand.answer_read(tail(1, 9, epoch="f"))
    bench.hand.opened(Tail("f", 9, 0, (segment(1, 9, epoch="f"),)))
    assert after == 2
    verify(Tail("f", 9, 0, (segment(1, 9, epoch="f"),)))
    while not places:
        bench.hand.answer_read(Tail("f", 9, 0, (segment(1, 9, epoch="f"),)))
    assert places == [Start(0, recovered=False)]


class _OneAtATime:
    """A state store that takes one write at a time, as the port says, and takes its time."""

    name = "slow"

    def __init__(self) -> None:
        self.is_writing = False
        self.forgotten: list[str] = []

    async def write(self, changed: Sequence[ConnectionRecord], gone: Sequence[str], now: float) -> None:
        assert not self.is_writing
        self.is_writing = True
        await asyncio.sleep(1)
        self.is_writing = False
        self.forgotten += gone


@in_virtual_time
async def test_a_stopping_node_writes_its_records_beside_nobody() -> None:
    """Seed 149: a node that drained wrote its records while its recorder did, and one of them failed."""
    store = _OneAtATime()
    connection = cast(
        "Connection", SimpleNamespace(connection_id="c", is_open=True, connected_at=0.0, subscriptions={})
    )
    recorder = StateRecorder(store, "n", SteeredClock(loop_time), Random(1), lambda _event, _fields: None)
    recorder.changed(connection)
    assert await recorder.write()
    recorder.gone(connection)
    assert all(await asyncio.gather(recorder.write(), recorder.write()))
    assert store.forgotten == ["c"]


class _Leaving:
    """Another node that is seen once and is gone after that."""

    def __init__(self) -> None:
        self.answers = [["other"]]

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        return self.answers.pop() if self.answers else []

    async def leave(self, node_id: str) -> None:
        """Nobody listens."""


@in_virtual_time
async def test_a_node_that_left_is_followed_to_its_last_word() -> None:
    """Seed 113: a node wrote, and left before the other one looked; who was connected there never heard of it."""
    looks: list[float] = []
    clock = SteeredClock(loop_time)

    class Followed:
        """A project that somebody follows. Each look at it is over at once."""

        is_followed = True
        reader = SimpleNamespace(epoch="e")

        def __init__(self) -> None:
            self.journal = self

        def refresh(self, done: Callable[[None], None]) -> None:
            looks.append(clock.monotonic())
            done(None)

    project: Any = Followed()
    follower = Follower(
        _Leaving(), cast("Node", SimpleNamespace(projects=SimpleNamespace(shared=[project]))), "n", clock
    )
    begun = clock.monotonic()
    task = asyncio.get_running_loop().create_task(follower.run())
    await asyncio.sleep(3 * PEER_LIFETIME_S)
    task.cancel()
    assert follower.others == ()
    assert PEER_LIFETIME_S - 2 < looks[-1] - begun <= PEER_LIFETIME_S + 1
