"""Who is connected and follows what, as items that other services can query.

`WS#CONN#{connection}` / `META`: node_id, connected_at. `WS#CONN#{connection}` / `SUB#{project}`: since.
`WS#PROJECT#{project}` / `CONN#{connection}`: connection_id, node_id, since.
Times are ISO 8601; every item carries `ttl`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.table import Table, item_key
from websocket_handler.adapters.overload.gate import NotBegun
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.state_store import ConnectionRecord, StatePostponed, StateUnavailable

BATCH_MAX: Final = 25
TTL_S: Final = 86_400
REFRESH_S: Final = 3_600
"""A connection written again after this time is written whole, which moves its expiry."""
WRITTEN_MAX: Final = 200_000
"""Connections whose subscriptions are remembered. Beyond it the oldest ones are forgotten: what the table has of them
and is not written again expires."""

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Written:
    """What the table has of a connection, or may have: project to since. `whole_at`: when everything was written."""

    subscriptions: Mapping[str, float]
    whole_at: float


@dataclass(frozen=True, slots=True)
class _Plan:
    """The requests that bring one connection to its new state. `before` is what the table may have until they are done,
    `after` what it has then."""

    connection_id: str
    requests: Sequence[Request]
    before: _Written
    after: _Written | None


class DynamoDbStateStore:
    """Writes records in batches. Needs the right `BatchWriteItem`.

    Remembers the subscriptions of every connection that it wrote, until the connection is gone. One `write`
    at a time.
    """

    name = "dynamodb"

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._written: dict[str, _Written] = {}

    async def write(self, changed: Sequence[ConnectionRecord], gone: Sequence[str], now: float) -> None:
        """See the port. What was written before a failure is not written again when the call is repeated."""
        leaving = dict.fromkeys(gone)
        records = {record.connection_id: record for record in changed if record.connection_id not in leaving}
        plans = [self._plan(record, now) for record in records.values()]
        plans += [self._farewell(connection_id) for connection_id in leaving if connection_id in self._written]
        for group in _packed(plans):
            await self._carry_out(group)

    def _plan(self, record: ConnectionRecord, now: float) -> _Plan:
        known = self._written.get(record.connection_id, _Written({}, float("-inf")))
        is_whole = now - known.whole_at >= REFRESH_S
        ttl = int(now) + TTL_S
        requests = [self._meta(record, ttl)] if is_whole else []
        for project_id, since in record.subscriptions.items():
            if is_whole or known.subscriptions.get(project_id) != since:
                requests += self._subscription(record, project_id, since, ttl)
        for project_id in known.subscriptions:
            if project_id not in record.subscriptions:
                requests += _deletions(record.connection_id, project_id)
        before = _Written({**known.subscriptions, **record.subscriptions}, float("-inf"))
        after = _Written(dict(record.subscriptions), now if is_whole else known.whole_at)
        return _Plan(record.connection_id, requests, before, after)

    def _farewell(self, connection_id: str) -> _Plan:
        known = self._written[connection_id]
        requests = [_deletion(f"WS#CONN#{connection_id}", "META")]
        for project_id in known.subscriptions:
            requests += _deletions(connection_id, project_id)
        return _Plan(connection_id, requests, _Written(known.subscriptions, float("-inf")), None)

    def _meta(self, record: ConnectionRecord, ttl: int) -> Request:
        connected_at = self._clock.text(record.connected_at)
        texts = {"node_id": record.node_id, "connected_at": connected_at}
        return _put(f"WS#CONN#{record.connection_id}", "META", texts, ttl)

    def _subscription(self, record: ConnectionRecord, project_id: str, since: float, ttl: int) -> list[Request]:
        text = self._clock.text(since)
        connection_id = record.connection_id
        follower = {"connection_id": connection_id, "node_id": record.node_id, "since": text}
        return [
            _put(f"WS#CONN#{connection_id}", f"SUB#{project_id}", {"since": text}, ttl),
            _put(f"WS#PROJECT#{project_id}", f"CONN#{connection_id}", follower, ttl),
        ]

    async def _carry_out(self, group: Sequence[_Plan]) -> None:
        for plan in group:
            self._written[plan.connection_id] = plan.before
            if len(self._written) > WRITTEN_MAX:
                del self._written[next(iter(self._written))]
        requests = [request for plan in group for request in plan.requests]
        for start in range(0, len(requests), BATCH_MAX):
            try:
                async with self._table.turn(Rank.RECORDS):
                    await self._table.write_batch(requests[start : start + BATCH_MAX])
            except NotBegun as busy:
                raise StatePostponed(str(busy)) from busy
            except AwsError as error:
                raise StateUnavailable(str(error)) from error
        for plan in group:
            if plan.after is None:
                self._written.pop(plan.connection_id, None)
            else:
                self._written[plan.connection_id] = plan.after


def _packed(plans: Iterable[_Plan]) -> Iterator[list[_Plan]]:
    """Whole connections, as many as fill one batch; at least one."""
    group: list[_Plan] = []
    size = 0
    for plan in plans:
        if group and size + len(plan.requests) > BATCH_MAX:
            yield group
            group, size = [], 0
        group.append(plan)
        size += len(plan.requests)
    if group:
        yield group


def _put(partition: str, sort: str, texts: Mapping[str, str], ttl: int) -> Request:
    attributes = {name: {"S": text} for name, text in texts.items()}
    return {"PutRequest": {"Item": {**item_key(partition, sort), **attributes, "ttl": {"N": str(ttl)}}}}


def _deletion(partition: str, sort: str) -> Request:
    return {"DeleteRequest": {"Key": item_key(partition, sort)}}


def _deletions(connection_id: str, project_id: str) -> list[Request]:
    return [
        _deletion(f"WS#CONN#{connection_id}", f"SUB#{project_id}"),
        _deletion(f"WS#PROJECT#{project_id}", f"CONN#{connection_id}"),
    ]
