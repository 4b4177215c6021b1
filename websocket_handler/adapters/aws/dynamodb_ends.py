"""What a node remembers of the logs that it read and wrote, so that it asks the table less."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from websocket_handler.adapters.aws.dynamodb_segment import SegmentHead
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.log_store import Segment

KNOWLEDGE_S: Final = 43_200
"""A writer that saw the end of a log this long ago, or later, may write after it without looking again. What others
wrote meanwhile lives for more than `RETENTION_MARGIN_S`, so it is still there to conflict."""
KNOWLEDGE_MARGIN_S: Final = 60
"""A writer looks again when the log expires sooner than this."""


@dataclass(slots=True)
class LogEnd:
    """The end of a log as it was at `seen_at` (monotonic seconds). `epoch` is None for an empty log, `floor` is None
    if nobody looked for it."""

    epoch: str | None
    head: int
    ttl: int
    floor: int | None
    seen_at: float = 0.0


class LogEnds:
    """The ends of the logs that were used last, and where pages of them were left off; at most `most` of each."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._clock = clock
        self._ends: _Newest[LogEnd] = _Newest(most)
        self._left_off: _Newest[SegmentHead] = _Newest(most)

    def saw(self, project_id: str, end: LogEnd) -> None:
        """Note where a log ends now."""
        end.seen_at = self._clock.monotonic()
        self._ends.put(project_id, end)

    def forget(self, project_id: str) -> None:
        """Another node wrote to the log: look before the next write."""
        self._ends.pop(project_id, None)

    def before(self, project_id: str, segment: Segment) -> LogEnd | None:
        """The log's end, if this node saw it lately and `segment` continues it."""
        end = self._ends.get(project_id)
        if end is None or end.head != segment.first - 1 or end.epoch not in (None, segment.epoch):
            return None
        is_fresh = self._clock.monotonic() - end.seen_at <= KNOWLEDGE_S
        is_alive = end.epoch is None or end.ttl - self._clock.wall() >= KNOWLEDGE_MARGIN_S
        return end if is_fresh and is_alive else None

    def floor(self, project_id: str, epoch: str) -> int | None:
        """The floor as it was found last, which may have risen since."""
        end = self._ends.get(project_id)
        return end.floor if end is not None and end.epoch == epoch else None

    def leave_off(self, project_id: str, last: SegmentHead) -> None:
        """Note the last segment of a page that more segments follow."""
        self._left_off.put(project_id, last)

    def left_off(self, project_id: str, after: int) -> SegmentHead | None:
        """The segment that ends at the offset `after`, if the last page ended with it."""
        last = self._left_off.get(project_id)
        return last if last is not None and last.last == after else None


Value = TypeVar("Value")


class _Newest(OrderedDict[str, Value], Generic[Value]):
    """The values that were put last."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: str, value: Value) -> None:
        """Add or replace a value; the oldest one goes if there are too many."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)
