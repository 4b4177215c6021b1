"""Clients as spec/protocol.md wants them: they keep a position per project, resume with it, and repeat what stayed
unanswered under the same key. What they are told goes to the checker as it is."""

import json
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.checker import End
from tests.simulation.network import Link, frames_in
from tests.support.frames import text_frame

if TYPE_CHECKING:
    from tests.simulation.world import World

Json = dict[str, Any]


@dataclass(slots=True)
class Pending:
    """A command without an answer yet."""

    kind: str
    project: str
    asked: Json
    before: End


@dataclass(slots=True)
class Work:
    """A publish or a forward that is repeated until it is confirmed."""

    kind: str
    command: Json
    uid: str
    is_repeated: bool = True
    is_conflict_wanted: bool = False


@dataclass(slots=True)
class Place:
    """What a client holds of a project."""

    epoch: str
    offset: int


@dataclass(slots=True)
class Session:
    """One connection's life, as the client sees it."""

    link: Link
    buffer: bytearray = field(default_factory=bytearray)
    followed: dict[str, Place] = field(default_factory=dict)
    asked: dict[str, Pending] = field(default_factory=dict)
    """Subscriptions from the URL, which have no id."""
    pending: dict[str, Pending] = field(default_factory=dict)
    is_greeted: bool = False
    is_closing: bool = False


