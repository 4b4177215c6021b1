"""Clients as spec/protocol.md describes them. They keep a position per project, resume with it, and repeat under the
same key what got no answer. The checker is told everything that they receive."""

import json
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.checker import End
from tests.simulation.chores import Chores
from tests.simulation.dialing import Wish, answer_in
from tests.simulation.fold_rules import asks_for_folding
from tests.simulation.network import Link, frames_in
from tests.simulation.passports import Passport
from tests.simulation.sessions import Json, Pending, Place, Session
from tests.support.frames import text_frame

if TYPE_CHECKING:
    from tests.simulation.node import Process
    from tests.simulation.world import World

PUSHES = ("broadcast", "reconnect", "token_expiring")


class Client:
    """One client, over all its connections."""

    def __init__(self, world: "World", name: str, random: Random, wanted: list[str], user: str, address: str) -> None:
        self.world = world
        self.name = name
        self.random = random
        self.passport = Passport(self, user, address)
        self.wanted: dict[str, None] = dict.fromkeys(wanted)
        self.known: dict[str, Place] = {}
        """Its position in each project, kept over all its connections."""
        self.session: Session | None = None
        self.chores = Chores(self)
        self.is_away = False
        self._ids = 0
        self._failures = 0
        self._is_dialing = False
        self._subscribes_by_url = random.random() < 0.5
        self.folds = asks_for_folding(world.scenario.seed, name)
        """True if it asks for joined deltas."""

    # Connecting

    def connect(self) -> None:
        """Dial a node; the world answers with `reached` or `refused`."""
        if self.session is None and not self.is_away and not self._is_dialing:
            self._is_dialing = True
            self.world.balancer.dial(self)

    def reached(self, process: "Process") -> None:
        """The load balancer found a node: get the token or the ticket for it, and knock."""
        self.passport.present(process, self.knock, self.refused)

    def knock(self, process: "Process", wish: Wish) -> None:
        """Open a socket and send the handshake."""
        self._is_dialing = False
        if self.session is not None or self.is_away or not process.is_listening:
            self.reconnect_later()
            return
        link, arrival = self.world.balancer.knock(self, process, self.passport.address, wish)
        self.session = session = Session(link, arrival)
        if self.world.scenario.door.has_tokens:
            session.holder, session.holders = wish.credential.token, []
            if wish.credential.token is not None:
                session.holders.append(wish.credential.token)
        named = self._named(session)
        compressing = self._offers_compression()
        own = Wish(named, wish.credential, wish.origin, compressing, folds=self.folds)
        self.world.balancer.send(link, arrival, own)

    def _offers_compression(self) -> bool:
        return self.world.scenario.has_compression and self.random.random() < 0.5

    def _named(self, session: Session) -> list[tuple[str, Json | None]]:
        """The projects and positions in the URL. A client mostly knows what it may follow."""
        if not self._subscribes_by_url:
            return []
        named: list[tuple[str, Json | None]] = []
        for project in self.wanted:
            if session.holder is None or session.holder.allows("subscribe", project) or self.random.random() < 0.05:
                asked = self._resume(project)
                named.append((project, asked.get("since")))
                session.asked[project] = self._pending("subscribe", project, asked)
        return named

    def refused(self) -> None:
        """No node took the connection."""
        self._is_dialing = False
        self.reconnect_later()

    def reconnect_later(self, after_s: float = 0.0) -> None:
        """Connect again after a backoff with full jitter."""
        self._failures += 1
        wait_s = after_s + self.random.uniform(0.01, min(1.0, 0.1 * 2 ** min(self._failures, 5)))
        self.world.loop.later(wait_s, self.connect)

    def _resume(self, project: str) -> Json:
        place = self.known.get(project)
        return {} if place is None else {"since": {"epoch": place.epoch, "offset": place.offset}}

    def _pending(self, kind: str, project: str, asked: Json) -> Pending:
        assert self.session is not None
        holders = tuple(self.session.holders)
        return Pending(kind, project, asked, self.world.checker.end_of(project), holders)

    # What arrives

    def received(self, link: Link, data: bytes) -> None:
        """Bytes from the node arrive: the answer to the handshake, then frames."""
        session = self.session
        if session is None or session.link is not link:
            return
        session.buffer += data
        if not session.is_open and not self._is_answered(session):
            return
        taken = 0
        for opcode, is_compressed, payload, length in frames_in(bytes(session.buffer)):
            taken += length
            self.world.checker.counts["compressed"] += is_compressed
            self._frame(session, opcode, payload)
            if self.session is not session:
                return
        del session.buffer[:taken]

    def _is_answered(self, session: Session) -> bool:
        """Read the answer to the handshake. Returns True if frames may follow."""
        answer = answer_in(bytes(session.buffer))
        if answer is None:
            return False
        self.world.trace(f"{self.name} is answered {answer.code or 'welcome'}")
        if answer.code:
            self.passport.refused(answer.code)
            return False
        session.is_open = True
        session.buffer[:] = answer.rest
        return True

    def _frame(self, session: Session, opcode: int, payload: bytes) -> None:
        if opcode == 1:
            text = payload.decode()
            self.world.trace(f"{self.name} < {text}")
            self._message(session, json.loads(text), text)
        elif opcode == 9:
            session.link.send(b"\x8a\x80\0\0\0\0")
        elif opcode == 8:
            session.is_closing = True
            session.close_code = int.from_bytes(payload[:2])
            self.world.injected[f"close {session.close_code}"] += 1
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
        elif kind == "unsubscription_confirmed":
            self._let_go(session, message["project_id"])
        elif kind == "error" and session.asked:
            self._url_subscription_failed(message)
        elif kind not in PUSHES:
            self.violation(f"an unexpected message: {text[:120]}")
        elif kind == "reconnect":
            session.after_s = message["after_ms"] / 1000
        elif kind == "token_expiring":
            self.passport.expiring()

    def violation(self, text: str) -> None:
        """A promise was broken."""
        self.world.checker.violation(f"{self.name}: {text}")

    def _publication(self, session: Session, message: Json, text: str) -> None:
        project = message["project_id"]
        place = session.followed.get(project)
        if place is None:
            self.violation(f"a publication of {project}, which it does not follow")
            return
        if session.holder is None or not session.holder.allows("subscribe", project):
            self.violation(f"a publication of {project}, which {session.holder} does not allow")
        at = (place.epoch, place.offset)
        self.world.checker.delivered(self.name, project, at, message, text, folds=self.folds)
        place.offset = message["offset"]

    def _greeted(self, session: Session) -> None:
        if session.holder is None:
            self.passport.authenticate()
        else:
            self._ready(session)

    def _ready(self, session: Session) -> None:
        """From now on the client may send any command."""
        session.is_ready = True
        self._failures = 0
        self.passport.arrived()
        for project in self.wanted:
            if project not in session.asked:
                self.subscribe(project, self._resume(project))
        self.chores.go_on()

    def _url_subscription_failed(self, message: Json) -> None:
        """An error without an id: it is unknown which of the URL's subscriptions it means, so connect again."""
        self.world.checker.counts[f"error {message['code']}"] += 1
        self.leave()

    def _subscribed(self, session: Session, pending: Pending, message: Json) -> None:
        project = pending.project
        answer = Place(message["epoch"], message["offset"])
        followed = session.followed.get(project)
        if followed is not None:
            if followed != answer or not message["recovered"]:
                self.violation(f"follows {project} at {followed}, confirmed {message}")
            return
        self.world.checker.started(self.name, project, pending.asked, pending.before, message)
        session.followed[project] = answer
        self.known[project] = answer

    def _reset(self, session: Session, message: Json) -> None:
        project = message["project_id"]
        place = session.followed.get(project)
        if place is None:
            self.violation(f"a reset of {project}, which it does not follow")
            return
        self.world.checker.reset(self.name, project, (place.epoch, place.offset), message)
        place.epoch, place.offset = message["epoch"], message["offset"]

    def _let_go(self, session: Session, project: str) -> None:
        """The node ends a subscription. Only a new token is a reason for that."""
        if session.holder is not None and session.holder.allows("subscribe", project):
            self.violation(f"{project} was taken from it, which {session.holder} allows")
        session.followed.pop(project, None)

    def _reply(self, session: Session, message: Json) -> None:
        pending = session.pending.pop(message["id"], None)
        if pending is None:
            self.violation(f"an answer to no question: {message}")
            return
        code = message["code"] if message["type"] == "error" else None
        if (fault := pending.fault_of(code)) is not None:
            self.violation(fault)
        if code is not None:
            self._failed(session, pending, message)
        elif pending.kind == "subscribe":
            self._subscribed(session, pending, message)
        elif pending.kind == "unsubscribe":
            session.followed.pop(pending.project, None)
        elif pending.kind == "publish":
            self.chores.published(message)
        elif pending.kind == "forward":
            self.chores.forwarded(pending, message)
        elif pending.kind == "history":
            after = pending.asked["after"]
            self.world.checker.page(self.name, pending.project, after, pending.before, message, folds=self.folds)
        elif pending.kind == "authenticate":
            self._authenticated(session, pending)

    def _authenticated(self, session: Session, pending: Pending) -> None:
        assert pending.token is not None
        if pending.is_foreign:
            self.violation(f"took the token of another user: {pending.token}")
        session.holder, session.holders = pending.token, [pending.token]
        if not session.is_ready:
            self._ready(session)
            return
        for project in self.wanted:
            if project not in session.followed and pending.token.allows("subscribe", project):
                self.subscribe(project, self._resume(project))
        self.passport.arrived()

    def _failed(self, session: Session, pending: Pending, message: Json) -> None:
        self.world.checker.counts[f"error {message['code']}"] += 1
        if pending.kind == "authenticate":
            self.passport.authentication_failed(session, pending, message["code"])
        elif pending.kind == "subscribe":
            if message["retryable"]:
                self.world.loop.later(self.random.uniform(0.05, 0.5), self._subscribe_again, pending.project)
        elif pending.kind in ("publish", "forward"):
            self.chores.failed(message)

    def _subscribe_again(self, project: str) -> None:
        if self.session is not None and project in self.wanted and project not in self.session.followed:
            self.subscribe(project, self._resume(project))

    # What it asks

    def command(self, kind: str, project: str, asked: Json, command: Json, command_id: str = "") -> Pending | None:
        """Send one command, and note what was asked. Returns None if it cannot be sent now."""
        session = self.session
        is_early = session is not None and not session.is_ready and kind != "authenticate"
        if session is None or not session.is_open or session.is_closing or is_early:
            return None
        if not command_id:
            command_id = self.new_id()
        session.pending[command_id] = pending = self._pending(kind, project, asked)
        text = json.dumps({"action": kind, "id": command_id, **command}, separators=(",", ":"))
        self.world.trace(f"{self.name} > {text}")
        session.link.send(text_frame(text))
        return pending

    def new_id(self) -> str:
        """A new id for a command."""
        self._ids += 1
        return f"{self.name}-{self._ids}"

    def subscribe(self, project: str, asked: Json) -> None:
        """Follow a project, from the position that `asked` gives."""
        self.wanted[project] = None
        self.command("subscribe", project, asked, {"project_id": project, **asked, **self._fold()})

    def _fold(self) -> Json:
        return {"fold": True} if self.folds else {}

    def unsubscribe(self, project: str) -> None:
        """Stop following."""
        self.wanted.pop(project, None)
        self.known.pop(project, None)
        self.command("unsubscribe", project, {}, {"project_id": project})

    def history(self, project: str, after: int, limit: int) -> None:
        """Read a page."""
        command = {"project_id": project, "after": after, "limit": limit, **self._fold()}
        self.command("history", project, {"after": after}, command)

    # Endings

    def lost(self, link: Link) -> None:
        """The connection is gone. The next one repeats what had no answer, if it may be repeated."""
        session = self.session
        if session is None or session.link is not link:
            return
        self.session = None
        self.world.trace(f"{self.name} lost its connection")
        self.chores.interrupted()
        self.passport.closed(session.close_code)
        self.reconnect_later(session.after_s)

    def calm(self) -> None:
        """From now on the client reads as fast as it can, and has a token that does not end."""
        if self.session is not None:
            self.session.link.pace(speed=0.0, is_stalled=False)
        self.passport.calm()

    def leave(self) -> None:
        """Break the connection and come back."""
        if self.session is not None:
            self.session.link.cut(told_s=self.session.link.latency_s)

    def level_fault(self, ends: dict[str, End]) -> str | None:
        """What it still lacks, compared with the ends of the logs; None if it has everything."""
        session = self.session
        if session is None or not session.is_ready:
            return f"{self.name} is not connected"
        for project in self.wanted:
            place, end = session.followed.get(project), ends[project]
            if place is None:
                return f"{self.name} does not follow {project}"
            if end.epoch is not None and (place.epoch != end.epoch or place.offset < end.head):
                return f"{self.name} is at {place.epoch}:{place.offset} of {project}, the log at {end.epoch}:{end.head}"
        return None
