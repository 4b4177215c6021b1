"""Drives the core of the Python SDK by hand: a clock that only the test moves, and sockets that are numbers."""

import json
from collections.abc import Iterator
from typing import Any

from websocket_handler_client.core.effects import (
    Abort,
    Answered,
    Arrived,
    Broadcast,
    Close,
    Effect,
    Failed,
    FetchToken,
    Open,
    Reset,
    Send,
    StateChanged,
    Unfollowed,
)
from websocket_handler_client.core.endings import understand_refusal
from websocket_handler_client.core.instant import Instant
from websocket_handler_client.core.machine import Core
from websocket_handler_client.core.options import Options
from websocket_handler_client.core.position import Position
from websocket_handler_client.core.update import Update

BEGIN_S = 1000.0
WALL_BEGIN_S = 1_795_370_000.0


class Desk:
    """A core, and everything that it asked for."""

    def __init__(self, *, chance: float = 0.5, has_tokens: bool = False, folds: bool = False, **options: Any) -> None:
        self.now = Instant(BEGIN_S, WALL_BEGIN_S)
        self.chance = chance
        self.core = Core(Options(**options), lambda: self.chance, has_tokens=has_tokens, folds=folds)
        self.opened: list[Open] = []
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self.ended: list[int] = []
        self.fetches: list[int] = []
        self.given: list[Update | Arrived | Reset | Unfollowed] = []
        self.answers: dict[int, dict[str, Any]] = {}
        self.failures: dict[int, str] = {}
        self.states: list[str] = []
        self.broadcasts: list[dict[str, Any]] = []
        self.is_answering = True
        """False while the gateway answers no `ping` of the client's own."""

    def perform(self, effects: list[Effect]) -> None:
        """Note what the core asks for."""
        for effect in effects:
            match effect:
                case Open():
                    self.opened.append(effect)
                case Send():
                    command = json.loads(effect.text)
                    self.sent.append((effect.link, command))
                    if command["id"].startswith("p") and self.is_answering:
                        self.get(effect.link, type="pong", timestamp="t", id=command["id"])
                case Close() | Abort():
                    self.ended.append(effect.link)
                case FetchToken():
                    self.fetches.append(effect.fetch)
                case Update() | Arrived() | Reset() | Unfollowed():
                    self.given.append(effect)
                case Answered():
                    self.answers[effect.call] = effect.reply
                case Failed():
                    self.failures[effect.call] = effect.error.code
                case StateChanged():
                    self.states.append(effect.state.name)
                case Broadcast():
                    self.broadcasts.append(effect.message)

    # Time

    def wait(self, seconds: float) -> None:
        """Let time pass, and do what is due on the way."""
        end_s = self.now.s + seconds
        for _ in range(10_000):
            due_s = self.core.next_timer(self.now)
            if due_s is None or due_s > end_s:
                break
            self._move(max(0.0, due_s - self.now.s))
            self.perform(self.core.timer(self.now))
        else:
            raise AssertionError("the core asks for a timer again and again")
        self._move(end_s - self.now.s)

    def snooze(self, seconds: float) -> None:
        """The machine sleeps: the time of day goes on, and the monotonic clock does not."""
        self.now = Instant(self.now.s, self.now.wall_s + seconds)

    def _move(self, seconds: float) -> None:
        self.now = Instant(self.now.s + seconds, self.now.wall_s + seconds)

    # The network

    def open(self, link: int | None = None) -> int:
        """The handshake of a link has succeeded; of the latest one, unless a number is given."""
        number = self.opened[-1].link if link is None else link
        self.perform(self.core.opened(number, self.now))
        return number

    def get(self, link: int, **message: Any) -> None:
        """A message comes."""
        self.perform(self.core.received(link, json.dumps(message), self.now))

    def cut(self, link: int, code: int | None = None) -> None:
        """A link ends."""
        self.perform(self.core.closed(link, code, self.now))

    def refuse(self, status: int, retry_after: str | None = None, **error: Any) -> None:
        """The latest handshake gets an HTTP error."""
        body = json.dumps({"type": "error", **error}).encode() if error else b""
        refusal = understand_refusal(status, body, retry_after)
        self.perform(self.core.refused(self.opened[-1].link, refusal, self.now))

    # The program

    def follow(self, project_id: str = "p", **start: Any) -> None:
        """Follow a project."""
        self.perform(self.core.follow(project_id, start, self.now))

    def call(self, fields: dict[str, Any] | None = None, timeout_s: float = 30.0, wait_s: float = 0.0) -> int:
        """Send a command, and await its reply."""
        number, effects = self.core.call(fields or {"action": "ping"}, timeout_s, wait_s, self.now)
        self.perform(effects)
        return number

    # What happened

    def asked(self, link: int) -> list[dict[str, Any]]:
        """The commands that were sent on a link."""
        return [command for number, command in self.sent if number == link]

    def confirm(self, link: int, offset: int, epoch: str = "e1", project_id: str = "p", **more: Any) -> None:
        """Answer the last `subscribe` of a project on a link."""
        asked = [c for c in self.asked(link) if c["action"] == "subscribe" and c["project_id"] == project_id][-1]
        place = {"epoch": epoch, "offset": offset, "recovered": True}
        confirmation = {"type": "subscription_confirmed", "project_id": project_id, **place, **more}
        self.get(link, **{**confirmation, "id": asked["id"]})

    def publish(self, link: int, *offsets: int, project_id: str = "p") -> None:
        """Publications come on a link."""
        for offset in offsets:
            self.get(link, type="step", project_id=project_id, offset=offset)

    def live(self, offset: int = 57) -> int:
        """Follow `p`, and be connected and confirmed. Returns the link."""
        self.follow()
        link = self.open()
        self.confirm(link, offset)
        return link

    @property
    def offsets(self) -> list[int]:
        """The offsets of the updates that the program got."""
        return [given.offset for given in self.given if isinstance(given, Update)]

    def news(self) -> Iterator[dict[str, Any]]:
        """What the program got, as the vectors write it."""
        for given in self.given:
            if isinstance(given, Update):
                yield {"update": given.offset}
            elif isinstance(given, Arrived):
                yield {"snapshot": given.snapshot.offset}
            elif isinstance(given, Reset):
                yield {"reset": given.position.as_field()}

    @property
    def position(self) -> Position | None:
        """Where the program stands in `p`."""
        return self.core.position("p")