class Client:
    """One client, across all its connections."""

    def __init__(self, world: "World", name: str, random: Random, wanted: list[str]) -> None:
        self.world = world
        self.name = name
        self.random = random
        self.wanted: dict[str, None] = dict.fromkeys(wanted)
        self.known: dict[str, Place] = {}
        """Its position per project, which outlives connections."""
        self.session: Session | None = None
        self.work: dict[str, Work] = {}
        """By command id: what is under way or waits to be repeated."""
        self.is_away = False
        self._ids = 0
        self._failures = 0
        self._subscribes_by_url = random.random() < 0.5

    # Connecting

    def connect(self) -> None:
        """Dial a node; the world answers with `opened` or `refused`."""
        if self.session is None and not self.is_away:
            self.world.dial(self)

    def refused(self) -> None:
        """Nobody took the connection."""
        self.reconnect_later()

    def reconnect_later(self, after_s: float = 0.0) -> None:
        """With backoff and full jitter."""
        self._failures += 1
        wait_s = after_s + self.random.uniform(0.01, min(1.0, 0.1 * 2 ** min(self._failures, 5)))
        self.world.loop.later(wait_s, self.connect)

    def url(self, session: Session) -> list[tuple[str, Json | None]]:
        """What the URL of the connection names: projects and positions."""
        named: list[tuple[str, Json | None]] = []
        if self._subscribes_by_url:
            for project in self.wanted:
                asked = self._resume(project)
                named.append((project, asked.get("since")))
                session.asked[project] = self._pending("subscribe", project, asked)
        return named

    def _resume(self, project: str) -> Json:
        place = self.known.get(project)
        return {} if place is None else {"since": {"epoch": place.epoch, "offset": place.offset}}

    def _pending(self, kind: str, project: str, asked: Json) -> Pending:
        return Pending(kind, project, asked, self.world.checker.end_of(project))

    # What arrives

    def received(self, link: Link, data: bytes) -> None:
        """Bytes of the node: split them into frames."""
        session = self.session
        if session is None or session.link is not link:
            return
        session.buffer += data
        taken = 0
        for opcode, is_compressed, payload, length in frames_in(bytes(session.buffer)):
            taken += length
            self.world.checker.counts["compressed"] += is_compressed
            self._frame(session, opcode, payload)
            if self.session is not session:
                return
        del session.buffer[:taken]

    def _frame(self, session: Session, opcode: int, payload: bytes) -> None:
        if opcode == 1:
            text = payload.decode()
            self.world.trace(f"{self.name} < {text}")
            self._message(session, json.loads(text), text)
        elif opcode == 9:
            session.link.send(b"\x8a\x80\0\0\0\0")
        elif opcode == 8:
            session.is_closing = True
            self.world.injected[f"close {int.from_bytes(payload[:2])}"] += 1
            session.link.send(b"\x88" + bytes((0x80 | len(payload),)) + b"\0\0\0\0" + payload)

    def _message(self, session: Session, message: Json, text: str) -> None:
        if "offset" in message and "epoch" not in message:
            self._publication(session, message, text)
            return
        kind = message.get("type", "")
        if "id" in message:
            self._reply(session, message)
        elif kind == "connected":
            self._greeted(session)
        elif kind == "subscription_confirmed":
            self._subscribed(session, session.asked.pop(message["project_id"]), message)
        elif kind == "subscription_reset":
            self._reset(session, message)
        elif kind == "error" and session.asked:
            self._url_subscription_failed(session, message)
        elif kind not in ("broadcast", "reconnect"):
            self.world.checker.violation(f"{self.name}: an unexpected message: {text[:120]}")

    def _publication(self, session: Session, message: Json, text: str) -> None:
        project = message["project_id"]
        place = session.followed.get(project)
        if place is None:
            self.world.checker.violation(f"{self.name}: a publication of {project}, which it does not follow")
            return
        self.world.checker.delivered(self.name, project, place.epoch, place.offset, message, text)
        place.offset = message["offset"]

    def _greeted(self, session: Session) -> None:
        session.is_greeted = True
        self._failures = 0
        for project in self.wanted:
            if project not in session.asked:
                self.subscribe(project, self._resume(project))
        for work in list(self.work.values()):
            self._send_work(work)

    def _url_subscription_failed(self, session: Session, message: Json) -> None:
        """An error without id: which of the URL's subscriptions it means is unknown, so start over."""
        self.world.checker.counts[f"error {message['code']}"] += 1
        self.leave()

    def _subscribed(self, session: Session, pending: Pending, message: Json) -> None:
        project = pending.project
        answer = Place(message["epoch"], message["offset"])
        followed = session.followed.get(project)
        if followed is not None:
            if followed != answer or not message["recovered"]:
                self.world.checker.violation(f"{self.name}: follows {project} at {followed}, confirmed {message}")
            return
        self.world.checker.started(self.name, project, pending.asked, pending.before, message)
        session.followed[project] = answer
        self.known[project] = answer

    def _reset(self, session: Session, message: Json) -> None:
        project = message["project_id"]
        place = session.followed.get(project)
        if place is None:
            self.world.checker.violation(f"{self.name}: a reset of {project}, which it does not follow")
            return
        self.world.checker.reset(self.name, project, (place.epoch, place.offset), message)
        place.epoch, place.offset = message["epoch"], message["offset"]

    def _reply(self, session: Session, message: Json) -> None:
        pending = session.pending.pop(message["id"], None)
        if pending is None:
            self.world.checker.violation(f"{self.name}: an answer to no question: {message}")
        elif message["type"] == "error":
            self._failed(pending, message)
        elif pending.kind == "subscribe":
            self._subscribed(session, pending, message)
        elif pending.kind == "unsubscribe":
            session.followed.pop(pending.project, None)
        elif pending.kind == "publish":
            self._published(self.work.pop(message["id"]), message)
        elif pending.kind == "forward":
            del self.work[message["id"]]
            self.world.forward_confirmed(self.name, pending.asked, message)
        elif pending.kind == "history":
            texts = [self._as_text(item) for item in message["messages"]]
            after = pending.asked["after"]
            self.world.checker.page(self.name, pending.project, after, pending.before, message, texts)

    @staticmethod
    def _as_text(item: Json) -> str:
        return json.dumps(item, separators=(",", ":"))

    def _published(self, work: Work, message: Json) -> None:
        if work.is_conflict_wanted and not self.world.checker.has_jumped_lately():
            self.world.checker.violation(f"{self.name}: a second body under the same key was confirmed: {message}")
        else:
            self.world.checker.confirmed(work.uid, message["epoch"], message["offset"])

    def _failed(self, pending: Pending, message: Json) -> None:
        self.world.checker.counts[f"error {message['code']}"] += 1
        if pending.kind == "subscribe":
            self.world.loop.later(self.random.uniform(0.05, 0.5), self._subscribe_again, pending.project)
        elif pending.kind in ("publish", "forward"):
            work = self.work[message["id"]]
            if message["retryable"] and work.is_repeated:
                self.world.loop.later(self.random.uniform(0.05, 1.0), self._send_work, work)
                return
            del self.work[message["id"]]
            if not message["retryable"] and not (message["code"] == "conflict" and work.is_conflict_wanted):
                self.world.checker.violation(f"{self.name}: refused for good: {message}")

    def _subscribe_again(self, project: str) -> None:
        if self.session is not None and project in self.wanted and project not in self.session.followed:
            self.subscribe(project, self._resume(project))

    # What it asks

    def command(self, kind: str, project: str, asked: Json, command: Json, command_id: str = "") -> None:
        """Send one command and remember what was asked."""
        session = self.session
        if session is None or not session.is_greeted or session.is_closing:
            return
        if not command_id:
            self._ids += 1
            command_id = f"{self.name}-{self._ids}"
        session.pending[command_id] = self._pending(kind, project, asked)
        text = json.dumps({"action": kind, "id": command_id, **command}, separators=(",", ":"))
        self.world.trace(f"{self.name} > {text}")
        session.link.send(text_frame(text))

    def subscribe(self, project: str, asked: Json) -> None:
        """Follow a project, from where `asked` says."""
        self.wanted[project] = None
        self.command("subscribe", project, asked, {"project_id": project, **asked})

    def unsubscribe(self, project: str) -> None:
        """Stop following."""
        self.wanted.pop(project, None)
        self.known.pop(project, None)
        self.command("unsubscribe", project, {}, {"project_id": project})

    def history(self, project: str, after: int, limit: int) -> None:
        """Read a page."""
        command = {"project_id": project, "after": after, "limit": limit}
        self.command("history", project, {"after": after}, command)

    def publish(self, project: str, body: str, uid: str, key: str, *, conflicts: bool = False) -> None:
        """Publish; with a key until it is confirmed, without one once."""
        command: Json = {"project_id": project, "message": json.loads(body)}
        if key:
            command["key"] = key
        self._begin(Work("publish", command, uid, bool(key) and not conflicts, is_conflict_wanted=conflicts))

    def forward(self, agent: str, project: str | None, data: Json, message_id: str) -> None:
        """Hand work to an agent until it is confirmed."""
        command: Json = {"type": agent, "data": data, "message_id": message_id}
        if project is not None:
            command["project_id"] = project
        self._begin(Work("forward", command, message_id))

    def _begin(self, work: Work) -> None:
        session = self.session
        is_up = session is not None and session.is_greeted and not session.is_closing
        if not is_up and not work.is_repeated:
            return
        self._ids += 1
        command_id = f"{self.name}-{self._ids}"
        self.work[command_id] = work
        work.command["id"] = command_id
        self._send_work(work)

    def _send_work(self, work: Work) -> None:
        session, command_id = self.session, work.command["id"]
        if session is None or work.command["id"] not in self.work or command_id in session.pending:
            return
        self.command(work.kind, work.command.get("project_id", ""), work.command, work.command, command_id)

    # Endings

    def lost(self, link: Link) -> None:
        """The connection is gone: what had no answer is repeated on the next one, if it may be."""
        session = self.session
        if session is None or session.link is not link:
            return
        self._forget(session)
        self.reconnect_later()

    def leave(self) -> None:
        """Break the connection and come back."""
        session = self.session
        if session is not None:
            session.link.end(told_s=session.link.latency_s)

    def _forget(self, session: Session) -> None:
        self.session = None
        self.world.trace(f"{self.name} lost its connection")
        for command_id, work in list(self.work.items()):
            if not work.is_repeated:
                del self.work[command_id]

    def level_fault(self, ends: dict[str, End]) -> str | None:
        """What it still misses of where the logs ended, or None when it has everything."""
        session = self.session
        if session is None:
            return f"{self.name} is not connected"
        for project in self.wanted:
            place, end = session.followed.get(project), ends[project]
            if place is None:
                return f"{self.name} does not follow {project}"
            if end.epoch is not None and (place.epoch != end.epoch or place.offset < end.head):
                return f"{self.name} is at {place.epoch}:{place.offset} of {project}, the log at {end.epoch}:{end.head}"
        return None
