"""The ports to SQS, DynamoDB and ECS in memory: for local use without AWS, and the other side of the contract tests."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from websocket_handler.hub.log import LogLimits, ProjectLog
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.forwarder import Accepted, Prepared, Refused
from websocket_handler.ports.log_store import (
    SEGMENT_MESSAGES_MAX,
    Behind,
    Committed,
    Segment,
    Tail,
    Unavailable,
)
from websocket_handler.ports.peers import PEER_LIFETIME_S
from websocket_handler.ports.state_store import ConnectionRecord
from websocket_handler.ports.update_source import Update
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent

READ_BYTES_MAX = 1_048_576


class MemoryLogStore:
    """Keeps logs as long as the process lives, in at most `bytes_max` bytes: the log that was used longest ago
    goes first, and comes back empty under a new epoch."""

    name = "memory"
    is_shared = False

    def __init__(self, clock: Clock, limits: LogLimits, bytes_max: int = 134_217_728) -> None:
        self._clock = clock
        self._limits = limits
        self._bytes_max = bytes_max
        self._bytes = 0
        self._logs: OrderedDict[str, ProjectLog] = OrderedDict()

    def open(self, project_id: str, done: Callable[[Tail | Unavailable], None]) -> None:
        log = self._logs.get(project_id)
        if log is None:
            done(Tail(None, 0, 0, ()))
        else:
            self._bytes -= log.bytes
            log.trim(self._clock.wall())
            self._bytes += log.bytes
            done(self._tail(log, log.first - 1, SEGMENT_MESSAGES_MAX * 1000, self._bytes_max))

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | Unavailable], None]
    ) -> None:
        log = self._logs.get(project_id)
        if log is None:
            if segment.first != 1:  # the log was let go of: the writer's numbering is lost with it
                done(Behind())
                return
            log = self._logs[project_id] = ProjectLog(segment.epoch, 0, self._limits)
        elif segment.first != log.head + 1 or segment.epoch != log.epoch:
            done(Behind())
            return
        self._bytes -= log.bytes
        log.extend(segment.records, self._clock.wall())
        self._bytes += log.bytes
        self._logs.move_to_end(project_id)
        self._let_go(project_id)
        done(Committed())

    def _let_go(self, kept: str) -> None:
        while self._bytes > self._bytes_max and len(self._logs) > 1:
            project_id, log = next(iter(self._logs.items()))
            if project_id == kept:
                return
            del self._logs[project_id]
            self._bytes -= log.bytes

    def read(self, project_id: str, after: int, done: Callable[[Tail | Unavailable], None]) -> None:
        log = self._logs.get(project_id)
        if log is None:
            done(Tail(None, 0, 0, ()))
        elif log.covers(after):
            done(self._tail(log, after, SEGMENT_MESSAGES_MAX, READ_BYTES_MAX))
        else:
            done(Tail(log.epoch, log.head, log.first - 1, ()))

    def _tail(self, log: ProjectLog, after: int, count_max: int, bytes_max: int) -> Tail:
        records = log.after(after, count_max, bytes_max)
        segments = (Segment(log.epoch, after + 1, "", records),) if records else ()
        return Tail(log.epoch, log.head, log.first - 1, segments)

    async def check(self) -> None:
        """Always there."""

    def failure(self) -> str | None:
        return None


class MemoryForwarder:
    """Agents' queues as lists, in the order of arrival."""

    name = "memory"
    batch_messages_max = 10

    def __init__(self) -> None:
        self.queues: dict[Agent, list[ForwardTask]] = {agent: [] for agent in Agent}
        self._receipts = count(1)

    def prepare(self, task: ForwardTask) -> Prepared:
        return Prepared(task, len(task.data))

    def keeps_order(self, agent: Agent) -> bool:
        return False

    async def send(self, agent: Agent, tasks: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        self.queues[agent].extend(task.message for task in tasks)
        return [Accepted(f"receipt-{next(self._receipts)}") for _ in tasks]


class MemoryUpdateSource:
    """An updates queue in memory. `put` is the agents' side."""

    name = "memory"
    visibility_s = 30.0

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Update] = OrderedDict()
        self.hidden: dict[str, Update] = {}
        self._arrived = asyncio.Event()
        self._handles = count(1)

    def put(self, updates: Iterable[Update]) -> None:
        """Leave updates in the queue."""
        for update in updates:
            self._waiting[update.update_id] = update
        self._arrived.set()

    async def receive(self) -> Sequence[Update]:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        taken: list[Update] = []
        while self._waiting and len(taken) < 10:
            _, update = self._waiting.popitem(last=False)
            delivery = Update(update.update_id, f"{next(self._handles)}", update.body, update.project_id)
            self.hidden[delivery.handle] = delivery
            taken.append(delivery)
        return taken

    async def delete(self, handles: Sequence[str]) -> None:
        for handle in handles:
            self.hidden.pop(handle, None)

    async def extend(self, handles: Sequence[str]) -> None:
        """Nothing reappears on its own here; `reappear` plays the timeout."""

    def reappear(self) -> None:
        """What was received and not deleted comes again."""
        self.put(self.hidden.values())
        self.hidden.clear()


class MemoryStateStore:
    """Connection records in a dict."""

    name = "memory"

    def __init__(self) -> None:
        self.records: dict[str, ConnectionRecord] = {}

    async def write(self, changed: Sequence[ConnectionRecord], gone: Sequence[str], now: float) -> None:
        for record in changed:
            self.records[record.connection_id] = record
        for connection_id in gone:
            self.records.pop(connection_id, None)


class MemoryPeers:
    """Nodes of one process that share this object."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    async def announce(self, node_id: str, now: float) -> Sequence[str]:
        self._seen[node_id] = now
        return [peer for peer, at in self._seen.items() if peer != node_id and at > now - PEER_LIFETIME_S]

    async def leave(self, node_id: str) -> None:
        self._seen.pop(node_id, None)


class MemoryTaskProtection:
    """Protection that this process alone knows of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: float | None = None

    async def protect(self, minutes: int) -> None:
        self._until = self._clock.monotonic() + 60 * minutes

    async def release(self) -> None:
        self._until = None

    async def is_protected(self) -> bool:
        return self._until is not None and self._clock.monotonic() < self._until
