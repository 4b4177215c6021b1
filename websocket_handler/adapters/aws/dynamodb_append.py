"""Appends on their way to the table. The first attempt is a plain call that calls back, without a task of its own,
because every segment passes here.

What a plain call cannot do, a task goes on with: an append behind an end that has to be looked up, one that has to wait
for a connection, and one whose first attempt had no good answer. It has its turn by then, and keeps it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from websocket_handler.adapters.aws.dynamodb_ends import LogEnd, LogEnds
from websocket_handler.adapters.aws.dynamodb_health import Health
from websocket_handler.adapters.aws.dynamodb_segment import item_of
from websocket_handler.adapters.aws.first_attempt import FirstAttempt
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.overload.gate import NotBegun
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.ports.clock import Clock, StartTask
from websocket_handler.ports.log_store import Behind, Committed, Segment, TooLarge, Unavailable

BROKEN_OFF: Final = "the work on the log store was broken off"
RETENTION_MARGIN_S: Final = 86_400
"""Items outlive the history by a day, so that a client that comes back late learns the truth about the log."""

Answer = Committed | Behind | TooLarge | Unavailable


def unavailable(busy: NotBegun) -> Unavailable:
    """What the store answers when it is not the operation's turn. The table did not fail: it was not asked."""
    return Unavailable(str(busy), busy.retry_after_s, busy.is_unwanted)


class Write:
    """A segment behind a known end, and what the table is told."""

    __slots__ = ("floor", "parameters", "project_id", "segment", "ttl")

    def __init__(self, project_id: str, segment: Segment, end: LogEnd, now: float, history_s: float) -> None:
        """`now`: seconds of the wall clock. The item lives for `history_s` seconds and a day, and never shorter than
        what is before it."""
        self.project_id = project_id
        self.segment = segment
        self.ttl = max(int(now + history_s + RETENTION_MARGIN_S), end.ttl)
        self.floor = end.floor
        self.parameters: dict[str, Any] = {
            "Item": item_of(project_id, segment, self.ttl),
            "ConditionExpression": "attribute_not_exists(PK) OR #ttl <= :now",
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": {":now": {"N": str(int(now))}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    @property
    def end(self) -> LogEnd:
        """Where the log ends when the segment is written."""
        return LogEnd(self.segment.epoch, self.segment.last, self.ttl, self.floor)


class Rest(Protocol):
    """Goes on with an append that has its turn, in a coroutine, and calls `Append.answer` whatever happens."""

    def __call__(self, append: "Append") -> Coroutine[Any, Any, None]: ...


class Appends:
    """The appends of one store that were not answered yet. When the node ends, they are broken off."""

    def __init__(
        self, table: Table, start: StartTask, clock: Clock, ends: LogEnds, health: Health, history_s: float, rest: Rest
    ) -> None:
        self.table = table
        self.start = start
        self.ends = ends
        self.health = health
        self.rest = rest
        self._clock = clock
        self._history_s = history_s
        self._unanswered: dict[Append, None] = {}
        self._is_kept = False

    def begin(self, project_id: str, segment: Segment, done: Callable[[Answer], None]) -> None:
        """Write a segment when it is its turn, and call `done` exactly once."""
        if not self._is_kept:
            self._is_kept = True
            self.start(self._keep())
        append = Append(self, project_id, segment, done)
        self._unanswered[append] = None
        self.table.gate.enter(append, Rank.LOG)

    def write(self, project_id: str, segment: Segment, end: LogEnd) -> Write:
        """What is to be written now behind this end."""
        return Write(project_id, segment, end, self._clock.wall(), self._history_s)

    def take(self, append: "Append") -> bool:
        """Returns True once, to the one who answers it."""
        is_unanswered = append in self._unanswered
        self._unanswered.pop(append, None)
        return is_unanswered

    async def _keep(self) -> None:
        """Wait until the node ends and cancels its tasks."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._is_kept = False
            unanswered = list(self._unanswered)
            # those that wait first: none of them may begin when others give up their turns
            for append in sorted(unanswered, key=lambda append: append.began is not None):
                append.break_off()


class Append:
    """One append: an operation of the gate."""

    __slots__ = ("_appends", "_done", "_is_in_task", "began", "first", "project_id", "segment", "waits_until", "write")

    def __init__(self, appends: Appends, project_id: str, segment: Segment, done: Callable[[Answer], None]) -> None:
        self.project_id = project_id
        self.segment = segment
        self.waits_until = 0.0
        self.began: float | None = None
        """When its turn came, in the loop's time; None before."""
        self.write: Write | None = None
        self.first: FirstAttempt | None = None
        """The attempt by a plain call; None if there was none."""
        self._appends = appends
        self._done = done
        self._is_in_task = False

    def is_wanted(self) -> bool:
        """Publishers wait for it."""
        return True

    def begin(self, now: float) -> None:
        """Its turn has come."""
        self.began = now
        appends = self._appends
        end = appends.ends.before(self.project_id, self.segment)
        if end is not None:
            self.write = appends.write(self.project_id, self.segment, end)
            self.first = appends.table.begin("put_item", self.write.parameters, now, self._attempted)
        if self.first is None:
            self._go_on()

    def refuse(self, answer: NotBegun) -> None:
        """Its turn does not come."""
        self.answer(unavailable(answer))

    def _attempted(self, first: FirstAttempt) -> None:
        if not first.has_result:
            self._go_on()
            return
        assert self.write is not None
        assert self.began is not None
        appends = self._appends
        appends.health.worked(is_write=True)
        appends.ends.saw(self.project_id, self.write.end)
        appends.table.gate.end(self.began, is_failed=False)
        self.answer(Committed())

    def _go_on(self) -> None:
        self._is_in_task = True
        self._appends.start(self._appends.rest(self))

    def answer(self, answer: Answer) -> None:
        """Call `done`, unless it was called."""
        if self._appends.take(self):
            self._done(answer)

    def break_off(self) -> None:
        """The node ends."""
        gate = self._appends.table.gate
        if self.began is None:
            gate.leave(self)
        elif self.first is not None and not self._is_in_task:
            self.first.abandon()
            gate.end(self.began, is_failed=False)
        self.answer(Unavailable(BROKEN_OFF))
