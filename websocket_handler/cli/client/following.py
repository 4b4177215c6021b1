"""Follows one project through cuts, restarts and drains, and gives each of its updates once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from websocket_handler.cli import EXIT_UNREACHABLE
from websocket_handler.cli.client.asking import (
    PATIENCE_S,
    ClientError,
    Pause,
    ask_over,
    raise_error,
    raise_if_final,
)
from websocket_handler.cli.client.place import START, Age, Begin, Position
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import Dial, Message, RefusedError, SocketLink, read

ANSWER_TIMEOUT_S: Final = 20.0
LEAVE_MAX_S: Final = 60.0
"""The longest that a client waits after a `reconnect` push."""
REWIND_ALL: Final = 2**53 - 1
Notice = Callable[[str], None]
"""Tells the person who watches what is no update."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An update: its text as it came, what it says, and where it stands."""

    text: str
    message: Message
    position: Position


class Follower:
    """A reader of one project. `notice` hears of cuts, and of everything that is missing."""

    def __init__(self, dial: Dial, target: Target, project_id: str, begin: Begin, notice: Notice) -> None:
        self.position = begin if isinstance(begin, Position) else None
        """Where it is; None before its first subscription."""
        self._dial = dial
        self._target = target
        self._project_id = project_id
        self._begin = begin
        self._notice = notice
        self._pause = Pause()
        self._subscribed = asyncio.Event()
        self._missed: Position | None = None
        """The position behind which a gap was found. A second look shows if the log has it."""
        self._leave_at: float | None = None

    async def until_subscribed(self) -> None:
        """Return when it will miss nothing more."""
        await self._subscribed.wait()

    async def updates(self) -> AsyncGenerator[Shown]:
        """The updates, without an end. Raises ClientError when nothing more can come, or if there is no gateway at the
        beginning."""
        is_cut, now = False, asyncio.get_running_loop().time
        began_at = now()
        while True:
            wait_s: float | None = None
            try:
                link = await self._dial.socket(self._target.socket_url, self._target.token)
                try:
                    await self._subscribe(link)
                    if is_cut:
                        self._notice(f"connected again, {self._told()}")
                        is_cut = False
                    async for shown in self._read(link):
                        yield shown
                finally:
                    await link.close()
            except RefusedError as refusal:
                raise_if_final(refusal, self._target)
                if not self._subscribed.is_set() and now() - began_at > PATIENCE_S:
                    raise ClientError(f"{self._target.socket_url}: {refusal.reason}", EXIT_UNREACHABLE) from None
                if not is_cut:
                    self._notice(f"{refusal.reason}: trying again")
                is_cut, wait_s = True, refusal.wait_s
                await asyncio.sleep(self._pause.next_s(wait_s))

    def _told(self) -> str:
        position = self.position
        return "" if position is None else f"behind {self._project_id}@{position.epoch}:{position.offset}"

    # Subscribing

    async def _subscribe(self, link: SocketLink) -> None:
        """Subscribe behind what it has. Raises RefusedError and ClientError."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                command = {"action": "subscribe", "project_id": self._project_id, **await self._asked(link)}
                confirmed = read(await ask_over(link, command))
        except TimeoutError:
            raise RefusedError("no answer in time") from None
        self._confirmed(confirmed)
        self._pause.worked()

    async def _asked(self, link: SocketLink) -> dict[str, Any]:
        """From where."""
        position = self.position
        if position is None and isinstance(self._begin, Age):
            position = await self._position_at(link, self._begin.seconds)
        if position is not None:
            return {"since": {"epoch": position.epoch, "offset": position.offset}}
        return {"rewind": REWIND_ALL} if self._begin == START else {}

    async def _position_at(self, link: SocketLink, age_s: float) -> Position:
        """The position before the first publication that is not older, by the gateway's clock. Publications are in the
        order of their times, so the log is asked at ever larger steps, and then halved."""
        pong = read(await ask_over(link, {"action": "ping"}))
        since_ms = datetime.fromisoformat(pong["timestamp"]).timestamp() * 1000 - age_s * 1000
        epoch, after, is_young = await self._probe(link, 0, since_ms)
        if is_young:
            return Position(epoch, after)
        step = 1
        while not (await self._probe(link, after + step, since_ms))[2]:
            after, step = after + step, step * 2
        young = after + step
        while young - after > 1:
            middle = (young + after) // 2
            if (await self._probe(link, middle, since_ms))[2]:
                young = middle
            else:
                after = middle
        return Position(epoch, young)

    async def _probe(self, link: SocketLink, after: int, since_ms: float) -> tuple[str, int, bool]:
        """The log's epoch, the position before the next publication, and True if that one is not older, or if there
        is none."""
        asked = {"action": "history", "project_id": self._project_id, "after": after, "limit": 1}
        page = read(await ask_over(link, asked))
        if not page["messages"] or (after and not page["recovered"]):
            return page["epoch"], page["offset"], True
        [message] = page["messages"]
        at = message.get("published_at")
        return page["epoch"], message["offset"] - 1, not isinstance(at, int) or at >= since_ms

    def _confirmed(self, message: Message) -> None:
        now = Position(message["epoch"], message["offset"])
        before = self.position
        if before is not None and not message["recovered"]:
            self._lost(before, now)
        self.position = now
        self._subscribed.set()

    def _lost(self, before: Position, now: Position) -> None:
        if before.epoch != now.epoch:
            what = f"the log is a new one ({now.epoch})"
        else:
            what = f"offsets {before.offset + 1} to {now.offset} are no longer retained"
        self._notice(f"gap: {what}")

    # Reading

    async def _read(self, link: SocketLink) -> AsyncIterator[Shown]:
        """The updates of a link, until the gateway asked to leave. Raises RefusedError."""
        self._leave_at = None
        while True:
            try:
                async with asyncio.timeout_at(self._leave_at):
                    text = await link.receive_text()
            except TimeoutError:
                return
            shown = self._taken(text)
            if shown is not None:
                yield shown

    def _taken(self, text: str) -> Shown | None:
        """What a message is: an update that is new, or something to act on."""
        message = read(text)
        kind = message.get("type")
        if "offset" in message and "epoch" not in message:
            return self._update(text, message)
        if kind == "subscription_reset":
            self._confirmed(message)
        elif kind == "reconnect":
            now = asyncio.get_running_loop().time()
            self._leave_at = now + min(message["after_ms"] / 1000, LEAVE_MAX_S)
        elif kind == "token_expiring":
            self._notice(f"the token ends at {message.get('expires_at')}")
        elif kind == "unsubscription_confirmed":
            raise_error({"code": "forbidden", "message": "the token no longer permits the project"})
        elif kind == "error":
            raise_error(message)
        return None

    def _update(self, text: str, message: Message) -> Shown | None:
        offset, position = message["offset"], self.position
        assert position is not None, "it is subscribed"
        if offset <= position.offset:
            return None
        if offset > position.offset + 1:
            if self._missed != position:  # the log may have it: look once more
                self._missed = position
                raise RefusedError(f"offset {position.offset + 1} is missing")
            self._notice(f"gap: offsets {position.offset + 1} to {offset - 1} did not come")
        self.position = Position(position.epoch, offset)
        return Shown(text, message, self.position)
