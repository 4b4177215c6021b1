"""Reads logs, and finds out if the server's log is the one that this node knows.

A failover or a restart may lose the newest segments, and other nodes may write others at the same offsets. So each
answer is compared with what this node saw before: with the writer of the segment at its head.

* The log goes on from there, or ends there: all is well.
* It ends earlier, at a segment that this node knows: this node writes the lost segments again, with their writers' ids.
  It does the same if the log is empty, because another node has begun it since the loss.
* Anything else: offsets may mean different things to different clients. The log gets a new epoch, and all are told.

A server that lost its newest writes without a replica is also known by its generation. A log whose last write is from
another generation, and that no node knows, gets a new epoch after `HEAL_S` seconds: a client may hold offsets of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from websocket_handler.adapters.valkey.commits import NOT_REPLICATED, has_replica
from websocket_handler.adapters.valkey.connection import Reply, packed
from websocket_handler.adapters.valkey.ends import KnownEnds
from websocket_handler.adapters.valkey.entry import Entry, read_entries
from websocket_handler.adapters.valkey.link import Link
from websocket_handler.adapters.valkey.scripts import BEGIN, READ, REPLACE, digest_of
from websocket_handler.adapters.valkey.server import Unreachable
from websocket_handler.hub.epochs import begin_epoch
from websocket_handler.ports.clock import Clock

HEAL_S: Final = 2.0
"""How long a node leaves a log to others, which may know it, after the server came back as another generation."""
ROUNDS_MAX: Final = 20
"""How often a read looks again because somebody else changed the log meanwhile."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A log at one moment: its end, and some of its segments. `epoch` is None if there is no log."""

    epoch: str | None
    head: int
    writer: str
    generation: str
    floor: int
    entries: Sequence[Entry]


NOTHING: Final = Snapshot(None, 0, "", "", 0, ())


class Log(Protocol):
    """The log store, as far as it is needed here."""

    @property
    def is_replicated(self) -> bool:
        """True while an answer counts only once a replica has what it says."""
        ...

    @property
    def wait_ms(self) -> int:
        """How many milliseconds the server waits for a replica."""
        ...

    @property
    def generation(self) -> str:
        """The server's generation, as appends name it."""
        ...

    def keys(self, project_id: str) -> tuple[str, str]:
        """The keys of a log."""
        ...

    def command_for(self, project_id: str, epoch: str, entry: Entry, *, moves: bool) -> bytes:
        """The packed call that appends an entry."""
        ...


