"""An updates queue that mixes its messages, and the nodes that read it: for tests in virtual time."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any, Final

import msgspec

from tests.support.clock import SteeredClock, loop_time
from tests.support.doubles import NEVER_OLD, no_chance
from tests.support.memory_ports import MemoryUpdateSource
from tests.support.observers import NotedConnections
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.update_order import (
    WAIT_MARGIN_S,
)
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Behind, Committed, Segment, Tail, TooLarge, Unavailable
from websocket_handler.ports.update_source import Update
from websocket_handler.protocol.publication import finish
from websocket_handler.telemetry.counters import Counters

WAIT_S: Final = MemoryUpdateSource.hidden_s + WAIT_MARGIN_S
Done = Callable[[Any], None]


class Source(MemoryUpdateSource):
    """An updates queue that remembers what was done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.extended: set[str] = set()
        self.deleted: list[str] = []
        self.pause_s = 0.0
        """How long a receive takes: with more than one node each gets a part."""

    async def receive(self) -> Sequence[Update]:
        await asyncio.sleep(self.pause_s)
        return await super().receive()

    async def delete(self, handles: Sequence[str]) -> None:
        self.deleted += handles
        await super().delete(handles)

    async def extend(self, handles: Sequence[str]) -> None:
        self.extended |= set(handles)


class SharedStore(MemoryLogStore):
    """A log store of several nodes, which can be down."""

    is_shared = True

    def __init__(self, clock: SteeredClock) -> None:
        super().__init__(clock, NEVER_OLD)
        self.is_down = False
        self.reads: list[str] = []

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        if self.is_down:
            done(Unavailable("down"))
        else:
            super().append(project_id, segment, done)

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Tail | Unavailable], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        self.reads.append(project_id)
        super().read(project_id, after, done, at_turn)

    def failure(self) -> str | None:
        return "down" if self.is_down else None


class Gateway:
    """A node that reads the queue."""

    def __init__(self, source: MemoryUpdateSource, store: SharedStore, limits: DeliveryLimits | None = None) -> None:
        clock, self.counters = SteeredClock(loop_time), Counters()
        self.events: list[tuple[str, dict[str, object]]] = []
        ids = count(1)
        loop: Any = asyncio.get_running_loop()
        most = limits or DeliveryLimits(log=NEVER_OLD)
        engine = Engine(store, clock, loop, most, self.counters, lambda: f"{id(self)}-{next(ids)}", finish, no_chance)
        self.node = Node(engine, MemoryLogStore(clock, NEVER_OLD), NotedConnections())
        report = lambda event, fields: self.events.append((event, fields))  # noqa: E731
        self.consumer = UpdateConsumer(source, self.node, self.counters, Random(1), report)
        self.task = asyncio.create_task(self.consumer.run())

    async def kill(self) -> None:
        """Nothing of it runs any more."""
        self.task.cancel()
        await asyncio.wait({self.task})

    @property
    def names(self) -> list[str]:
        return [event for event, _ in self.events]


class System:
    """A queue, a store, and one node or more."""

    def __init__(self, limits: DeliveryLimits | None = None, *, is_ordered: bool = False) -> None:
        self.source = Source()
        self.source.is_ordered = is_ordered
        self.store = SharedStore(SteeredClock(loop_time))
        self._limits = limits
        self.gateway = self.start()
        self._ids = count(1)

    def start(self) -> Gateway:
        return Gateway(self.source, self.store, self._limits)

    def put(self, *sequences: int, producer: str = "a", project_id: str = "p", more: str = "") -> None:
        """Leave updates in the queue, which come in this order."""
        self.source.put(
            Update(
                f"u{next(self._ids)}",
                "",
                f'{{"project_id":"{project_id}","producer":"{producer}","sequence":{sequence}{more}}}'.encode(),
                {},
            )
            for sequence in sequences
        )

    def log(self, project_id: str = "p") -> list[int]:
        """The sequences in the log of a project."""
        found: list[Tail | Unavailable] = []
        self.store.open(project_id, found.append)
        [tail] = found
        assert isinstance(tail, Tail)
        records = [record for segment in tail.segments for record in segment.records]
        return [msgspec.json.decode(record.payload)["sequence"] for record in records]
