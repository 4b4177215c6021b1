"""Ports in memory that only tests need. Each passes the contract tests of its port, as the real adapter does."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

from websocket_handler.ports.clock import Clock
from websocket_handler.ports.directory import Listed, Present, Unanswered
from websocket_handler.ports.forwarder import Accepted, Prepared, Refused
from websocket_handler.ports.state_store import ConnectionRecord
from websocket_handler.ports.ticket_store import TicketsUnavailable
from websocket_handler.ports.update_source import Update
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent


class MemoryForwarder:
    """Agents' queues as lists, in the order of arrival."""

    name = "memory"
    batch_messages_max = 10
    batch_bytes_max = 1_000_000

    def __init__(self) -> None:
        self.queues: dict[Agent, list[ForwardTask]] = {agent: [] for agent in Agent}
        self._receipts = count(1)

    def prepare(self, task: ForwardTask) -> Prepared:
        return Prepared(task, len(task.data))

    def keeps_order(self, agent: Agent) -> bool:
        return False

    async def check(self, agent: Agent) -> None:
        """Memory is always there."""

    async def send(self, agent: Agent, tasks: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        assert len(tasks) <= self.batch_messages_max
        assert len(tasks) == 1 or sum(task.size for task in tasks) <= self.batch_bytes_max
        self.queues[agent].extend(task.message for task in tasks)
        return [Accepted(f"receipt-{next(self._receipts)}") for _ in tasks]


class MemoryUpdateSource:
    """An updates queue in memory. Agents call `put`."""

    name = "memory"
    batch_messages_max = 10
    hidden_s = 30.0
    is_ordered = False

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

    async def check(self) -> None:
        """Memory is always there."""

    async def receive(self) -> Sequence[Update]:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        taken: list[Update] = []
        while self._waiting and len(taken) < 10:
            _, update = self._waiting.popitem(last=False)
            delivery = Update(update.update_id, f"{next(self._handles)}", update.body, update.attributes)
            self.hidden[delivery.handle] = delivery
            taken.append(delivery)
        return taken

    async def delete(self, handles: Sequence[str]) -> None:
        assert len(handles) <= self.batch_messages_max
        for handle in handles:
            self.hidden.pop(handle, None)

    async def extend(self, handles: Sequence[str]) -> None:
        """Nothing comes again on its own here; `reappear` does what the timeout does."""
        assert len(handles) <= self.batch_messages_max

    def reappear(self) -> None:
        """Let every message come again that was received and not deleted."""
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


class MemoryTickets:
    """Tickets in a dict."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tickets: dict[str, tuple[Identity, float]] = {}

    def put(
        self,
        ticket: str,
        identity: Identity,
        seconds: int,
        done: Callable[[TicketsUnavailable | None], None],
        *,
        instead_of: str | None = None,
    ) -> None:
        self._tickets[ticket] = (identity, self._clock.monotonic() + seconds)
        if instead_of is not None:
            self._tickets.pop(instead_of, None)
        done(None)

    def take(self, ticket: str, done: Callable[[Identity | TicketsUnavailable | None], None]) -> None:
        identity, ends_at = self._tickets.pop(ticket, (None, 0.0))
        done(identity if self._clock.monotonic() < ends_at else None)


class MemoryDirectory:
    """Who is connected to which node, in dicts."""

    def __init__(self) -> None:
        self.connections: dict[str, dict[str, Listed]] = {}
        """The connections of each node."""
        self.followers: dict[str, dict[str, Present]] = {}
        """For each project, who follows it on which node."""
        self.users: dict[tuple[str, str], int] = {}
        """How many connections each user has on each node."""

    async def write_users(self, node_id: str, counts: Mapping[str, int]) -> None:
        for user_id, connections in counts.items():
            self.users[user_id, node_id] = connections
            if not connections:
                del self.users[user_id, node_id]

    def user(self, user_id: str, node_ids: Sequence[str], done: Callable[[int | Unanswered], None]) -> None:
        done(sum(self.users.get((user_id, node_id), 0) for node_id in node_ids))

    async def write(
        self, node_id: str, changed: Sequence[Listed], gone: Sequence[str], present: Mapping[str, Present]
    ) -> None:
        own = self.connections.setdefault(node_id, {})
        own.update({each.connection_id: each for each in changed})
        for connection_id in gone:
            own.pop(connection_id, None)
        for project_id, who in present.items():
            if who.count:
                self.followers.setdefault(project_id, {})[node_id] = who
            else:
                self._leave(node_id, project_id)

    def _leave(self, node_id: str, project_id: str) -> None:
        nodes = self.followers.get(project_id, {})
        nodes.pop(node_id, None)
        if not nodes:
            self.followers.pop(project_id, None)

    async def leave(self, node_id: str, projects: Sequence[str]) -> None:
        self.connections.pop(node_id, None)
        for project_id in projects:
            self._leave(node_id, project_id)

    def present(self, project_id: str, done: Callable[[Mapping[str, Present] | Unanswered], None]) -> None:
        done(dict(self.followers.get(project_id, {})))

    def listed(self, node_ids: Sequence[str], done: Callable[[Sequence[Listed] | Unanswered], None]) -> None:
        done([each for node_id in node_ids for each in self.connections.get(node_id, {}).values()])


class MemoryTaskProtection:
    """A protection that only this process knows."""

    name = "memory task protection"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: float | None = None

    async def protect(self, minutes: int) -> None:
        self._until = self._clock.monotonic() + 60 * minutes

    async def release(self) -> None:
        self._until = None

    async def is_protected(self) -> bool:
        return self._until is not None and self._clock.monotonic() < self._until