class History:
    """Reads that are compared with what this node knows."""

    def __init__(
        self,
        log: Log,
        link: Link,
        ends: KnownEnds,
        clock: Clock,
        new_id: Callable[[], str],
        ttl_ms: int,
        replaced: Callable[[str], None],
    ) -> None:
        """`new_id` makes ids that no two nodes make twice, for epochs. `replaced` is called with a project whose log
        got a new one."""
        self._log = log
        self._link = link
        self._ends = ends
        self._clock = clock
        self._new_id = new_id
        self._ttl_ms = ttl_ms
        self._replaced = replaced

    @property
    def fault(self) -> str | None:
        """Why nothing can be read; None if it can."""
        return self._link.fault

    async def read(self, project_id: str, after: int, bytes_max: int) -> Snapshot:
        """The segments behind an offset; all that are retained, if it is -1. Raises Unreachable."""
        for _ in range(ROUNDS_MAX):
            known = self._ends.get(project_id)
            before = None if known is None else _Seen(known.epoch, known.head, known.writer)
            snapshot = await self._snapshot(project_id, after, bytes_max)
            if before is None or (
                snapshot.epoch not in (None, before.epoch) and not self._stands_in(project_id, snapshot)
            ):
                is_settled = await self._is_fresh(project_id, snapshot)
            else:
                is_settled = await self._is_ours(project_id, before, snapshot)
            if is_settled:
                self._note(project_id, before, snapshot)
                return snapshot
        raise Unreachable("the log changes faster than it can be read")

    async def begin(self, project_id: str, epoch: str) -> str:
        """The epoch of an empty log: this one, unless it has another one already. Raises Unreachable."""
        is_replicated = self._log.is_replicated
        generation = "" if is_replicated else self._generation
        commands = packed("EVALSHA", digest_of(BEGIN), 2, *self._log.keys(project_id), epoch, generation)
        reply = cast("list[bytes]", (await self._committed(commands, is_replicated=is_replicated))[0])
        agreed = reply[0].decode()
        if self._ends.get(project_id) is None and reply[1] == b"0":
            self._ends.saw(project_id, agreed, 0, "", ())
        return agreed

    async def _committed(self, command: bytes, *, is_replicated: bool) -> Sequence[Reply]:
        """The reply to a command, which a failover must not take back, if there is a replica."""
        if not is_replicated:
            return await self._link.ask_all(command, 1)
        replies = await self._link.ask_all(command + packed("WAIT", 1, self._log.wait_ms), 2)
        if not has_replica(replies):
            raise Unreachable(NOT_REPLICATED.reason)
        return replies

    async def _snapshot(self, project_id: str, after: int, bytes_max: int) -> Snapshot:
        is_replicated = self._log.is_replicated
        ttl = self._ttl_ms if is_replicated else 0
        commands = packed("EVALSHA", digest_of(READ), 2, *self._log.keys(project_id), after, bytes_max, ttl)
        reply = cast("list[Any]", (await self._committed(commands, is_replicated=is_replicated))[0])
        if not reply:
            return NOTHING
        epoch, head, writer, generation, floor, entries = reply
        found = read_entries(entries)
        lowest = int(floor) - 1 if found or int(head) <= max(after, 0) else int(head)  # the stream may be lost alone
        return Snapshot(epoch.decode(), int(head), writer.decode(), (generation or b"").decode(), lowest, found)

    # Is it the log that we know?

    def _stands_in(self, project_id: str, snapshot: Snapshot) -> bool:
        """True if the log is empty, and was begun by a node that does not know the one that this node can write
        again."""
        known = self._ends.get(project_id)
        return not snapshot.head and known is not None and known.tail_after(0, "") is not None

    async def _is_fresh(self, project_id: str, snapshot: Snapshot) -> bool:
        """True if a log that this node does not know can be taken as it is."""
        if self._log.is_replicated or snapshot.generation in ("", self._generation):
            return True
        await asyncio.sleep(HEAL_S)
        again = await self._snapshot(project_id, snapshot.head, 1)
        if (again.epoch, again.generation) == (snapshot.epoch, snapshot.generation):
            await self._replace(project_id, again, self._new_epoch())
        return False

    async def _is_ours(self, project_id: str, before: "_Seen", snapshot: Snapshot) -> bool:
        """True if the log continues what this node saw. Otherwise something was done about it, and it is read again."""
        if snapshot.head < before.head:
            known = self._ends.get(project_id)
            tail = known.tail_after(snapshot.head, snapshot.writer) if known is not None else None
            if tail is not None:
                await self._heal(project_id, before.epoch, snapshot, tail)
                return False
            if snapshot.epoch is None:
                return True  # the log is gone, and the next writer begins another one
        if before.is_part_of(snapshot) is False:
            await self._replace(project_id, snapshot, self._new_epoch())
            return False
        if snapshot.generation not in ("", self._generation) and not self._log.is_replicated:
            await self._replace(project_id, snapshot, before.epoch)  # it restarted, and lost nothing of this log
            return False
        return True

    @property
    def _generation(self) -> str:
        return self._log.generation

    def _new_epoch(self) -> str:
        return begin_epoch(self._clock.wall(), self._new_id())

    async def _heal(self, project_id: str, epoch: str, snapshot: Snapshot, tail: Sequence[Entry]) -> None:
        """Write again what the server lost. Another node may do the same: the script takes each segment once."""
        if snapshot.epoch is not None:
            await self._replace(project_id, snapshot, epoch)
        commands = [self._log.command_for(project_id, epoch, entry, moves=False) for entry in tail]
        await self._link.ask_all(b"".join(commands), len(commands))

    async def _replace(self, project_id: str, snapshot: Snapshot, epoch: str) -> None:
        """Give the log an epoch and this generation, unless it was changed since the snapshot."""
        seen = (snapshot.epoch or "", snapshot.head, snapshot.writer)
        keys = self._log.keys(project_id)
        await self._link.ask_all(packed("EVALSHA", digest_of(REPLACE), 2, *keys, *seen, epoch, self._generation), 1)
        if epoch != snapshot.epoch:
            self._replaced(project_id)

    def _note(self, project_id: str, before: "_Seen | None", snapshot: Snapshot) -> None:
        """Know the log as it was read, unless this node has seen more of it meanwhile."""
        now = self._ends.get(project_id)
        if snapshot.epoch is None:
            if now is not None and before == _Seen(now.epoch, now.head, now.writer):
                self._ends.forget(project_id)
            return
        if now is not None and now.epoch == snapshot.epoch:
            if now.head > snapshot.head:
                return
            if _Seen(now.epoch, now.head, now.writer).is_part_of(snapshot) is None and snapshot.floor <= now.head:
                return  # nothing in it tells that it goes on from there
        self._ends.saw(project_id, snapshot.epoch, snapshot.head, snapshot.writer, snapshot.entries)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The end of a log as this node saw it before a read."""

    epoch: str
    head: int
    writer: str

    def is_part_of(self, snapshot: Snapshot) -> bool | None:
        """True if the log goes on from here, False if it has something else here; None if the snapshot does not
        tell."""
        if snapshot.head <= self.head:
            return (snapshot.head, snapshot.writer) == (self.head, self.writer)
        for entry in snapshot.entries:
            if entry.last == self.head:
                return entry.writer == self.writer
            if entry.first == self.head + 1:
                return entry.predecessor == self.writer
            if entry.first <= self.head < entry.last:
                return False
        return None
