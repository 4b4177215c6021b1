"""Clients of a cluster. They follow, publish and come back with their positions, to whichever node takes them."""

import json
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.cluster_truth import Have, Log
from tests.simulation.dialing import Credential, Wish, answer_in, request
from tests.simulation.identities import Token
from tests.simulation.network import Link, frames_in
from tests.support.frames import text_frame

if TYPE_CHECKING:
    from tests.simulation.cluster_world import ClusterWorld
    from tests.simulation.node import Process

Json = dict[str, Any]
LATENCIES_S = (0.001, 0.01, 0.05)
TRY_AGAIN_S = 1.0


class NoWatch:
    """Nobody watches the sockets of these schedules: the other ones do."""

    def wrote(self, data: bytes, *, is_over_mark: bool) -> None:
        """See `Watcher`."""

    def unsent(self, data: bytes) -> None:
        """See `Watcher`."""

    def overtook(self) -> None:
        """See `Watcher`."""

    def ended(self) -> None:
        """See `Watcher`."""


class ClusterClient:
    """One client, over all its connections."""

    def __init__(self, world: "ClusterWorld", name: str, user: str, wanted: tuple[str, ...]) -> None:
        self.world = world
        self.name = name
        self.user = user
        self.wanted = wanted
        self.random = Random(f"{world.scenario.seed} {name}")
        self.have: dict[str, Have] = {}
        """What it has of each project, over all its connections."""
        self.token: Token = world.identities.issue(user)
        self.link: Link | None = None
        self.process: Process | None = None
        self.connection_id = ""
        """Empty until it is greeted."""
        self.followed: dict[str, None] = {}
        """What it follows over the present connection."""
        self.unanswered: dict[str, tuple[str, str, str]] = {}
        """What it wants to publish until it is confirmed: uid to project, body and key."""
        self.broadcasts: list[int] = []
        """The numbers of the broadcasts that it got over the present connection."""
        self._asked: dict[str, tuple[str, str]] = {}
        """The commands of this connection without an answer: id to kind, and project or uid."""
        self._ids = 0
        self._failures = 0
        self._is_open = False
        self._buffer = bytearray()

    # Connecting

    def connect(self) -> None:
        """Connect to a node, if there is one."""
        nodes = self.world.balancer.reachable(self.random)
        if self.link is not None:
            return
        if not nodes:
            self._come_back()
            return
        process = self.random.choice(nodes)
        latency_s = self.random.choice(LATENCIES_S)
        self.link = link = Link(self.world.loop, process, self, "10.0.0.1", latency_s, 65_536)
        link.watcher = self.world.no_watch
        self.process, self._is_open, self.connection_id = process, False, ""
        self._buffer.clear()
        self.followed.clear()
        self.broadcasts.clear()
        process.accept(link)
        credential = Credential("header", self.token)
        link.send(request(Wish(credential=credential), None))

    def _come_back(self, after_s: float = 0.0) -> None:
        self._failures += 1
        self.world.loop.later(after_s + self.random.uniform(0.01, min(1.0, 0.05 * 2**self._failures)), self.connect)

    def lost(self, link: Link) -> None:
        """The connection is gone."""
        if link is not self.link:
            return
        self.link, self.process = None, None
        self.world.trace(f"{self.name} lost its connection")
        asked, self._asked = self._asked, {}
        for kind, what in asked.values():
            if kind == "publish":
                self._publish_later(what)
        self._come_back()

    def leave(self) -> None:
        """Break the connection."""
        if self.link is not None:
            self.link.cut(told_s=self.random.choice((0.0, 0.2)))

    # What arrives

    def received(self, link: Link, data: bytes) -> None:
        """Bytes of the node arrive."""
        if link is not self.link:
            return
        self._buffer += data
        if not self._is_open and not self._is_answered():
            return
        taken = 0
        for opcode, _is_compressed, payload, length in frames_in(bytes(self._buffer)):
            taken += length
            if opcode == 1:
                self._message(payload.decode())
            elif opcode == 8:
                self._closed(link, payload)
            elif opcode == 9:
                link.send(b"\x8a\x80\0\0\0\0")
        del self._buffer[:taken]

    def _is_answered(self) -> bool:
        answer = answer_in(bytes(self._buffer))
        if answer is None:
            return False
        if answer.code:
            self.world.truth.counts[f"refused {answer.code}"] += 1
            if answer.code == "unauthorized":
                self.world.rules.refused(self)
            return False
        self._is_open = True
        self._buffer[:] = answer.rest
        return True

    def _closed(self, link: Link, payload: bytes) -> None:
        code = int.from_bytes(payload[:2])
        self.world.truth.counts[f"close {code}"] += 1
        self.world.rules.closed(self, code)
        link.send(b"\x88" + bytes((0x80 | len(payload),)) + b"\0\0\0\0" + payload)

    def _message(self, text: str) -> None:
        self.world.trace(f"{self.name} < {text}")
        message: Json = json.loads(text)
        kind = message.get("type", "")
        if "id" in message:
            self._answered(message)
        elif "offset" in message and "epoch" not in message:
            self._publication(message, text)
        elif kind == "connected":
            self.connection_id = message["connection_id"]
            self.world.rules.arrived(self)
            for project in self.wanted:
                self._subscribe(project)
            for uid in self.unanswered:
                self._publish(uid)
        elif kind == "subscription_reset":
            self.world.truth.counts["resets"] += 1
            self.have[message["project_id"]] = Have(message["epoch"], message["offset"])
        elif kind == "broadcast":
            self.world.rules.broadcast(self, message["number"])

    def _publication(self, message: Json, text: str) -> None:
        project = message["project_id"]
        if project not in self.followed:
            self.world.truth.violation(f"{self.name}: a publication of {project}, which it does not follow")
            return
        have = self.have[project]
        self.world.truth.delivered(self.name, project, have, message, text)
        have.took(message["offset"], text)

    def _answered(self, message: Json) -> None:
        asked = self._asked.pop(message["id"], None)
        if asked is None:
            self.world.truth.violation(f"{self.name}: an answer to no question: {message}")
            return
        kind, what = asked
        if message["type"] == "error":
            self.world.truth.counts[f"error {message['code']}"] += 1
            if not message["retryable"]:
                self.world.truth.violation(f"{self.name}: refused for good: {message}")
            elif kind == "publish":
                self._publish_later(what)
            else:
                self.world.loop.later(self.random.uniform(0.05, 0.5), self._subscribe, what)
        elif kind == "publish":
            self.unanswered.pop(what, None)
            self.world.truth.confirmed(what, message["epoch"], message["offset"])
        else:
            self._failures = 0
            self._followed(what, message)

    def _followed(self, project: str, message: Json) -> None:
        have, counts = self.have.get(project), self.world.truth.counts
        self.followed[project] = None
        if have is not None and message["recovered"]:
            counts["recovered"] += 1
            is_same = message["epoch"] == have.epoch
            if message["offset"] != have.offset or (have.offset and not is_same):
                self.world.truth.violation(f"{self.name}: had {have.epoch}:{have.offset}, recovered {message}")
            if is_same:
                return
        elif have is not None:
            counts["not recovered"] += 1
        self.have[project] = Have(message["epoch"], message["offset"])

    # What it asks

    def _ask(self, kind: str, what: str, command: Json) -> None:
        if self.link is None or not self.connection_id:
            return
        self._ids += 1
        command_id = f"{self.name}-{self._ids}"
        self._asked[command_id] = (kind, what)
        text = json.dumps({"action": kind, "id": command_id, **command}, separators=(",", ":"))
        self.world.trace(f"{self.name} > {text}")
        self.link.send(text_frame(text))

    def _subscribe(self, project: str) -> None:
        have = self.have.get(project)
        since = {} if have is None else {"since": {"epoch": have.epoch, "offset": have.offset}}
        if project not in self.followed and ("subscribe", project) not in self._asked.values():
            self._ask("subscribe", project, {"project_id": project, **since})

    def publish(self, uid: str, project: str, body: str, key: str) -> None:
        """Publish; with a key until it is confirmed, else once."""
        self.unanswered[uid] = (project, body, key)
        self._publish(uid)
        if not key:
            del self.unanswered[uid]

    def _publish(self, uid: str) -> None:
        if uid in self.unanswered and ("publish", uid) not in self._asked.values():
            project, body, key = self.unanswered[uid]
            self._ask(
                "publish", uid, {"project_id": project, "message": json.loads(body), **({"key": key} if key else {})}
            )

    def _publish_later(self, uid: str) -> None:
        if uid in self.unanswered:
            self.world.loop.later(self.random.uniform(0.1, TRY_AGAIN_S), self._publish, uid)

    # The end

    def level_fault(self, logs: dict[str, Log | None]) -> str | None:
        """What it still lacks; None if it has everything."""
        if self.link is None or not self.connection_id:
            return f"{self.name} is not connected"
        for project in self.wanted:
            have, log = self.have.get(project), logs[project]
            if have is None or project not in self.followed:
                return f"{self.name} does not follow {project}"
            if log is not None and (have.epoch, have.offset) != (log.epoch, log.head):
                return f"{self.name} is at {have.epoch}:{have.offset} of {project}, the log at {log.epoch}:{log.head}"
        if self.unanswered:
            return f"{self.name} was never confirmed: {list(self.unanswered)[:3]}"
        return None
