"""Who follows one project, and how far each of them is.

Live delivery, resuming, a late joiner and a slow client are one thing: a cursor that is behind and catches up,
or is level and follows. The hot path is `deliver`: one write per level subscriber, no task, no lock, no await.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from websocket_handler.delivery.engine import Engine, Log
from websocket_handler.delivery.reader import Reader, after_in, bounded, follows
from websocket_handler.hub.cursor import Cursor, CursorState
from websocket_handler.hub.log import Publication, Start
from websocket_handler.ports.log_store import Tail, Unavailable
from websocket_handler.ports.transport import SendToAll, Transport
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.frames import Framing, cut
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.replies import subscription_reset

STORE_RETRY_S: Final = 1.0
"""How long a cursor waits before it asks a store again that did not answer."""
PAGE_MESSAGES_MAX: Final = 1000


class Subscriber(Protocol):
    """What follows a project: a connection that takes frames and says when it is full."""

    transport: Transport
    write: Callable[[bytes], object]
    framing: Framing
    is_paused: bool

    def push(self, payload: bytes) -> None:
        """Send one frame with this payload."""
        ...


Subscription = Cursor[Subscriber]
Confirm = Callable[[Start | CommandError], None]


class FanOut:
    """The cursors on one project."""

    __slots__ = (
        "_cursors",
        "_engine",
        "_groups",
        "_holders",
        "_level",
        "_project",
        "_wakes",
        "_when_started",
        "delivered",
        "reader",
    )

    def __init__(self, project: Log, engine: Engine) -> None:
        self.delivered = 0
        """The offset that every level cursor has."""
        self.reader = Reader(project, engine)
        self._project = project
        self._engine = engine
        self._cursors: dict[Subscriber, Subscription] = {}
        self._level: dict[Subscriber, None] = {}
        self._groups: list[tuple[Framing, SendToAll]] | None = None
        self._when_started: dict[Subscription, list[Callable[[], None]]] = {}
        self._holders = 0
        self._wakes: dict[object, Callable[[], None]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nobody follows or reads along."""
        return not self._cursors and not self._holders

    @property
    def subscribers(self) -> Sequence[Subscriber]:
        """Everyone who follows, oldest first."""
        return list(self._cursors)

    def __len__(self) -> int:
        return len(self._cursors)

    # The hot path

    def deliver(self, publications: Sequence[Publication]) -> None:
        """Send publications, which are in the log already, to every level cursor, and wake the readers."""
        if self._level:
            payloads = [publication.payload for publication in publications]
            for chunk in cut(payloads, self._engine.limits.write_bytes):
                groups = self._groups
                if groups is None:  # somebody paused, left or caught up since
                    groups = self._groups = self._grouped()
                writes = [(framing.texts(chunk), send) for framing, send in groups]
                self.delivered += len(chunk)
                self._engine.counters.deliveries += len(self._level) * len(chunk)
                for data, send in writes:
                    send(data)
        else:
            self.delivered += len(publications)
        if self._wakes:
            self.wake()

    def _grouped(self) -> list[tuple[Framing, SendToAll]]:
        """The level cursors' transports, by the bytes that they take: nearly always all in one group."""
        groups: defaultdict[Framing, list[Transport]] = defaultdict(list)
        for subscriber in self._level:
            groups[subscriber.framing].append(subscriber.transport)
        return [(framing, self._engine.group(transports)) for framing, transports in groups.items()]

    # Cursors

    def attach(self, subscriber: Subscriber) -> Subscription:
        """Follow from now on, unconfirmed: for the broadcast log, whose place is never asked for."""
        cursor = Cursor(subscriber, self._engine.clock.wall())
        self._cursors[subscriber] = cursor
        cursor.offset = self.delivered
        self._catch_up(cursor)
        return cursor

    def subscribe(
        self, subscriber: Subscriber, since: Position | None, rewind: int | None, confirm: Confirm
    ) -> Subscription:
        """Follow from the asked place. `confirm` is called with it once, before anything is delivered; with a
        CommandError the subscription has ended."""
        cursor = Cursor(subscriber, self._engine.clock.wall())
        self._cursors[subscriber] = cursor
        self._when_started[cursor] = []
        self.reader.place(since, rewind, partial(self._start, cursor, confirm))
        return cursor

    def _start(self, cursor: Subscription, confirm: Confirm, start: Start | CommandError) -> None:
        callbacks = self._when_started.pop(cursor, [])
        if cursor.state is CursorState.ENDED:
            return
        if isinstance(start, CommandError):
            self.end_cursor(cursor)
            confirm(start)
        else:
            cursor.offset = start.offset
            cursor.state = CursorState.BEHIND
            confirm(start)
            self._catch_up(cursor)
        for callback in callbacks:
            callback()

    def when_started(self, cursor: Subscription, callback: Callable[[], None]) -> None:
        """Call once the cursor's place is confirmed or refused; at once when that was long ago."""
        if cursor.state is CursorState.STARTING:
            self._when_started[cursor].append(callback)
        else:
            callback()

    def position(self, cursor: Subscription) -> Position:
        """What the subscriber was sent last."""
        offset = self.delivered if cursor.state is CursorState.LEVEL else cursor.offset
        return Position(self._project.log.epoch, offset)

    def end_cursor(self, cursor: Subscription) -> None:
        """The subscriber left. Ending twice changes nothing."""
        if cursor.state is CursorState.ENDED:
            return
        cursor.state = CursorState.ENDED
        del self._cursors[cursor.owner]
        if cursor.owner in self._level:
            del self._level[cursor.owner]
            self._groups = None

    def pause(self, cursor: Subscription) -> None:
        """The subscriber's outbox is full: it was sent everything up to here, the rest waits in the log."""
        if cursor.state is CursorState.LEVEL:
            cursor.offset = self.delivered
            cursor.state = CursorState.BEHIND
            del self._level[cursor.owner]
            self._groups = None

    def resume(self, cursor: Subscription) -> None:
        """The subscriber's outbox drained."""
        if cursor.state is CursorState.BEHIND:
            self._catch_up(cursor)

    def _catch_up(self, cursor: Subscription) -> None:
        """Send what the cursor is behind by, until it is level or its outbox is full."""
        log, subscriber = self._project.log, cursor.owner
        cursor.state = CursorState.BEHIND
        while not subscriber.is_paused:
            if cursor.offset == self.delivered:
                cursor.state = CursorState.LEVEL
                self._level[subscriber] = None
                self._groups = None
                return
            if not log.covers(cursor.offset):
                cursor.state = CursorState.READING
                self.reader.read(cursor.offset, partial(self._page_read, cursor, cursor.offset))
                return
            page = log.after(cursor.offset, PAGE_MESSAGES_MAX, self._engine.limits.write_bytes)
            self._send_page(cursor, page)

    def _send_page(self, cursor: Subscription, page: Sequence[Publication]) -> None:
        cursor.offset += len(page)
        self._engine.counters.deliveries += len(page)
        cursor.owner.write(cursor.owner.framing.texts([publication.payload for publication in page]))

    def _page_read(self, cursor: Subscription, asked: int, tail: Tail | Unavailable) -> None:
        """A page of the store for a cursor that memory no longer reaches."""
        if cursor.state is not CursorState.READING or cursor.offset != asked:
            return  # it ended, or was reset, while the page was on its way
        cursor.state = CursorState.BEHIND
        if isinstance(tail, Unavailable):
            self._engine.scheduler.call_later(STORE_RETRY_S, partial(self.resume, cursor))
        elif tail.epoch == self._project.log.epoch and follows(tail, cursor.offset):
            # The store may be ahead of us: its newest segment is not ours yet, and comes with `deliver`.
            records = after_in(tail, cursor.offset)[: self.delivered - cursor.offset]
            while records and not cursor.owner.is_paused:
                page = bounded(records, PAGE_MESSAGES_MAX, self._engine.limits.write_bytes)
                self._send_page(cursor, page)
                records = records[len(page) :]
            self._catch_up(cursor)
        else:
            self._move(cursor, self.reader.floor_after(cursor.offset, tail))

    def _move(self, cursor: Subscription, offset: int) -> None:
        """Go on from another place, and say so: what lay between is not retained."""
        cursor.offset = offset
        self._engine.counters.resets += 1
        if self._engine.are_resets_told:
            position = Position(self._project.log.epoch, offset)
            cursor.owner.push(subscription_reset(self._project.project_id, position))
        self._catch_up(cursor)

    def reset(self) -> None:
        """The log is another one now: every cursor goes on from its beginning."""
        self.delivered = self._project.log.head
        self._level.clear()
        self._groups = None
        beginning = min(self._project.floor, self._project.log.first - 1)
        moved = [cursor for cursor in self._cursors.values() if cursor.state is not CursorState.STARTING]
        for cursor in moved:
            cursor.state = CursorState.BEHIND  # before anything is written: a write may pause or end a cursor
        for cursor in moved:
            if cursor.is_live:
                self._move(cursor, beginning)
        self.wake()

    # Readers that pull: SSE and long poll

    def hold(self) -> None:
        """Keep the project open while somebody reads along."""
        self._holders += 1

    def release(self) -> None:
        """The counterpart of `hold`."""
        self._holders -= 1

    def wake_once(self, reader: object, callback: Callable[[], None]) -> None:
        """Call when something new is delivered."""
        self._wakes[reader] = callback

    def forget_wake(self, reader: object) -> None:
        """Do not call after all."""
        self._wakes.pop(reader, None)

    def wake(self) -> None:
        """Call everyone who waits for something new."""
        wakes, self._wakes = self._wakes, {}
        for callback in wakes.values():
            callback()
