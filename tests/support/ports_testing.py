"""What the contract tests share: a clock that stands still, answers as awaitables, calls that get lost."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar
from uuid import uuid4

from tests.support.clock import BEGIN, SteeredClock
from tests.support.patience import PATIENCE_S
from websocket_handler.adapters.aws.begun_call import nothing_begins
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sdk import AwsCall
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import (
    Behind,
    Committed,
    LogStore,
    Record,
    Segment,
    Snapshot,
    Tail,
    TooLarge,
    Unavailable,
)
from websocket_handler.ports.update_source import Update, UpdateSource

Answer = TypeVar("Answer")


class Tasks:
    """Keeps background tasks until they end."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self.running.add(task)
        task.add_done_callback(self.running.discard)


class Asked:
    """A log store whose answers can be awaited. Each answer must come exactly once."""

    def __init__(self, store: LogStore) -> None:
        self.store = store

    async def open(self, project_id: str) -> Tail | Unavailable:
        return await _answer(lambda done: self.store.open(project_id, done))

    async def begin(self, project_id: str, epoch: str) -> str | Unavailable:
        return await _answer(lambda done: self.store.begin(project_id, epoch, done))

    async def append(self, project_id: str, segment: Segment) -> Committed | Behind | TooLarge | Unavailable:
        return await _answer(lambda done: self.store.append(project_id, segment, done))

    async def read(self, project_id: str, after: int) -> Tail | Unavailable:
        return await _answer(lambda done: self.store.read(project_id, after, done))

    async def keep(self, project_id: str, snapshot: Snapshot) -> bool | Unavailable:
        return await _answer(lambda done: self.store.snapshots.keep(project_id, snapshot, done))

    async def newest(self, project_id: str) -> Snapshot | Unavailable | None:
        return await _answer(lambda done: self.store.snapshots.newest(project_id, done))

    async def opened(self, project_id: str) -> Tail:
        """The tail; a store that does not answer fails the test."""
        return _tail(await self.open(project_id))

    async def followed(self, project_id: str, after: int) -> Tail:
        """What follows; a store that does not answer fails the test."""
        return _tail(await self.read(project_id, after))


def _tail(answer: Tail | Unavailable) -> Tail:
    assert isinstance(answer, Tail), answer
    return answer


async def _answer(ask: Callable[[Callable[[Answer], None]], None]) -> Answer:
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    ask(future.set_result)
    return await asyncio.wait_for(future, PATIENCE_S)


MakeStore = Callable[[LogLimits], Asked]
"""Makes a log store that retains so much."""


class LossyCall:
    """AWS calls of which some fail before they arrive, and some lose their answer."""

    def __init__(self, call: AwsCall, random: Random, *, before: float = 0.0, after: float = 0.0) -> None:
        self._call = call
        self._random = random
        self.before = before
        self.after = after
        self.calls = 0

    async def __call__(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        self.calls += 1
        if self._random.random() < self.before:
            raise AwsError(Fault.TRANSIENT, "Lost", "the request was lost")
        answer = await self._call(service, operation, timeout_s, **parameters)
        if self._random.random() < self.after:
            raise AwsError(Fault.TRANSIENT, "Lost", "the answer was lost")
        return answer


def quick_table(name: str, call: AwsCall) -> Table:
    """A table whose retries do not keep a test waiting, and whose deadlines are long enough for any machine. With the
    calls of a light client it has that client's short way, too."""
    backoff = Backoff(Random(1).random, base_s=0.001, max_s=0.02)
    client = getattr(call, "__self__", None)
    begin = client.begin if isinstance(client, AwsWire) else nothing_begins
    return Table(name, call, begin, timeout_s=60.0, attempt_timeout_s=60.0, backoff=backoff)


@contextmanager
def impatience(table: Table) -> Iterator[None]:
    """For the length of the block the table's calls give up soon: they are meant to fail."""
    patience = table.timeout_s, table.attempt_timeout_s
    table.timeout_s, table.attempt_timeout_s = 0.3, 0.1
    try:
        yield
    finally:
        table.timeout_s, table.attempt_timeout_s = patience


def dynamodb_log(table: Table, clock: SteeredClock, tasks: Tasks, options: DynamoDbLogOptions | None = None) -> Asked:
    """A DynamoDB log store whose answers can be awaited."""
    return Asked(DynamoDbLogStore(table, tasks.start, clock, options))


def new_project() -> str:
    """A project that no other test uses."""
    return f"proj:{uuid4().hex}"


def segment(first: int, payloads: Sequence[bytes], *, epoch: str = "e1", at: float = BEGIN) -> Segment:
    """A segment with a writer of its own."""
    records = tuple(Record(payload, at, offset=offset) for offset, payload in enumerate(payloads, first))
    return Segment(epoch, first, uuid4().hex, records)


def payloads_of(tail: Tail) -> list[bytes]:
    """All payloads in what was read."""
    return [record.payload for part in tail.segments for record in part.records]


async def all_of(source: UpdateSource, count: int) -> list[Update]:
    """So many updates, or more. Raises TimeoutError when they do not come."""
    updates: list[Update] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(updates) < count:
            updates += await source.receive()
    return updates
