"""Project logs in DynamoDB: one item per segment, written only where no segment begins yet.

`dynamodb_segment.py` says how an item looks. Three rules keep a log in one piece:

* A segment follows the end that its writer saw, and the condition lets one of two racing writers win.
* Along a log `ttl` never falls, so a log always expires from its beginning. A new epoch begins only when the whole
  log has expired. DynamoDB deletes expired items late: here they count as gone, and may be overwritten.
* A writer that has not seen the end for hours looks again before it writes: what it saw may have expired, and its
  segment would start a second log beside a new one.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from websocket_handler.adapters.aws.dynamodb_append import (
    BROKEN_OFF,
    RETENTION_MARGIN_S,
    Append,
    Appends,
    Write,
    unavailable,
)
from websocket_handler.adapters.aws.dynamodb_ends import LogEnd, LogEnds
from websocket_handler.adapters.aws.dynamodb_health import Health
from websocket_handler.adapters.aws.dynamodb_segment import (
    HEAD_ATTRIBUTES,
    SegmentHead,
    beginning_of,
    head_of,
    log_key,
    segment_of,
    sort_key,
)
from websocket_handler.adapters.aws.dynamodb_snapshots import DynamoDbSnapshots
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.first_attempt import FirstAttempt
from websocket_handler.adapters.aws.table import Table, item_key, range_query
from websocket_handler.adapters.overload.gate import NotBegun
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.clock import Clock, StartTask
from websocket_handler.ports.log_store import (
    BEGUN_S,
    Behind,
    Committed,
    Segment,
    SegmentLimits,
    Tail,
    TooLarge,
    Unavailable,
    always,
)

SEGMENT_MESSAGES_MAX: Final = 500
SEGMENT_BYTES_MAX: Final = 300_000
OBJECT_BYTES_MAX: Final = 400_000
"""An item holds 409,600 bytes, with the names of its attributes: what is left is room for keys and the encoding."""
Answer = TypeVar("Answer")
EXPIRY_GRACE_S: Final = 10
"""A writer does not continue a log that expires sooner than this: another node, whose clock may be ahead of ours,
could begin a new epoch at the same time."""
PAGE_ITEMS_MIN: Final = 100
HEALTH_KEY: Final = "WS#HEALTH"
OFFSET_LAST: Final = 10**20 - 1


@dataclass(frozen=True, slots=True)
class DynamoDbLogOptions:
    """What the log store keeps, reads and waits for. Times are seconds."""

    history: LogLimits = field(default_factory=LogLimits)
    """What a node retains: `open` reads as much. Items live for `history.seconds` and a day."""
    key_count: int = 10_000
    key_seconds: float = 300.0
    """The window of idempotency keys: `open` reads as far back as it needs."""
    read_bytes_max: int = 8_388_608
    """The most payload that one `open` reads, even if the window asks for more."""
    known_projects_max: int = 10_000
    """Logs whose end is remembered; others cost one more query before the next append."""


class _Window:
    """How much of a log `open` still has to read, newest first."""

    __slots__ = ("_bytes", "_keys", "_messages", "_options")

    def __init__(self, options: DynamoDbLogOptions) -> None:
        self._options = options
        self._messages = 0
        self._bytes = 0
        self._keys = 0

    def is_full_with(self, segment: Segment, now: float) -> bool:
        """True if nothing before `segment` is needed."""
        self._messages += len(segment.records)
        self._bytes += sum(len(record.payload) for record in segment.records)
        self._keys += sum(1 for record in segment.records if record.key)
        options, history = self._options, self._options.history
        age = now - segment.records[0].published_at
        has_history = self._messages >= history.messages or self._bytes >= history.bytes or age > history.seconds
        has_keys = self._keys >= options.key_count or age > options.key_seconds
        return (has_history and has_keys) or self._bytes >= options.read_bytes_max


class DynamoDbLogStore:
    """Keeps logs in a table. Needs the rights `Query` and `PutItem`.

    `start` runs a coroutine in the background; a wait is bounded by `table`'s timeout, for `open` per MiB.
    """

    name = "dynamodb"
    is_shared = True
    limits = SegmentLimits(SEGMENT_MESSAGES_MAX, SEGMENT_BYTES_MAX, OBJECT_BYTES_MAX)

    def __init__(self, table: Table, start: StartTask, clock: Clock, options: DynamoDbLogOptions | None = None) -> None:
        self._table = table
        self._start = start
        self._clock = clock
        self._options = options or DynamoDbLogOptions()
        self._ends = LogEnds(self._options.known_projects_max, clock)
        self._health = Health()
        history_s = self._options.history.seconds
        self.snapshots = DynamoDbSnapshots(table, start, clock, history_s)
        self._appends = Appends(table, start, clock, self._ends, self._health, history_s, self._finish)

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        """See the port. Leaves out expired publications, and everything before a gap."""
        self._start(self._answer(lambda: self._open(project_id), done, is_wanted))

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        """See the port. The answer is `Committed` too if an earlier attempt of the same writer wrote the segment."""
        self._appends.begin(project_id, segment, done)

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Tail | Unavailable], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        """See the port: at most 1 MiB. `head` is the newest offset seen, `floor` never above the truth."""

        def is_wanted() -> bool:
            nonlocal after
            wanted = after if at_turn is None else at_turn()
            after = after if wanted is None else wanted
            return wanted is not None

        self._start(self._answer(lambda: self._read(project_id, after), done, is_wanted))

    def failure(self) -> str | None:
        """See the port."""
        return self._health.failure

    async def check(self) -> None:
        """Try once more what failed, so that `failure` heals without traffic."""
        try:
            if self._health.is_write_failing:
                ttl = int(self._clock.wall()) + RETENTION_MARGIN_S
                item = {**item_key(HEALTH_KEY, HEALTH_KEY), "ttl": {"N": str(ttl)}}
                await self._table.attempt("put_item", Item=item)
                self._health.is_write_failing = False
            query = range_query(HEALTH_KEY, HEALTH_KEY, HEALTH_KEY, is_descending=False, limit=1)
            await self._table.attempt("query", **query)
        except AwsError as error:
            self._health.failure = str(error)
        else:
            self._health.failure = None

    async def _answer(
        self,
        work: Callable[[], Awaitable[Answer]],
        done: Callable[[Answer | Unavailable], None],
        is_wanted: Callable[[], bool] = always,
        *,
        is_write: bool = False,
        turn: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        """Do `work` when it is its turn, or in the `turn` that it has. `done` is called exactly once in any case."""
        answer: Answer | Unavailable = Unavailable(BROKEN_OFF)
        try:
            async with turn or self._table.turn(Rank.LOG, is_wanted):
                answer = await work()
            self._health.worked(is_write=is_write)
        except NotBegun as busy:
            answer = unavailable(busy)
        except AwsError as error:
            may_heal = error.fault is Fault.TRANSIENT
            answer = Unavailable(str(error), self._table.gate.retry_after_s() if may_heal else 0.0)
            self._health.failed(error, is_write=is_write)
        finally:
            done(answer)

    # Opening

    async def _open(self, project_id: str) -> Tail:
        heads: list[SegmentHead] = []
        segments: list[Segment] = []
        is_whole = await self._collect(project_id, heads, segments)
        if not segments:
            self._ends.saw(project_id, LogEnd(None, 0, 0, 0))
            return Tail(None, 0, 0, ())
        newest, oldest = heads[0], heads[-1]
        floor = oldest.first - 1 if is_whole else await self._floor(project_id, oldest)
        self._ends.saw(project_id, LogEnd(newest.epoch, newest.last, newest.ttl, floor))
        return Tail(newest.epoch, newest.last, floor, segments[::-1])

    async def _collect(self, project_id: str, heads: list[SegmentHead], segments: list[Segment]) -> bool:
        """Gather segments, newest first, until history and key window have enough. Returns True if nothing of the log
        is before them."""
        window = _Window(self._options)
        limit = max(PAGE_ITEMS_MIN, self._options.history.messages)
        query = self._live(project_id, 1, OFFSET_LAST, is_descending=True, limit=limit)
        while True:
            answer = await self._table.call("query", **query)
            for item in answer["Items"]:
                head = head_of(item)
                if heads and (head.last + 1 != heads[-1].first or head.epoch != heads[-1].epoch):
                    return True
                heads.append(head)
                segments.append(segment_of(item))
                if window.is_full_with(segments[-1], self._clock.wall()):
                    return False
            if "LastEvaluatedKey" not in answer:
                return True
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def _floor(self, project_id: str, oldest: SegmentHead) -> int:
        """The offset before the oldest segment that is retained. `oldest` is the oldest one known so far.

        All expired segments lie before the others, and there may be many: halving the range finds the border.
        """
        floor, low, high = oldest.first - 1, 1, oldest.first
        probe = low
        now = int(self._clock.wall())
        while low < high:
            first, last = sort_key(probe), sort_key(high - 1)
            query = range_query(
                log_key(project_id), first, last, is_descending=False, limit=1, projection=HEAD_ATTRIBUTES
            )
            items = (await self._table.call("query", **query))["Items"]
            found = head_of(items[0]) if items else None
            if found is not None and (found.ttl <= now or found.epoch != oldest.epoch):
                low = found.first + 1
            else:
                high = probe
                floor = floor if found is None else found.first - 1
            probe = (low + high) // 2
        return floor

    # Beginning

    def begin(self, project_id: str, epoch: str, done: Callable[[str | Unavailable], None]) -> None:
        """See the port."""
        self._start(self._answer(lambda: self._begin(project_id, epoch), done, is_write=True))

    async def _begin(self, project_id: str, epoch: str) -> str:
        """Write the epoch, unless another one is there and alive. Then that one is kept for a while longer."""
        now = int(self._clock.wall())
        parameters = {
            "Item": beginning_of(project_id, epoch, now + int(BEGUN_S)),
            "ConditionExpression": "attribute_not_exists(PK) OR #ttl <= :now OR #e = :epoch",
            "ExpressionAttributeNames": {"#ttl": "ttl", "#e": "e"},
            "ExpressionAttributeValues": {":now": {"N": str(now)}, ":epoch": {"S": epoch}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            await self._table.call("put_item", **parameters)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            old = error.response["Item"]
            lasts_s = int(old["ttl"]["N"]) - now
            agreed: str = old["e"]["S"]
            return agreed if lasts_s >= BEGUN_S / 2 else await self._begin(project_id, agreed)
        return epoch

    # Appending

    async def _finish(self, append: Append) -> None:
        """What a plain call could not do, or the rest of it."""
        assert append.began is not None
        turn = self._table.gate.rest_of_turn(append.began)
        await self._answer(lambda: self._append(append), append.answer, is_write=True, turn=turn)

    async def _append(self, append: Append) -> Committed | Behind | TooLarge | Unavailable:
        write = append.write
        if write is None:
            looked = await self._look(append.project_id, append.segment)
            if not isinstance(looked, LogEnd):
                return looked
            write = self._appends.write(append.project_id, append.segment, looked)
        answer = await self._put(write, append.first)
        if isinstance(answer, Committed):
            self._ends.saw(write.project_id, write.end)
        else:
            self._ends.forget(write.project_id)
        return answer

    async def _look(self, project_id: str, segment: Segment) -> LogEnd | Committed | Behind | Unavailable:
        """The log's end as the table has it, or the answer if `segment` does not continue it."""
        near = await self._newest(project_id, segment.first - SEGMENT_MESSAGES_MAX, segment.first)
        if near is None:
            is_empty = segment.first == 1 and await self._newest(project_id, 1, OFFSET_LAST) is None
            return LogEnd(None, 0, 0, 0) if is_empty else Behind()
        if near.writer == segment.writer and near.first == segment.first:
            return Committed()
        if near.last != segment.first - 1 or near.epoch != segment.epoch:
            return Behind()
        if near.ttl - self._clock.wall() < EXPIRY_GRACE_S:
            return Unavailable("the log expires at this moment")
        return LogEnd(near.epoch, near.last, near.ttl, None)

    async def _put(self, write: Write, first: FirstAttempt | None) -> Committed | Behind | TooLarge:
        try:
            if first is None:
                await self._table.call("put_item", **write.parameters)
            else:
                await self._table.finish(first, "put_item", **write.parameters)
        except AwsError as error:
            if error.code == "ValidationException" and "item size" in str(error).lower():
                return TooLarge()
            if error.code != "ConditionalCheckFailedException":
                raise
            # The writer tells whether an earlier attempt of ours arrived and only its answer was lost.
            is_ours = error.response.get("Item", {}).get("w") == {"S": write.segment.writer}
            return Committed() if is_ours else Behind()
        return Committed()

    # Reading

    async def _read(self, project_id: str, after: int) -> Tail:
        left_off = self._ends.left_off(project_id, after)
        if left_off is not None:
            tail = await self._follow(project_id, left_off, after + 1)
            if tail is not None:
                return tail
        near = await self._newest(project_id, after + 1 - SEGMENT_MESSAGES_MAX, after + 1)
        if near is not None and near.last == after:
            floor = await self._floor_at(project_id, near)
            self._ends.saw(project_id, LogEnd(near.epoch, after, near.ttl, floor))
            return Tail(near.epoch, after, floor, ())
        if near is not None and near.last > after:
            tail = await self._follow(project_id, near, near.first)
            if tail is not None:
                return tail
        newest = await self._newest(project_id, 1, OFFSET_LAST)
        if newest is None:
            return Tail(None, 0, 0, ())
        return Tail(newest.epoch, newest.last, await self._floor(project_id, newest), ())

    async def _follow(self, project_id: str, near: SegmentHead, first: int) -> Tail | None:
        """The segments from the one that begins at `first` on, which is `near` or the next one, as many as one page
        holds; None if there is none in this epoch."""
        query = self._live(project_id, first, OFFSET_LAST, is_descending=False)
        answer = await self._table.call("query", **query)
        heads: list[SegmentHead] = []
        segments: list[Segment] = []
        for item in answer["Items"]:
            head = head_of(item)
            expected = heads[-1].last + 1 if heads else first
            if head.first != expected or head.epoch != near.epoch:
                break
            heads.append(head)
            segments.append(segment_of(item))
        if not heads:
            return None
        newest, floor = heads[-1], await self._floor_at(project_id, heads[0])
        if "LastEvaluatedKey" not in answer and len(heads) == len(answer["Items"]):
            self._ends.saw(project_id, LogEnd(newest.epoch, newest.last, newest.ttl, floor))
        else:
            self._ends.leave_off(project_id, newest)
        return Tail(newest.epoch, newest.last, floor, segments)

    async def _floor_at(self, project_id: str, near: SegmentHead) -> int:
        """The floor as it was found last, which may have risen since, or as it is now."""
        known = self._ends.floor(project_id, near.epoch)
        return await self._floor(project_id, near) if known is None else min(known, near.first - 1)

    async def _newest(self, project_id: str, first: int, last: int) -> SegmentHead | None:
        """The newest segment that is not expired and begins at `first` to `last`."""
        query = self._live(project_id, max(1, first), last, is_descending=True, limit=1, projection=HEAD_ATTRIBUTES)
        while True:
            answer = await self._table.call("query", **query)
            if answer["Items"]:
                return head_of(answer["Items"][0])
            if "LastEvaluatedKey" not in answer:
                return None
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
            query["Limit"] = SEGMENT_MESSAGES_MAX  # only expired ones so far: look at more at once

    def _live(self, project_id: str, first: int, last: int, **how: Any) -> dict[str, Any]:
        """A query for the segments that begin at `first` to `last` and are not expired."""
        return range_query(log_key(project_id), sort_key(first), sort_key(last), now=int(self._clock.wall()), **how)
