"""An outage of ours is not the update's fault: whatever it costs, no update ends in the dead-letter queue."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any, Final

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.doubles import NEVER_OLD, no_chance
from tests.support.observers import NotedConnections
from tests.support.publications import untimed
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.update_publishing import HOLD_MAX_S
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.delivery.updates_under_way import UNDER_WAY_BYTES_MAX
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Behind, Committed, Segment, Tail, TooLarge, Unavailable, always
from websocket_handler.ports.update_source import Update
from websocket_handler.protocol.publication import finish
from websocket_handler.telemetry.counters import Counters

RECEIVES_MAX: Final = 3
VISIBILITY_S: Final = 3.0
DOWN: Final = Unavailable("down")


class RedrivenSource:
    """A queue with a visibility and a redrive policy, as SQS has them: a receive is never taken back."""

    name = "redriven"
    batch_messages_max = 10
    is_ordered = False
    hidden_s = 30.0
    """The default, until the queue was asked."""

    def __init__(self) -> None:
        self._visible_at: dict[str, float] = {}
        self._updates: dict[str, Update] = {}
        self._handles = count(1)
        self.receives: Counter[str] = Counter()
        self.dead: list[str] = []

    def put(self, *bodies: bytes) -> None:
        for body in bodies:
            update_id = f"u{len(self._updates) + len(self.receives)}-{next(self._handles)}"
            self._updates[update_id] = Update(update_id, "", body, {})
            self._visible_at[update_id] = 0.0

    @property
    def left(self) -> int:
        """How many messages are in the queue, hidden or not."""
        return len(self._updates)

    async def check(self) -> None:
        await asyncio.sleep(0.01)

    async def receive(self) -> Sequence[Update]:
        await asyncio.sleep(0.01)
        self.hidden_s = VISIBILITY_S
        now = asyncio.get_running_loop().time()
        taken: list[Update] = []
        for update_id in [each for each, at in self._visible_at.items() if at <= now][:10]:
            if self.receives[update_id] == RECEIVES_MAX:
                self.dead.append(update_id)
                await self.delete([f"{update_id}/"])
                continue
            self.receives[update_id] += 1
            self._visible_at[update_id] = now + VISIBILITY_S
            update = self._updates[update_id]
            handle = f"{update_id}/{self.receives[update_id]}"
            taken.append(Update(update_id, handle, update.body, update.attributes))
        return taken

    async def delete(self, handles: Sequence[str]) -> None:
        for handle in handles:
            update_id = handle.partition("/")[0]
            self._updates.pop(update_id, None)
            self._visible_at.pop(update_id, None)

    async def extend(self, handles: Sequence[str]) -> None:
        for handle in handles:
            update_id = handle.partition("/")[0]
            if update_id in self._visible_at:
                self._visible_at[update_id] = asyncio.get_running_loop().time() + VISIBILITY_S


class FailingStore(MemoryLogStore):
    """A memory store that can be down. Like the real one it takes its time to find out, and `failure` says what the
    last answer was."""

    is_shared = True

    def __init__(self, clock: SteeredClock) -> None:
        super().__init__(clock, NEVER_OLD)
        self.is_down = False
        self._failure: str | None = None

    def _ask(self, ask: Callable[[], object], done: Callable[[Any], None]) -> None:
        def answer() -> None:
            self._failure = "down" if self.is_down else None
            if self.is_down:
                done(DOWN)
            else:
                ask()

        asyncio.get_running_loop().call_later(0.5, answer)

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        self._ask(lambda: super(FailingStore, self).open(project_id, done, is_wanted), done)

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        self._ask(lambda: super(FailingStore, self).append(project_id, segment, done), done)

    async def check(self) -> None:
        self._failure = "down" if self.is_down else None

    def failure(self) -> str | None:
        return self._failure


class Bench:
    """A consumer between a queue with a redrive policy and a store that can be down."""

    def __init__(self, *, is_down: bool = False, **limits: Any) -> None:
        clock = SteeredClock(loop_time)
        self.source, self.store, self.counters = RedrivenSource(), FailingStore(clock), Counters()
        self.store.is_down = is_down
        self.events: list[tuple[str, dict[str, object]]] = []
        ids = iter(range(1, 1_000_000))
        loop: Any = asyncio.get_running_loop()
        most = DeliveryLimits(log=NEVER_OLD, **limits)
        engine = Engine(self.store, clock, loop, most, self.counters, lambda: f"id{next(ids)}", finish, no_chance)
        self.node = Node(engine, MemoryLogStore(clock, NEVER_OLD), NotedConnections())
        report = lambda event, fields: self.events.append((event, fields))  # noqa: E731
        self.consumer = UpdateConsumer(self.source, self.node, self.counters, Random(1), report)
        self.tasks = [asyncio.create_task(self.consumer.run()), asyncio.create_task(self._probe())]

    async def _probe(self) -> None:
        while True:
            await self.store.check()
            await asyncio.sleep(3)

    def payloads(self, project_id: str) -> list[bytes]:
        log = self.node.project(project_id).journal.log
        return [untimed(entry.payload) for entry in log.after(0, 10_000, 10_000_000)]

    @property
    def names(self) -> list[str]:
        return [event for event, _ in self.events]


def numbered(project_id: str, *numbers: int) -> list[bytes]:
    """Updates that tell their number."""
    return [b'{"project_id":"%b","n":%d}' % (project_id.encode(), number) for number in numbers]


@pytest.mark.parametrize("is_in_hand", [True, False], ids=["in hand", "in the queue"])
@in_virtual_time
async def test_an_outage_of_thirty_seconds_costs_no_update(is_in_hand: bool) -> None:
    bench = Bench()
    bench.source.put(*numbered("p", 0))
    await asyncio.sleep(5)
    if is_in_hand:
        bench.source.put(*numbered("p", *range(1, 50)))
        await asyncio.sleep(0.2)
    bench.store.is_down = True
    if not is_in_hand:
        bench.source.put(*numbered("p", *range(1, 50)))
    await asyncio.sleep(30)
    assert len(bench.payloads("p")) < 50
    bench.store.is_down = False
    await asyncio.sleep(10)
    assert bench.source.dead == []
    assert bench.source.left == 0
    expected = [b'{"project_id":"p","n":%d,"offset":%d}' % (n, n + 1) for n in range(50)]
    assert bench.payloads("p") == expected
    assert max(bench.source.receives.values()) == 1
    assert bench.names == ["updates.paused", "updates.resumed"]


@in_virtual_time
async def test_a_node_that_starts_during_an_outage_spends_no_receive() -> None:
    """ECS may replace a node again and again while the store is down."""
    bench = Bench(is_down=True)
    bench.source.put(*numbered("p", 1))
    await asyncio.sleep(60)
    assert bench.source.receives == {}
    bench.store.is_down = False
    await asyncio.sleep(10)
    assert bench.source.left == 0


@in_virtual_time
async def test_a_visibility_shorter_than_the_default_is_kept_from_the_first_update_on() -> None:
    """The simulation found it, seed 1365: the first extension came after half of SQS's default of 30 s."""
    bench = Bench()
    bench.source.put(*numbered("p", 1))
    await asyncio.sleep(0.2)
    bench.store.is_down = True
    await asyncio.sleep(8)
    bench.store.is_down = False
    await asyncio.sleep(10)
    assert bench.source.left == 0
    assert sum(bench.source.receives.values()) == 1


