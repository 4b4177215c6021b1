"""Compares what clients see with what the servers held. It shares no code with the product: it reads the streams as
bytes and the clients' frames as JSON.

A publication is known by its offset and its text. One epoch and offset may have two texts only if a server lost the
first one. Whoever saw the first one must be told by a new epoch, before it sees anything that follows the other one.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec

from tests.support.valkey_model.keyspace import Command, Keyspace

VIOLATIONS_MAX: Final = 20
Place = tuple[str, int]
"""An epoch and an offset."""


@dataclass
class Log:
    """A project's log on one server at one moment."""

    epoch: str
    head: int
    texts: dict[int, str]


@dataclass
class Project:
    """What was ever seen of a project."""

    held: dict[Place, dict[str, None]] = field(default_factory=dict)
    """The texts that a primary ever had at a place."""
    before: dict[tuple[int, str], dict[str | None, None]] = field(default_factory=dict)
    """For each publication, the texts that a primary ever had right before it."""
    seen: dict[Place, dict[str, None]] = field(default_factory=dict)
    """The texts that a client or a publisher was told to be there."""
    lost: dict[Place, dict[str, None]] = field(default_factory=dict)
    """Those of `held` that a server lost."""
    parted: dict[Place, dict[str, None]] = field(default_factory=dict)
    """Those of `held` that came while two servers were primaries, each without what the other one took."""


@dataclass
class Intent:
    """What a publisher wants to publish."""

    project: str
    body: str
    key: str
    confirmed: list[Place] = field(default_factory=list)


