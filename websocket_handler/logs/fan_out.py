"""The push cursors on one project: who follows it, and how far each of them is.

Live delivery, resuming, a late joiner and a slow client are one thing: a cursor that is behind and catches up, or is
level and follows. The hot path is `appended` and `send_unsent`: one write per level subscriber, no task, no lock, no
await.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from websocket_handler.hub.cursor import Cursor, CursorState
from websocket_handler.hub.log import Publication, Start
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.page import Page
from websocket_handler.logs.reader import Reader
from websocket_handler.logs.saved_runs import SavedRuns
from websocket_handler.ports.transport import SendToAll, Transport
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.frames import PLAIN, Framing, cut
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.replies import subscription_reset

_STARTING: Final = CursorState.STARTING
_LEVEL: Final = CursorState.LEVEL
_BEHIND: Final = CursorState.BEHIND
_ENDED: Final = CursorState.ENDED
"""Looking up a member of an Enum costs more than a call, and every handshake needs these."""
STORE_RETRY_S: Final = 1.0
"""How many seconds a cursor waits before it asks a store again that did not answer."""
PAGE_MESSAGES_MAX: Final = 1000


class Subscriber(Protocol):
    """A connection that follows a project: it takes frames, and says when it can take no more."""

    transport: Transport
    write: Callable[[bytes], object]
    framing: Framing
    is_paused: bool

    def push(self, payload: bytes) -> None:
        """Send one frame with this payload."""
        ...


Subscription = Cursor[Subscriber]
Confirm = Callable[[Start | CommandError], bool]
"""Called with a start. It confirms the start, and returns True if the subscriber may follow from there. If there is no
start, it is called with the reason."""


class FanOut:
    """The cursors on one project. The journal calls `appended` and `replaced`; a cursor that is behind reads pages."""

    __slots__ = (
        "_cursors",
        "_engine",
        "_epoch",
        "_framing",
        "_groups",
        "_level_count",
        "_postponed",
        "_project_id",
        "_reader",
        "_send_level",
        "_unsent",
        "_when_started",
        "delivered",
    )

    def __init__(self, project_id: str, reader: Reader, engine: Engine) -> None:
        self.delivered = 0
        """The offset that every level cursor has."""
        self._unsent: Sequence[Publication] | None = None
        """The entries after `delivered`, while they wait for the end of the turn."""
        self._epoch = ""
        self._project_id = project_id
        self._reader = reader
        self._engine = engine
        self._cursors: dict[Subscriber, Subscription] = {}
        """All subscriptions, oldest first; the subscribers are written to in this order."""
        self._level_count = 0
        """How many of them are level."""
        self._groups: list[tuple[Framing, SendToAll]] | None = None
        """The transports of the level cursors, by framing. None if a subscriber became level or left since it was
        made."""
        self._framing: Framing = PLAIN
        self._send_level: SendToAll | None = None
        """The only one of the groups, and its framing; None if there are more, or none was made yet."""
        self._when_started: dict[Subscription, list[Callable[[], None]]] = {}
        """What to call once a STARTING cursor is confirmed or refused."""
        self._postponed: dict[Subscription, Callable[[], None]] = {}
        """What lets a STARTING cursor begin with the snapshot, once its subscriber takes more."""

    @property
    def is_empty(self) -> bool:
        """True while nobody follows."""
        return not self._cursors

    @property
    def subscribers(self) -> Sequence[Subscriber]:
        """All who follow, oldest first."""
        return list(self._cursors)

    def __len__(self) -> int:
        return len(self._cursors)

    # The hot path

    def appended(self, page: Page) -> None:
        """Send entries to every level cursor: at the end of the turn of all logs, or now if none is ending. The entries
        are in the log already."""
        if self._unsent is not None:
            self._unsent = [*self._unsent, *page.entries]
        elif self._level_count:
            self._unsent = page.entries
            self._engine.turn.send_last(self.send_unsent)
        else:
            self.delivered = page.last

    def send_unsent(self) -> None:
        """Send what waits for the end of the turn. Whoever lets a cursor start or catch up calls this first, so that
        no cursor is ahead of the level ones."""
        entries = self._unsent
        if entries is None:
            return
        self._unsent = None
        if self._send_level is not None and len(entries) == 1:  # nearly always, with many projects
            entry = entries[0]
            self.delivered = entry.offset
            self._engine.counters.deliveries += self._level_count
            self._send_level(self._framing.texts((entry.payload,)))
            return
        sent = 0
        for chunk in cut([entry.payload for entry in entries], self._engine.limits.write_bytes):
            sent += len(chunk)
            self._send_to_level(chunk, entries[sent - 1].offset)

    def _send_to_level(self, payloads: Sequence[bytes], last: int) -> None:
        """Send payloads up to the offset `last` to every level cursor, each in one write."""
        groups = self._groups
        if groups is None:  # somebody paused, left or caught up since the last time
            groups = self._groups = self._grouped()
            if len(groups) == 1:
                self._framing, self._send_level = groups[0]
        self.delivered = last
        self._engine.counters.deliveries += self._level_count * len(payloads)
        for data, send in [(framing.texts(payloads), send) for framing, send in groups]:
            send(data)

    def _regroup(self, level_count: int) -> None:
        """The level cursors are others now."""
        self._level_count = level_count
        self._groups = self._send_level = None

    def _grouped(self) -> list[tuple[Framing, SendToAll]]:
        """The transports of the level cursors, by the bytes that they take. Nearly always they all form one group."""
        groups: defaultdict[Framing, list[Transport]] = defaultdict(list)
        for subscriber, cursor in self._cursors.items():
            if cursor.state is _LEVEL:
                groups[subscriber.framing].append(subscriber.transport)
        return [(framing, self._engine.group(transports)) for framing, transports in groups.items()]

    # Cursors

    def attach(self, subscriber: Subscriber) -> Subscription:
        """Follow from now on, without a confirmation. For the broadcast log, because nobody asks for a position in
        it, nor since when somebody follows it."""
        self.send_unsent()
        cursor = Cursor(subscriber, 0.0)
        self._cursors[subscriber] = cursor
        cursor.offset = self.delivered
        self._catch_up(cursor)
        return cursor

    def subscribe(
        self,
        subscriber: Subscriber,
        since: Position | None,
        rewind: int | None,
        confirm: Confirm,
        *,
        folds: bool = False,
    ) -> Subscription:
        """Follow from the position that the subscriber asks for. `confirm` is called once, with the start, before
        anything is delivered. If it is called with a CommandError, or returns False, the subscription has ended. A
        subscriber that `folds` gets the deltas that it is behind by joined."""
        cursor = Cursor(subscriber, self._engine.clock.wall(), folds=folds)
        self._cursors[subscriber] = cursor
        self._reader.place(since, rewind, partial(self._start, cursor, confirm), lambda: cursor.is_live)
        return cursor

    def subscribe_from_snapshot(
        self, subscriber: Subscriber, runs: SavedRuns, confirm: Confirm, *, folds: bool = False
    ) -> Subscription:
        """The same from the snapshot of the project's runs, which the start brings. A subscriber that takes nothing at
        the moment starts later, so that snapshots do not gather in its outbox."""
        cursor = Cursor(subscriber, self._engine.clock.wall(), folds=folds)
        self._cursors[subscriber] = cursor

        def begin() -> None:
            if cursor.is_live and subscriber.is_paused:
                self._postponed[cursor] = begin
            else:
                runs.place(placed, lambda: cursor.is_live)

        def placed(start: Start | CommandError) -> None:
            if cursor.is_live and subscriber.is_paused and isinstance(start, Start):
                self._postponed[cursor] = begin  # it may be older by then, so it is asked for again
            else:
                self._start(cursor, confirm, start)

        begin()
        return cursor

    def _start(self, cursor: Subscription, confirm: Confirm, start: Start | CommandError) -> None:
        self.send_unsent()
        callbacks = self._when_started.pop(cursor, ())
        if cursor.state is _ENDED:
            return
        if isinstance(start, CommandError):
            self.end_cursor(cursor)
            confirm(start)
        else:
            cursor.offset = start.offset
            cursor.state = _BEHIND
            if confirm(start):
                self._catch_up(cursor)
            else:
                self.end_cursor(cursor)
        for callback in callbacks:
            callback()

    def when_started(self, cursor: Subscription, callback: Callable[[], None]) -> None:
        """Call `callback` once the cursor's start is confirmed or refused; at once if it is already."""
        if cursor.state is _STARTING:
            self._when_started.setdefault(cursor, []).append(callback)
        else:
            callback()

    def position(self, cursor: Subscription) -> Position:
        """The position after the entry that the subscriber was sent last."""
        return Position(self._epoch, self.delivered if cursor.state is _LEVEL else cursor.offset)

    def end_cursor(self, cursor: Subscription) -> None:
        """End a subscription. Ending it twice changes nothing."""
        if cursor.state is _ENDED:
            return
        if cursor.state is _LEVEL:
            self._regroup(self._level_count - 1)
        cursor.state = _ENDED
        del self._cursors[cursor.owner]
        if self._postponed.pop(cursor, None) is not None:
            self._when_started.pop(cursor, None)

    def pause(self, cursor: Subscription) -> None:
        """The subscriber's outbox is not empty. Everything up to here was sent; later entries wait in the log."""
        if cursor.state is _LEVEL:
            cursor.offset = self.delivered
            cursor.state = _BEHIND
            self._regroup(self._level_count - 1)

    def resume(self, cursor: Subscription) -> None:
        """The subscriber's outbox is empty again."""
        if cursor.state is _BEHIND:
            self.send_unsent()
            self._catch_up(cursor)
        elif cursor in self._postponed:
            self._postponed.pop(cursor)()

    def _catch_up(self, cursor: Subscription) -> None:
        """Send the entries that the cursor lacks, until it is level or its subscriber can take no more. Raises
        AssertionError if the cursor is ahead of what was delivered: it would never become level."""
        subscriber = cursor.owner
        cursor.state = _BEHIND
        while not subscriber.is_paused:
            if cursor.offset == self.delivered:
                cursor.state = _LEVEL
                self._regroup(self._level_count + 1)
                return
            page = self._reader.in_memory(cursor.offset, PAGE_MESSAGES_MAX, self._engine.limits.write_bytes)
            if page is None:
                cursor.state = CursorState.READING
                self._read(cursor)
                return
            lacking = page.until(self.delivered)
            assert lacking.entries, f"{self._project_id}: at {cursor.offset}, ahead of {self.delivered}"
            self._send(cursor, lacking)

    def _send(self, cursor: Subscription, page: Page) -> None:
        cursor.offset = page.last
        if cursor.folds:
            page = self._reader.folded(page)
        self._engine.counters.deliveries += len(page.entries)
        cursor.owner.write(cursor.owner.framing.texts(page.payloads))

    def _read(self, cursor: Subscription) -> None:
        """Ask the store for a page, which is read as long as the cursor waits for it."""
        asked = cursor.offset

        def is_wanted() -> bool:
            return cursor.state is CursorState.READING and cursor.offset == asked

        self._reader.from_store(asked, partial(self._page_read, cursor, asked), is_wanted)

    def _page_read(self, cursor: Subscription, asked: int, answer: Page | CommandError) -> None:
        """The answer of the store to a cursor that is further back than memory."""
        if cursor.state is not CursorState.READING or cursor.offset != asked:
            return  # the cursor ended or moved while the store was read
        self.send_unsent()
        cursor.state = _BEHIND
        if isinstance(answer, CommandError):
            wait_s = max(STORE_RETRY_S, (answer.retry_after_ms or 0) / 1000)
            self._engine.scheduler.call_later(wait_s, partial(self.resume, cursor))
        elif answer.recovered:
            self._send_all(cursor, answer.until(self.delivered))
            self._catch_up(cursor)
        else:
            self._move(cursor, answer.last)

    def _send_all(self, cursor: Subscription, page: Page) -> None:
        """Send a page in writes of bounded size, as far as the client takes them."""
        while page.entries and not cursor.owner.is_paused:
            part = page.first_part(PAGE_MESSAGES_MAX, self._engine.limits.write_bytes)
            page = page.behind(part)
            self._send(cursor, part)

    def _move(self, cursor: Subscription, offset: int) -> None:
        """Continue at another position, and tell the subscriber: the entries in between are no longer retained."""
        cursor.offset = offset
        self._engine.counters.subscription_resets += 1
        if self._engine.are_resets_told:
            cursor.owner.push(subscription_reset(self._project_id, Position(self._epoch, offset)))
        self._catch_up(cursor)

    def replaced(self, end: Position, beginning: int) -> None:
        """There is now another log, which ends at `end`. Every cursor continues after the offset `beginning`."""
        self.send_unsent()
        self._epoch, self.delivered = end.epoch, end.offset
        self._regroup(0)
        moved = [cursor for cursor in self._cursors.values() if cursor.state is not _STARTING]
        for cursor in moved:
            cursor.state = _BEHIND  # before any write, which may pause or end a cursor
        for cursor in moved:
            if cursor.is_live:
                self._move(cursor, beginning)