@in_virtual_time
async def test_many_short_outages_cost_no_update() -> None:
    bench = Bench()
    for number in range(40):
        bench.source.put(*numbered("p", *range(10 * number, 10 * number + 10)))
        bench.store.is_down = number % 2 == 0
        await asyncio.sleep(4)
    bench.store.is_down = False
    await asyncio.sleep(10)
    assert bench.source.dead == []
    assert bench.source.left == 0
    assert len(bench.payloads("p")) == 400
    assert max(bench.source.receives.values()) == 1


@in_virtual_time
async def test_a_full_queue_of_the_node_is_not_the_updates_fault_either() -> None:
    """`overloaded`: the project waits in its order, and the others go on."""
    bench = Bench(pending_messages=5)
    bench.source.put(*numbered("p", *range(30)), *numbered("q", 1))
    await asyncio.sleep(60)
    assert [n for n, payload in enumerate(bench.payloads("p")) if b'"n":%d,' % n in payload] == list(range(30))
    assert len(bench.payloads("q")) == 1
    assert max(bench.source.receives.values()) == 1
    assert bench.source.left == 0
    assert bench.counters.updates["held"] > 0
    assert bench.counters.updates["published"] == 31


@in_virtual_time
async def test_a_node_that_holds_too_many_projects_holds_the_update_until_there_is_room() -> None:
    bench = Bench(projects=1, project_idle_s=20.0)
    feed = bench.node.feed("busy")
    bench.source.put(*numbered("p", 1))
    await asyncio.sleep(30)
    assert bench.counters.updates == {"held": 1}
    feed.close()
    await asyncio.sleep(10)
    assert bench.source.left == 0
    assert sum(bench.source.receives.values()) == 1


@in_virtual_time
async def test_after_ten_minutes_it_goes_back_into_the_queue_for_another_node() -> None:
    bench = Bench()
    bench.source.put(*numbered("p", 0))
    await asyncio.sleep(5)
    bench.source.put(*numbered("p", 1, 2))
    await asyncio.sleep(0.2)
    bench.store.is_down = True
    await asyncio.sleep(HOLD_MAX_S + 20)
    assert bench.names == ["updates.paused", "update.failed", "update.failed"]
    assert bench.consumer.is_settled
    assert (bench.source.left, bench.source.dead, max(bench.source.receives.values())) == (2, [], 1)
    bench.store.is_down = False
    await asyncio.sleep(10)
    assert (bench.source.left, bench.source.dead) == (0, [])
    assert len(bench.payloads("p")) == 3


@in_virtual_time
async def test_what_is_held_is_bounded_in_bytes() -> None:
    size = 1_000_000
    bench = Bench(message_bytes=size, pending_bytes=1)
    bench.source.put(*[b'{"project_id":"p","t":"%b"}' % (b"x" * (size - 50))] * 60)
    await asyncio.sleep(60)
    assert UNDER_WAY_BYTES_MAX <= len(bench.source.receives) * size <= UNDER_WAY_BYTES_MAX + 11 * size
    assert max(bench.source.receives.values()) == 1


@in_virtual_time
async def test_a_stopped_consumer_goes_on_with_what_it_holds() -> None:
    bench = Bench()
    bench.source.put(*numbered("p", 0))
    await asyncio.sleep(5)
    bench.source.put(*numbered("p", 1))
    await asyncio.sleep(0.2)
    bench.store.is_down = True
    await asyncio.sleep(10)
    bench.consumer.stop_receiving()
    await settle()
    assert not bench.consumer.is_settled
    bench.store.is_down = False
    await asyncio.sleep(10)
    assert bench.consumer.is_settled
    assert bench.source.left == 0
