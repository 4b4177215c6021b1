"""Project logs in Valkey: one stream for each project, written by one script (`scripts.py`), and told apart from what a
failover left behind (`history.py`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeVar, cast

import hiredis

from websocket_handler.adapters.valkey.commits import Commits
from websocket_handler.adapters.valkey.connection import Reply, packed
from websocket_handler.adapters.valkey.ends import KnownEnds
from websocket_handler.adapters.valkey.entry import SEGMENT_LIMITS, Entry, data_of, keys_of, read_entries
from websocket_handler.adapters.valkey.history import History, Snapshot
from websocket_handler.adapters.valkey.link import Failed, Link, explained
from websocket_handler.adapters.valkey.scripts import APPEND, READ, digest_of
from websocket_handler.adapters.valkey.server import Unreachable
from websocket_handler.adapters.valkey.snapshots import ValkeySnapshots
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.clock import Clock, StartTask
from websocket_handler.ports.log_store import (
    Behind,
    Committed,
    Segment,
    Tail,
    TooLarge,
    Unavailable,
    always,
)

RETENTION_MARGIN_S: Final = 86_400
"""A log that nobody writes to outlives its history by a day, so that a client that comes back late learns the truth."""
READ_BYTES_MAX: Final = 1_048_576
OPEN_BYTES_MAX: Final = 16_777_216
"""The most that one `open` reads, oldest first dropped."""
HEALTH_LOG: Final = "~health"
"""No project can have this id, and nothing is ever written under it."""
Answer = TypeVar("Answer")
UNWANTED: Final = Unavailable("nobody waits for it any more", is_unwanted=True)


@dataclass(frozen=True, slots=True)
class ValkeyLogOptions:
    """What the log store keeps. Times are seconds."""

    history: LogLimits = field(default_factory=LogLimits)
    """What is retained of each log."""
    key_seconds: float = 300.0
    """A segment with idempotency keys stays at least so long, while its log has no more than `keyed_bytes`."""
    keyed_bytes: int = 8_388_608
    commit: Literal["auto", "primary", "replica"] = "auto"
    """Who has to have a segment before anybody sees it. `auto`: a replica while the server has one."""
    wait_ms: int = 1000
    """How many milliseconds the server waits for a replica, before the segment counts as not committed."""
    known_logs_max: int = 10_000
    """Logs whose end is remembered. A node reads before it writes to any other log."""
    known_bytes_max: int = 33_554_432
    """How many bytes of newest segments are kept, to bring back what a failover lost."""


class ValkeyLogStore:
    """Keeps logs in Valkey. `commits` and `reads` are two links to the same primary, because a WAIT holds up whatever
    is behind it. Both begin with `scripts.load_commands`."""

    name = "valkey"
    is_shared = True
    limits = SEGMENT_LIMITS

    def __init__(
        self,
        commits: Link,
        reads: Link,
        start: StartTask,
        clock: Clock,
        new_id: Callable[[], str],
        options: ValkeyLogOptions | None = None,
        replaced: Callable[[str], None] = lambda _project_id: None,
    ) -> None:
        """`new_id` makes ids that no two nodes make twice. `replaced` is called with a project whose log got a new
        epoch."""
        self._options = options or ValkeyLogOptions()
        self._link = commits
        self._commits = Commits(commits, lambda: self.is_replicated, self._options.wait_ms)
        self._start = start
        self._clock = clock
        self._ends = KnownEnds(self._options.known_logs_max, self._options.known_bytes_max)
        self._ttl_ms = round((self._options.history.seconds + RETENTION_MARGIN_S) * 1000)
        self.snapshots = ValkeySnapshots(reads, self._ttl_ms)
        self._history = History(self, reads, self._ends, clock, new_id, self._ttl_ms, replaced)
        self._failure: str | None = None
        """What the server answered last to a write, if that was an error."""

    # What a log's keys are called

    @staticmethod
    def keys(project_id: str) -> tuple[str, str]:
        """The stream and the end of a log. The braces keep them in one slot of a cluster."""
        return f"ws:{{{project_id}}}:log", f"ws:{{{project_id}}}:end"

    @property
    def wait_ms(self) -> int:
        """See `ValkeyLogOptions`."""
        return self._options.wait_ms

    @property
    def is_replicated(self) -> bool:
        """True while a segment counts only once a replica has it."""
        facts, commit = self._link.facts, self._options.commit
        return commit == "replica" or (commit == "auto" and facts is not None and facts.replicas > 0)

    @property
    def generation(self) -> str:
        """The server's generation; empty before there is a first connection. A server that is demoted and promoted
        again has another one on the same connections, and only one of the two links asks for it."""
        return "" if self._link.facts is None else self._link.facts.generation

    # Appending

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        """See the port."""
        if self._link.facts is None:  # a segment names the generation in which it was written
            self._start(self._append_connected(project_id, segment, done))
            return
        known = self._ends.get(project_id)
        is_next = known is not None and (known.epoch, known.head) == (segment.epoch, segment.first - 1)
        if not is_next and segment.first > 1:  # who wrote before it? A read tells, and the caller makes one now
            done(Behind())
            return
        predecessor = known.writer if known is not None and is_next else ""
        entry = Entry(segment.first, segment.last, segment.writer, predecessor, data_of(segment), keys_of(segment))

        def answered(reply: Reply | Failed) -> None:
            if isinstance(reply, Failed):
                done(Unavailable(reply.reason))
            elif isinstance(reply, hiredis.ReplyError):
                self._failure = explained(reply)
                done(Unavailable(self._failure))
            else:
                self._failure = None
                done(self._appended(project_id, segment, entry, reply))

        self._commits.add(self.command_for(project_id, segment.epoch, entry, moves=segment.may_move), answered)

    async def _append_connected(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        """Append once there is a first connection."""
        fault: Unavailable | None = Unavailable("the work on the log store was broken off")
        try:
            await self._link.ask("PING")
            fault = None
        except Unreachable as error:
            fault = Unavailable(str(error))
        finally:
            if fault is None:
                self.append(project_id, segment, done)
            else:
                done(fault)

    def command_for(self, project_id: str, epoch: str, entry: Entry, *, moves: bool) -> bytes:
        """The packed call that appends an entry. If it `moves`, the server may give it later offsets."""
        options, history, now = self._options, self._options.history, self._clock.wall()
        return packed(
            "EVALSHA", digest_of(APPEND), 2, *self.keys(project_id),
            epoch, entry.first, entry.last - entry.first + 1, entry.predecessor, entry.writer, entry.data, entry.keys,
            "1" if moves else "0", round(now * 1000), self._ttl_ms, history.messages, history.bytes,
            round((now - history.seconds) * 1000), round((now - options.key_seconds) * 1000), options.keyed_bytes,
            self.generation, "0" if self.is_replicated else "1",
        )  # fmt: skip

    def _appended(self, project_id: str, segment: Segment, entry: Entry, reply: Reply) -> Committed | Behind:
        answer = cast("list[Any]", reply)
        if answer[0] != b"committed":
            return Behind()
        missed = read_entries(answer[2])
        if missed:  # the server wrote it behind these
            first = answer[1]
            entry = replace(entry, first=first, last=first + len(segment.records) - 1, predecessor=missed[-1].writer)
        self._ends.saw(project_id, segment.epoch, entry.last, segment.writer, [*missed, entry])
        if not missed:
            return Committed()
        return Committed([each.segment(segment.epoch) for each in missed], entry.segment(segment.epoch))

    # Reading

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        """See the port: everything that is retained, up to 16 MiB."""
        if not is_wanted():
            done(UNWANTED)
            return
        self._start(self._answer(lambda: self._open(project_id), done))

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Tail | Unavailable], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        """See the port: at most 1 MiB."""
        wanted = after if at_turn is None else at_turn()
        if wanted is None:
            done(UNWANTED)
            return
        self._start(self._answer(lambda: self._read(project_id, wanted), done))

    def begin(self, project_id: str, epoch: str, done: Callable[[str | Unavailable], None]) -> None:
        """See the port."""
        self._start(self._answer(lambda: self._begin(project_id, epoch), done))

    async def _begin(self, project_id: str, epoch: str) -> str:
        if self._link.facts is None:  # the end of a log names the generation in which it was written
            await self._link.ask("PING")
        return await self._history.begin(project_id, epoch)

    async def _answer(
        self, work: Callable[[], Awaitable[Answer]], done: Callable[[Answer | Unavailable], None]
    ) -> None:
        """Do the work, and call `done` exactly once, whatever happens to it."""
        answer: Answer | Unavailable = Unavailable("the work on the log store was broken off")
        try:
            answer = await work()
        except Unreachable as error:
            answer = Unavailable(str(error))
        finally:
            done(answer)

    async def _read(self, project_id: str, after: int) -> Tail:
        snapshot = await self._history.read(project_id, after, READ_BYTES_MAX)
        entries = snapshot.entries
        if entries and entries[0].first > after + 1:  # what followed is no longer retained
            return Tail(snapshot.epoch, snapshot.head, max(snapshot.floor, after + 1), ())
        return _tail(snapshot, entries)

    async def _open(self, project_id: str) -> Tail:
        """Read page after page from the oldest retained segment."""
        snapshot = await self._history.read(project_id, -1, READ_BYTES_MAX)
        entries = list(snapshot.entries)
        while entries and entries[-1].last < snapshot.head:
            page = await self._history.read(project_id, entries[-1].last, READ_BYTES_MAX)
            goes_on = page.entries and page.entries[0].predecessor == entries[-1].writer
            if page.epoch != snapshot.epoch or not goes_on:
                return await self._open(project_id)  # it was trimmed or replaced meanwhile
            snapshot = page
            entries += page.entries
            while sum(len(entry.data) for entry in entries) > OPEN_BYTES_MAX:
                entries.pop(0)
        return _tail(snapshot, entries)

    # Health

    def failure(self) -> str | None:
        """See the port."""
        return self._link.fault or self._history.fault or self._failure

    async def check(self) -> None:
        """See the port. After a write that failed it runs a script, because a server that is full still answers, and
        refuses every script that might write."""
        try:
            if self._failure is not None:
                await self._link.ask("EVALSHA", digest_of(READ), 2, *self.keys(HEALTH_LOG), 0, 1, 0)
                self._failure = None
            await self._link.refresh_facts()
        except Unreachable as error:
            self._failure = str(error)


def _tail(snapshot: Snapshot, entries: Sequence[Entry]) -> Tail:
    if snapshot.epoch is None:
        return Tail(None, 0, 0, ())
    epoch = snapshot.epoch
    return Tail(epoch, snapshot.head, snapshot.floor, [entry.segment(epoch) for entry in entries])