class Truth:
    """Is told of everything that happens, and notes what should not have happened."""

    def __init__(self, time: Callable[[], float], *, may_lose: bool, may_forget: bool) -> None:
        """`may_lose` is true if servers may lose what they have confirmed; `may_forget` if a node that knew what was
        lost may be gone, too."""
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.projects: dict[str, Project] = {}
        self.intents: dict[str, Intent] = {}
        self.table: dict[str, Log | None] = {}
        """The logs of the projects in the table, if they are there."""
        self._time = time
        self._may_lose = may_lose
        self._may_forget = may_forget

    def violation(self, text: str) -> None:
        """A promise was broken."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(f"at {self._time():.3f}: {text}")

    def project(self, name: str) -> Project:
        """What is known of a project."""
        return self.projects.setdefault(name, Project())

    # Servers

    def changed(self, keys: Keyspace, change: Sequence[Command], *, is_split: bool) -> None:
        """A primary has made these changes. `is_split` is true while another server is a primary, too."""
        added = {command[1]: command for command in change if command[0] == b"XADD"}
        ends = [command for command in change if command[0] == b"HSET" and command[1].endswith(b":end")]
        for end in ends:
            project = _project_of(end[1])
            log = None if project is None else read_log(keys, project)
            if project is None or log is None:
                continue
            stream = added.get(end[1].removesuffix(b":end") + b":log")
            if stream is None:  # the log has got another epoch
                self._held(project, log, list(log.texts))
            else:
                offsets = [offset for offset, _text in _texts_of(stream[2], stream[3:])]
                self._held(project, log, offsets)
                self._check_once(project, log, offsets)
                if is_split:
                    self._part(project, log, offsets)

    def wrote(self, name: str, epoch: str, first: int, texts: Sequence[str]) -> None:
        """The table has taken a segment."""
        log = self.table.get(name)
        if log is None or log.epoch != epoch:
            log = self.table[name] = Log(epoch, 0, {})
        if first != log.head + 1:
            self.violation(f"{name} {epoch}:{first}: written, but the log ends at {log.epoch}:{log.head}")
        offsets = range(first, first + len(texts))
        log.texts.update(zip(offsets, texts, strict=True))
        log.head = offsets[-1]
        self._held(name, log, offsets)
        self._check_once(name, log, offsets)

    def _held(self, name: str, log: Log, offsets: Sequence[int]) -> None:
        project = self.project(name)
        for offset in offsets:
            text = log.texts[offset]
            project.held.setdefault((log.epoch, offset), {})[text] = None
            project.before.setdefault((offset, text), {})[log.texts.get(offset - 1)] = None

    def _part(self, name: str, log: Log, offsets: Sequence[int]) -> None:
        """One of two primaries has these, and the other one has not."""
        for offset in offsets:
            self.project(name).parted.setdefault((log.epoch, offset), {})[log.texts[offset]] = None

    def _check_once(self, name: str, log: Log, offsets: Sequence[int]) -> None:
        """A publication stands in a log once."""
        uids = Counter(uid_of(text) for text in log.texts.values())
        for offset in offsets:
            self.counts["publications"] += 1
            text = log.texts[offset]
            intent = self.intents.get(uid_of(text))
            place = f"{name} {log.epoch}:{offset}"
            if intent is None or intent.project != name:
                self.violation(f"{place}: nobody published this: {text[:80]}")
                continue
            expected = f'{intent.body[:-1]},"project_id":"{name}","offset":{offset},"published_at":'
            if not text.startswith(expected):
                self.violation(f"{place}: not what was published: {text[:120]}")
            if uids[uid_of(text)] > 1:
                self.violation(f"{place}: {text[:40]} stands in the log twice")

    def taken_over(self, before: Keyspace, after: Keyspace, names: Sequence[str]) -> None:
        """Clients saw the first state of a server, and see the second one from now on."""
        for name in names:
            old, new = read_log(before, name), read_log(after, name)
            if old is None:
                continue
            project = self.project(name)
            kept = {} if new is None else new.texts  # a log that got another epoch has kept its publications
            for offset, text in old.texts.items():
                if kept.get(offset) == text:
                    continue
                place = (old.epoch, offset)
                project.lost.setdefault(place, {})[text] = None
                self.counts["lost by a server"] += 1
                if text in project.seen.get(place, {}):
                    self.counts["lost after it was seen"] += 1
                    if not self._may_lose:
                        self.violation(
                            f"{name} {old.epoch}:{offset} was seen, and one failure has lost it: {text[:40]}"
                        )

    # Publishers and clients

    def intends(self, uid: str, project: str, body: str, key: str) -> None:
        """A publisher is about to publish."""
        self.intents[uid] = Intent(project, body, key)

    def confirmed(self, uid: str, epoch: str, offset: int) -> None:
        """A publisher was told that its publication has this place."""
        self.counts["confirmed"] += 1
        intent = self.intents[uid]
        texts = self.project(intent.project).held.get((epoch, offset), {})
        own = [text for text in texts if uid_of(text) == uid]
        if not own:
            self.violation(f"{uid} was confirmed at {epoch}:{offset}, which held {list(texts)[:2]}")
            return
        intent.confirmed.append((epoch, offset))
        if len(own) == 1:  # a second attempt has another time in it, and the answer does not tell which one it means
            self.saw(uid, intent.project, epoch, offset, own[0])

    def saw(self, who: str, name: str, epoch: str, offset: int, text: str) -> None:
        """Somebody was told that this stands there."""
        project, place = self.project(name), (epoch, offset)
        if text not in project.held.get(place, {}):
            self.violation(f"{who}: saw {name} {epoch}:{offset}, which no server held: {text[:80]}")
        seen = project.seen.setdefault(place, {})
        seen[text] = None
        if len(seen) > 1 and not self._may_lose:
            self.violation(f"{who}: {name} {epoch}:{offset} has two payloads: {[each[:20] for each in seen]}")

    def delivered(self, who: str, name: str, have: "Have", message: dict[str, Any], text: str) -> None:
        """A subscriber got a publication; `have` is what it had before."""
        self.counts["deliveries"] += 1
        offset = message["offset"]
        if offset != have.offset + 1:
            self.violation(f"{who}: {name} {have.epoch}:{offset} follows {have.offset}")
        self.saw(who, name, have.epoch, offset, text)
        last = have.texts.get(have.offset)
        is_next = last is None or last in self.project(name).before.get((offset, text), {})
        if not is_next and last is not None and not self._is_lost(name, have.epoch, have.offset, last):
            self.violation(
                f"{who}: {name} {have.epoch}:{offset} is {text[:20]}, which never followed {last[:20]}, which it saw"
            )
        if message["u"] in have.uids and not self._was_lost_from(name, have, message["u"]):
            self.violation(f"{who}: {name} {have.epoch}:{offset} is {message['u']}, which it has already")

    def _was_lost_from(self, name: str, have: "Have", uid: str) -> bool:
        """True if what the client has of a publication is lost: its publisher has sent it again to the other log."""
        places = [place for place, text in have.texts.items() if uid_of(text) == uid]
        return bool(places) and all(self._is_lost(name, have.epoch, place, have.texts[place]) for place in places)

    def _is_lost(self, name: str, epoch: str, offset: int, text: str) -> bool:
        """True if a server that was allowed to has lost this, or took it while another one was a primary, too. A node
        that has not seen it may learn that late, so a client that came to it is told late."""
        project, place = self.project(name), (epoch, offset)
        return self._may_lose and (text in project.lost.get(place, {}) or text in project.parted.get(place, {}))

    def at_the_end(self, who: str, name: str, have: "Have", log: Log | None) -> None:
        """Everybody is level: what a client saw in the present epoch is what the log holds."""
        if log is None or have.epoch != log.epoch:
            return
        for offset, text in have.texts.items():
            is_forgotten = self._may_forget and self._is_lost(name, have.epoch, offset, text)
            if log.texts.get(offset, text) != text and not is_forgotten:
                self.violation(
                    f"{who}: saw {text[:20]} at {name} {have.epoch}:{offset}, and was never told that it is gone"
                )

    def check_confirmed(self, logs: dict[str, Log | None]) -> None:
        """What was confirmed is in its log, unless a server lost it."""
        for uid, intent in self.intents.items():
            log, project = logs[intent.project], self.project(intent.project)
            found = log is not None and any(uid_of(text) == uid for text in log.texts.values())
            floor = 0 if log is None else min(log.texts, default=log.head + 1)
            if not intent.confirmed or found or any(offset < floor for _epoch, offset in intent.confirmed):
                continue
            is_lost = any(uid_of(text) == uid for texts in project.lost.values() for text in texts)
            if not is_lost:
                self.violation(f"{uid} was confirmed at {intent.confirmed}, and is not in the log at the end")


@dataclass
class Have:
    """What a client has of a project in the epoch that it knows."""

    epoch: str
    offset: int
    texts: dict[int, str] = field(default_factory=dict)
    uids: set[str] = field(default_factory=set)

    def took(self, offset: int, text: str) -> None:
        """It got the next publication."""
        self.offset = offset
        self.texts[offset] = text
        self.uids.add(uid_of(text))


def read_log(keys: Keyspace, project: str) -> Log | None:
    """The log of a project as a server has it; None if it has none."""
    found = keys.log_at(b"ws:{%b}:end" % project.encode())
    if found is None:
        return None
    end, stream = found
    texts: dict[int, str] = {}
    for entry, fields in stream.fields.items():
        texts.update(_texts_of(b"%d-%d" % entry, fields))
    return Log(end[b"e"].decode(), int(end[b"h"]), texts)


@lru_cache(4096)
def uid_of(text: str) -> str:
    """The id that the publisher gave to its publication."""
    uid: str = json.loads(text)["u"]
    return uid


def _texts_of(entry: bytes, fields: Sequence[bytes]) -> Sequence[tuple[int, str]]:
    """The publications of a segment, with their offsets."""
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    return _decoded(entry, values[b"f"], values[b"d"])


@lru_cache(4096)
def _decoded(entry: bytes, first_text: bytes, data: bytes) -> Sequence[tuple[int, str]]:
    stored: list[list[Any]] = msgspec.msgpack.decode(data)
    first = int(first_text)
    assert first + len(stored) - 1 == int(entry.partition(b"-")[0]), "an entry is named after its last offset"
    texts: list[tuple[int, str]] = []
    for offset, (head, behind, *_rest) in enumerate(stored, first):
        text = head if behind is None else b"%b%d%b" % (head, offset, behind)
        texts.append((offset, text.decode()))
    return texts


def _project_of(end: bytes) -> str | None:
    """The project of a log's end; None for the logs that nodes write for each other."""
    name = end.decode().removeprefix("ws:{").partition("}")[0]
    return None if name.startswith("~") else name
