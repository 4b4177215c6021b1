"""A log that the nodes write for each other. No client can name it, and every node follows it while it lives.

It is a project's log like any other, so a node that was cut off from the store reads what it missed.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from websocket_handler.hub.log import LogLimits, Publication
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.page import Page
from websocket_handler.logs.project import Project
from websocket_handler.logs.queue import Published
from websocket_handler.ports.log_store import LogStore
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import PreparedPublication
from websocket_handler.telemetry.counters import Counters


class Listener(Protocol):
    """Does what the entries of a common log say."""

    def began(self, entries: Sequence[Publication]) -> None:
        """The log has these entries in the moment in which this node meets it, or meets another log in its place. What
        they say may be old, and may have been told before."""
        ...

    def went_on(self, entries: Sequence[Publication]) -> None:
        """A node wrote these entries, this one or another. Each is told once, in the order of the log."""
        ...


class CommonLog(Project):
    """One node's end of a common log."""

    __slots__ = ("_listener", "_seen")

    def __init__(self, project_id: str, engine: Engine, listener: Listener) -> None:
        """`engine` is one that `common_engine` made. `listener` may be called before this returns."""
        self._listener = listener
        self._seen: Position | None = None
        """How far the listener was told; None until the log is known."""
        super().__init__(project_id, engine)

    @property
    def is_known(self) -> bool:
        """True once this node has read the log."""
        return self._seen is not None

    @property
    def is_followed(self) -> bool:
        """Always True: the node itself follows."""
        return True

    def write(self, entry: bytes, done: Published, key: str = "") -> None:
        """Append an entry. Of several with the same `key` within a few minutes, one is written. `done` is called once
        the store has it and this node has done what it says, or with the reason why it was not written. Raises
        CommandError: `overloaded`, `store_unavailable`."""
        self.journal.publish(PreparedPublication(self.project_id, entry, key, b"", len(entry)), done)

    def look(self) -> None:
        """Read what other nodes wrote."""
        self.journal.refresh(lambda _fault: None)

    def appended(self, page: Page) -> None:
        """See `Observer`."""
        super().appended(page)
        self._seen = page.position
        self._listener.went_on(page.entries)

    def replaced(self, end: Position, beginning: int) -> None:
        """See `Observer`. A log that was empty when this node met it has nothing old."""
        super().replaced(end, beginning)
        seen, self._seen = self._seen, end
        log = self.journal.log
        entries = log.after(log.first - 1, len(log), log.bytes)
        if seen is not None and (seen.epoch == end.epoch or seen.offset == 0):
            self._listener.went_on([entry for entry in entries if entry.offset > seen.offset])
        else:
            self._listener.began(entries)


def common_engine(engine: Engine, store: LogStore, log: LogLimits) -> Engine:
    """An engine for a common log in `store`, of which this node keeps as much as `log` says. Its entries stay as they
    came, nobody waits for others to gather, and the node's metrics do not count them as publications."""
    limits = replace(engine.limits, log=log, commit_linger_s=0.0)
    return replace(
        engine,
        store=store,
        finish=as_it_came,
        are_resets_told=False,
        has_runs=False,
        limits=limits,
        counters=Counters(),
    )


def as_it_came(entry: PreparedPublication, _offset: int, _published_at_ms: int) -> bytes:
    """See `Engine.finish`: nothing is inserted."""
    return entry.head
