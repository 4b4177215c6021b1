"""What a node knows of the ends of logs: enough to see that a server lost something, and to bring it back."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from websocket_handler.adapters.valkey.entry import Entry

ENTRIES_MAX: Final = 64
"""How many of a log's newest segments are kept. A server that fails loses less than a second of them."""
LOG_BYTES_MAX: Final = 1_048_576
"""How many bytes of them are kept for one log. The newest segment is kept in any case."""


@dataclass(slots=True)
class KnownEnd:
    """The end of a log as this node saw it last."""

    epoch: str
    head: int
    writer: str
    entries: deque[Entry] = field(default_factory=deque)
    """The newest segments up to the head, oldest first, without a hole."""
    size: int = 0
    """How many bytes these have."""

    def tail_after(self, head: int, writer: str) -> Sequence[Entry] | None:
        """The segments behind the one by `writer` that ends at `head`; None unless all of them are kept."""
        tail = [entry for entry in self.entries if entry.first > head]
        return tail if tail and tail[0].first == head + 1 and tail[0].predecessor == writer else None


class KnownEnds:
    """The ends of the logs that were used last, with at most `bytes_max` bytes of their segments."""

    def __init__(self, logs_max: int, bytes_max: int) -> None:
        self._logs_max = logs_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._ends: OrderedDict[str, KnownEnd] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def bytes(self) -> int:
        """How many bytes of segments are kept."""
        return self._bytes

    def get(self, project_id: str) -> KnownEnd | None:
        """What is known of a log's end."""
        return self._ends.get(project_id)

    def saw(self, project_id: str, epoch: str, head: int, writer: str, entries: Sequence[Entry]) -> None:
        """Note that the log ends so. `entries` are its newest segments, or some of them."""
        known = self._ends.get(project_id)
        if known is None or known.epoch != epoch or known.head > head:
            self.forget(project_id)
            known = self._ends[project_id] = KnownEnd(epoch, head, writer)
        for entry in entries:
            last = known.entries[-1].last if known.entries else None
            if last is not None and entry.last <= last:
                continue
            if last is not None and entry.first != last + 1:
                self._drop(known, len(known.entries))
            known.entries.append(entry)
            known.size += len(entry.data)
            self._bytes += len(entry.data)
        known.head, known.writer = head, writer
        if known.entries and known.entries[-1].last != head:  # what is kept does not reach the end
            self._drop(known, len(known.entries))
        while len(known.entries) > ENTRIES_MAX or (known.size > LOG_BYTES_MAX and len(known.entries) > 1):
            self._drop(known, 1)
        self._ends.move_to_end(project_id)
        self._let_go()

    def _drop(self, known: KnownEnd, count: int) -> None:
        for _ in range(count):
            size = len(known.entries.popleft().data)
            known.size -= size
            self._bytes -= size

    def forget(self, project_id: str) -> None:
        """Know nothing of a log any more."""
        known = self._ends.pop(project_id, None)
        if known is not None:
            self._drop(known, len(known.entries))

    def _let_go(self) -> None:
        """Forget the logs that were used longest ago, and of those that stay the segments."""
        while len(self._ends) > self._logs_max:
            self.forget(next(iter(self._ends)))
        for known in self._ends.values():
            if self._bytes <= self._bytes_max:
                return
            self._drop(known, len(known.entries))
