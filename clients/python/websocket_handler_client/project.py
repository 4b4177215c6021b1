"""One project, as a program reads it and writes to it."""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal

from websocket_handler_client.core.effects import Reset
from websocket_handler_client.core.position import Position
from websocket_handler_client.core.reading import Place, start_for
from websocket_handler_client.core.update import Update
from websocket_handler_client.driver import Driver
from websocket_handler_client.errors import ClientError
from websocket_handler_client.results import History

TIMEOUT_S: Final = 30.0
OnReset = Callable[[Position], None]


class Inbox:
    """What waits for one reader."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.items: deque[Update | Reset | ClientError] = deque()
        self.waiter: asyncio.Future[None] | None = None

    def put(self, item: Update | Reset | ClientError) -> None:
        """Add something, and wake the reader."""
        self.items.append(item)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Project:
    """A project. Every reader of it shares one subscription, which ends shortly after the last reader has left."""

    def __init__(self, project_id: str, driver: Driver) -> None:
        self.project_id = project_id
        self._driver = driver
        self._inboxes: list[Inbox] = []
        self._last: Position | None = None
        """Where the last reader stood when it left."""
        self.is_lagging = False
        """True while a reader is so slow that the gateway was asked to stop. Nothing is lost: it goes on later."""

    def updates(
        self,
        *,
        since: Position | str | None = None,
        rewind: int | None = None,
        from_: Literal["snapshot"] | None = None,
        on_reset: OnReset | None = None,
    ) -> "Updates":
        """Read the project: `async for update in project.updates(): …`. The subscription begins with this call.

        `from_="snapshot"` begins with what the project's runs have become: an update with `is_snapshot`, which takes
        the place of all that you built. A position counts more, until the log cannot continue there: then another
        snapshot follows the reset. `since` continues behind a position (`epoch:offset`), `rewind` begins so many
        updates back; without any of them it begins with the next update. If the project has another reader, `rewind`
        does not count. `on_reset` is called in order between two updates if the log cannot continue: discard what you
        built, and build it from what follows. The loop raises RefusedError or ClosedError if there will be no further
        update. Raises ValueError if `since` is no position.
        """
        place = Place(
            Position.parse(since) if isinstance(since, str) else since, rewind, wants_snapshot=from_ is not None
        )
        inbox = Inbox(place)
        self._join(inbox)
        return Updates(self, inbox, on_reset)

    @property
    def position(self) -> Position | None:
        """Behind the last update that the program has taken; that of its slowest reader. Keep it, and give it to
        `updates(since=…)` after a restart. None before the gateway has confirmed the subscription."""
        if not self._inboxes:
            return self._last
        waiting = [self._position_of(inbox) for inbox in self._inboxes]
        return min((place for place in waiting if place is not None), key=lambda place: place.offset, default=None)

    async def publish(
        self, message: dict[str, Any], *, key: str | None = None, timeout_s: float = TIMEOUT_S, wait_s: float = 0.0
    ) -> Position:
        """Publish an object, and return its position once the log holds it. All tries have one idempotency key, so it
        is published once; give a `key` of your own to be safe over restarts, too. Raises ClientError."""
        fields = {"action": "publish", "project_id": self.project_id, "message": message}
        reply = await self._driver.call({**fields, "key": key or uuid.uuid4().hex}, timeout_s, wait_s)
        return Position(reply["epoch"], reply["offset"])

    async def history(
        self, *, after: int = 0, limit: int = 100, timeout_s: float = TIMEOUT_S, wait_s: float = 0.0
    ) -> History:
        """Read a page of the log. Raises ClientError."""
        fields = {"action": "history", "project_id": self.project_id, "after": after, "limit": limit}
        reply = await self._driver.call(fields, timeout_s, wait_s)
        return History(reply["messages"], Position(reply["epoch"], reply["offset"]), reply["recovered"])

    async def presence(self, *, timeout_s: float = TIMEOUT_S, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """The connections that follow the project on this client's node. Raises ClientError."""
        fields = {"action": "presence", "project_id": self.project_id}
        reply = await self._driver.call(fields, timeout_s, wait_s)
        connections: list[dict[str, Any]] = reply["connections"]
        return connections

    # For the client and the readers

    def deliver(self, update: Update) -> None:
        """Give an update to the readers that do not have it."""
        maximum = self._driver.core.options.buffer_updates
        is_joined = update.first_offset != update.offset
        if is_joined and any(inbox.place.has_part_of(update) for inbox in self._inboxes):
            self._divide(update)
            return
        for inbox in self._inboxes:
            if not inbox.place.awaits_snapshot and inbox.place.takes(update):
                inbox.put(update)
                if len(inbox.items) >= maximum and not self.is_lagging:
                    self.is_lagging = True
                    self._driver.perform(self._driver.core.pause(self.project_id))

    def arrived(self, snapshot: Update) -> None:
        """Give a snapshot to the readers that await it. The ones that are behind it go on from where they are."""
        is_behind = False
        for inbox in self._inboxes:
            place = inbox.place
            if place.awaits_snapshot:
                place.position = snapshot.position
                inbox.put(snapshot)
            else:
                position = place.position = place.position or snapshot.position
                is_behind |= position.epoch != snapshot.epoch or position.offset < snapshot.offset
        if is_behind:
            self._begin_at_places()

    def _begin_at_places(self) -> None:
        start = start_for([inbox.place for inbox in self._inboxes])
        self.is_lagging = False
        self._driver.perform(self._driver.core.begin_at(self.project_id, start, self._driver.now()))

    def _divide(self, update: Update) -> None:
        """A reader has a part of what came joined: get it again, one by one, from where the readers stand."""
        places = [inbox.place for inbox in self._inboxes]
        for place in places:
            place.position = place.position or Position(update.epoch, update.first_offset - 1)
        self.is_lagging = False
        self._driver.perform(self._driver.core.divide(self.project_id, start_for(places)))

    def reset(self, reset: Reset) -> None:
        """Tell the readers whose place is no longer in the log."""
        for inbox in self._inboxes:
            if inbox.place.is_void(reset.position, reset.asked):
                inbox.put(reset)

    def end(self, error: ClientError) -> None:
        """There will be no further update."""
        for inbox in self._inboxes:
            inbox.put(error)
        self._inboxes.clear()
        self.is_lagging = False

    def taken(self) -> None:
        """A reader has taken something: go on if all of them have room again."""
        if self.is_lagging and all(not inbox.items for inbox in self._inboxes):
            self.is_lagging = False
            self._driver.perform(self._driver.core.resume(self.project_id))

    def leave(self, inbox: Inbox) -> None:
        """A reader goes. The subscription ends in the next turn of the event loop, unless another reader comes."""
        if inbox in self._inboxes:
            self._last = self.position
            self._inboxes.remove(inbox)
            self._driver.loop.call_soon(self._unfollow)
            self.taken()

    def _unfollow(self) -> None:
        if not self._inboxes:
            self._driver.perform(self._driver.core.unfollow(self.project_id, self._driver.now()))

    def _join(self, inbox: Inbox) -> None:
        core, now = self._driver.core, self._driver.now()
        at = core.position(self.project_id) if self._inboxes else None
        if at is not None:
            self._take_places(at)
        self._inboxes.append(inbox)
        if at is None or inbox.place.awaits_snapshot:
            self._begin_at_places()
            return
        wanted = inbox.place.position = inbox.place.position or at
        if wanted.epoch != at.epoch:  # its log is gone; the one that there is, is read from its beginning
            wanted = inbox.place.position = Position(at.epoch, 0)
            inbox.put(Reset(self.project_id, wanted, None))
        if wanted.offset < at.offset:
            self.is_lagging = False
            self._driver.perform(core.begin_at(self.project_id, {"since": wanted.as_field()}, now))

    def _take_places(self, at: Position) -> None:
        for inbox in self._inboxes:
            if not inbox.place.awaits_snapshot:
                inbox.place.position = inbox.place.position or at

    def _position_of(self, inbox: Inbox) -> Position | None:
        first = next((item for item in inbox.items if isinstance(item, Update)), None)
        if first is not None:
            return Position(first.epoch, first.first_offset - 1)
        return inbox.place.position or self._driver.core.position(self.project_id)


class Updates:
    """The updates of a project, for one reader. It ends when the loop over it ends, or with `aclose`."""

    def __init__(self, project: Project, inbox: Inbox, on_reset: OnReset | None) -> None:
        self._project = project
        self._inbox = inbox
        self._on_reset = on_reset
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> "Updates":
        return self

    async def __anext__(self) -> Update:
        items = self._inbox.items
        while True:
            while not items:
                await self._something()
            item = items.popleft()
            if not items:
                self._project.taken()
            if isinstance(item, Update):
                return item
            if isinstance(item, ClientError):
                items.append(item)  # it stays so, however often somebody asks
                raise item
            if self._on_reset is not None:
                self._on_reset(item.position)

    async def aclose(self) -> None:
        """Read no further."""
        self._project.leave(self._inbox)

    async def __aenter__(self) -> "Updates":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        """A loop that was left with `break` reads no further."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._project.leave, self._inbox)

    async def _something(self) -> None:
        inbox = self._inbox
        if inbox.waiter is not None:
            raise RuntimeError("two tasks read from one `updates()`: call it once for each")
        inbox.waiter = self._loop.create_future()
        try:
            await inbox.waiter
        finally:
            inbox.waiter = None
