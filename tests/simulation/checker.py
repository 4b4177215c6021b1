"""Compares the promises of design.md section 8 with what really happened. It shares no code with the product: it reads
the table's items as bytes and the clients' frames as JSON, and keeps simple lists."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.fold_rules import FoldRules, uid_in
from tests.simulation.order_rules import OrderRules

KEY_WINDOW_S = 300.0
VIOLATIONS_MAX = 20


@dataclass(slots=True)
class Intent:
    """What a publisher wants to publish: one body, under one key or without one."""

    uid: str
    project: str
    body: str
    key: str
    wanted_at: float
    landed: list[tuple[str, int, float]] = field(default_factory=list)


@dataclass(slots=True)
class Truth:
    """What the store holds of one project. `live` has (epoch, first, last, expiry) for each segment, oldest first."""

    payloads: dict[tuple[str, int], str] = field(default_factory=dict)
    live: list[tuple[str, int, int, float]] = field(default_factory=list)
    epochs: list[str] = field(default_factory=list)
    end: tuple[int, float, "End"] | None = None
    """The last answer to `end_of`: for how many segments it holds, and until when."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a project's log: offsets `floor + 1` to `head` of `epoch` can be read. Without an epoch, none can."""

    epoch: str | None
    floor: int
    head: int


class Checker:
    """Is told of everything that happens, and notes what should not have happened."""

    def __init__(self, wall: Callable[[], float], time: Callable[[], float], ring_messages: int | None) -> None:
        self._wall = wall
        self._time = time
        self._ring_messages = ring_messages
        self.violations: list[str] = []
        self.truths: dict[str, Truth] = {}
        self.intents: dict[str, Intent] = {}
        self.jumps: list[float] = []
        self.counts: Counter[str] = Counter()
        self.order = OrderRules(self.violation, time, self.counts)
        self.folding = FoldRules(self.violation, self.counts)
        self._keys: dict[tuple[str, str], list[tuple[float, str, float]]] = {}

    def violation(self, text: str) -> None:
        """A promise was broken."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(f"at {self._time():.3f}: {text}")

    # The store

    def truth(self, project: str) -> Truth:
        """What the store holds of a project; it is made at the first call."""
        return self.truths.setdefault(project, Truth())

    def end_of(self, project: str) -> End:
        """The end of a project's log at this moment."""
        truth, wall = self.truth(project), self._wall()
        if truth.end is not None and truth.end[0] == len(truth.live) and wall < truth.end[1]:
            return truth.end[2]
        live = [segment for segment in truth.live if segment[3] > wall]
        end = self._end_of(live)
        if len(live) == len(truth.live):
            truth.end = (len(live), min((segment[3] for segment in live), default=float("inf")), end)
        return end

    def _end_of(self, live: list[tuple[str, int, int, float]]) -> End:
        if not live:
            return End(None, 0, 0)
        epoch, first, head, _ = live[-1]
        for segment in reversed(live[:-1]):
            if segment[0] != epoch or segment[2] + 1 != first:
                break
            first = segment[1]
        floor = first - 1
        if self._ring_messages is not None:
            floor = max(floor, head - self._ring_messages)
        return End(epoch, floor, head)

    def committed(self, project: str, epoch: str, first: int, expiry: float, records: list[tuple[bytes, str]]) -> None:
        """The store took a segment."""
        end, truth = self.end_of(project), self.truth(project)
        place = f"{project} {epoch}:{first}"
        if end.epoch is None:
            if epoch in truth.epochs:
                self.violation(f"{place}: the epoch of a lost log is used again")
            if first != 1:
                self.violation(f"{place}: a new log begins at {first}")
        elif (epoch, first) != (end.epoch, end.head + 1):
            self.violation(f"{place}: written, but the log ends at {end.epoch}:{end.head}")
        if epoch not in truth.epochs:
            truth.epochs.append(epoch)
        truth.live.append((epoch, first, first + len(records) - 1, expiry))
        for offset, (payload, key) in enumerate(records, first):
            self._landed(project, epoch, offset, payload, key)
        self.counts["segments"] += 1

    def _landed(self, project: str, epoch: str, offset: int, payload: bytes, key: str) -> None:
        text = payload.decode()
        if (epoch, offset) in self.truth(project).payloads:
            self.violation(f"{project} {epoch}:{offset} was written twice")
        self.truth(project).payloads[epoch, offset] = text
        self.counts["publications"] += 1
        intent = self.intents.get(uid_in(json.loads(text)))
        if intent is None:
            self.violation(f"{project} {epoch}:{offset}: nobody published this: {text[:80]}")
            return
        expected = f'{intent.body[:-1]},"project_id":"{project}","offset":{offset},"published_at":'
        if intent.project != project or not text.startswith(expected) or not text[len(expected) : -1].isdigit():
            self.violation(f"{project} {epoch}:{offset}: not what was published: {text[:120]}")
        if intent.key != key:
            self.violation(f"{project} {epoch}:{offset}: stored under the key {key!r}, published with {intent.key!r}")
        now = self._time()
        if not key and intent.landed:
            self.violation(f"{project} {epoch}:{offset}: {intent.uid} was appended twice")
        intent.landed.append((epoch, offset, now))
        self.order.landed(project, json.loads(text))
        if key:
            self._keyed(project, epoch, intent, now)

    def _keyed(self, project: str, epoch: str, intent: Intent, now: float) -> None:
        """A key stands for one publication during its window, unless the clock jumped or the log was lost meanwhile.
        The age of a record is measured by the wall clock of its first attempt."""
        key = intent.key
        entries = self._keys.setdefault((project, key), [])
        for earlier, its_epoch, wanted_at in entries:
            is_jumped = any(wanted_at <= jump <= now for jump in self.jumps)
            if now - earlier < KEY_WINDOW_S - 1 and its_epoch == epoch and not is_jumped:
                self.violation(f"{project}: the key {key} landed twice, {now - earlier:.3f} s apart")
        entries.append((now, epoch, intent.wanted_at))

    def lost(self, project: str) -> None:
        """The store forgot the project (a memory store died)."""
        truth = self.truth(project)
        truth.live.clear()
        truth.end = None

    # Publishers

    def intends(self, uid: str, project: str, body: str, key: str) -> None:
        """A publisher is about to publish."""
        self.intents[uid] = Intent(uid, project, body, key, self._time())

    def confirmed(self, uid: str, epoch: str, offset: int) -> None:
        """A publisher was told that its publication has this position."""
        self.counts["confirmed"] += 1
        intent = self.intents[uid]
        payload = self.truth(intent.project).payloads.get((epoch, offset))
        if payload is None:
            self.violation(f"{uid} was confirmed at {epoch}:{offset}, which the store does not hold")
        elif uid_in(json.loads(payload)) != uid and not (intent.key and self._same_key(intent, payload)):
            self.violation(f"{uid} was confirmed at {epoch}:{offset}, which holds {payload[:80]}")

    def _same_key(self, intent: Intent, payload: str) -> bool:
        other = self.intents[uid_in(json.loads(payload))]
        return other.key == intent.key and other.body == intent.body

    def has_jumped_lately(self) -> bool:
        """True if the wall clock jumped or the log was lost a moment ago."""
        return any(self._time() - jump < 60 for jump in self.jumps)

    def deleted(self, uid: str) -> None:
        """A message was deleted from the updates queue."""
        intent = self.intents.get(uid)
        if intent is None:
            self.violation(f"an update that cannot be published was deleted: {uid}")
        elif not intent.landed:
            self.violation(f"the update {uid} was deleted before the store held it")

    # Subscribers

    def delivered(
        self, who: str, project: str, place: tuple[str, int], message: dict[str, Any], text: str, *, folds: bool = False
    ) -> None:
        """A subscriber got a publication; it was at `place` before."""
        self.counts["deliveries"] += 1
        epoch, last = place
        if self.folding.first_of(message) != last + 1:
            self.violation(f"{who}: {project} {epoch}:{message['offset']} follows {last}: {text[:80]}")
        self.exists(who, project, epoch, message["offset"], text, folds=folds)

    def exists(self, who: str, project: str, epoch: str, offset: int, text: str, *, folds: bool = False) -> None:
        """Somebody saw a publication, so the store must hold exactly this one by now; or all those that it joins."""
        if '"first_offset":' in text:
            self.folding.joined(f"{who}: {project}", epoch, self.truth(project).payloads, text, is_asked=folds)
            return
        payload = self.truth(project).payloads.get((epoch, offset))
        if payload is None:
            self.violation(f"{who}: saw {project} {epoch}:{offset}, which the store does not hold: {text[:80]}")
        elif payload != text:
            self.violation(f"{who}: saw {project} {epoch}:{offset} as {text[:80]}, the store has {payload[:80]}")

    def started(
        self,
        who: str,
        project: str,
        asked: dict[str, Any],
        before: End,
        answer: dict[str, Any],
    ) -> None:
        """A subscription was confirmed. `before` is the end of the log when the client asked for it."""
        now = self.end_of(project)
        epoch, offset = answer["epoch"], answer["offset"]
        place = f"{who}: {project} starts at {epoch}:{offset} recovered={answer['recovered']}, asked {asked}"
        since = asked.get("since")
        # As far as the node knew, nobody had written yet.
        is_unwritten = offset == 0 and (before.epoch is None or epoch not in self.truth(project).epochs)
        if epoch not in (now.epoch, before.epoch) and not is_unwritten:
            self.violation(f"{place}; the log is {now}")
            return
        if epoch == now.epoch and offset > now.head:
            self.violation(f"{place}; beyond the head {now}")
        if since is None:
            self._started_fresh(place, asked, before, now, answer)
        elif answer["recovered"]:
            self.counts["recovered"] += 1
            was_unwritten = since["offset"] == 0 and since["epoch"] not in self.truth(project).epochs
            if (epoch, offset) != (since["epoch"], since["offset"]) and not (was_unwritten and offset == 0):
                self.violation(f"{place}: recovered at another place")
            if offset < before.floor and epoch == before.epoch == now.epoch:
                self.violation(f"{place}: recovered, but the log reaches back to {before.floor} only")
        else:
            self.counts["not recovered"] += 1
            self._not_recovered(place, since, before, now, answer)

    def _started_fresh(self, place: str, asked: dict[str, Any], before: End, now: End, answer: dict[str, Any]) -> None:
        if not answer["recovered"]:
            self.violation(f"{place}: nothing was asked for, so nothing can be missing")
        if "rewind" in asked and answer["epoch"] == now.epoch:
            highest = max(now.floor, now.head - asked["rewind"])
            if not before.floor <= answer["offset"] <= highest:
                self.violation(f"{place}: should start in {before.floor}..{highest}")

    def _not_recovered(self, place: str, since: dict[str, Any], before: End, now: End, answer: dict[str, Any]) -> None:
        """`recovered: false` needs a reason: another epoch, a position beyond the head, or one that is no longer
        retained."""
        is_same = before.epoch == now.epoch == since["epoch"]
        if is_same and now.floor <= since["offset"] <= before.head:
            self.violation(f"{place}: could have been continued: {now}")
        if answer["epoch"] == before.epoch == now.epoch and not before.floor <= answer["offset"] <= now.floor:
            self.violation(f"{place}: what is retained begins after {now.floor}")

    def reset(self, who: str, project: str, had: tuple[str, int], answer: dict[str, Any]) -> None:
        """A subscription was told to continue at another position."""
        self.counts["resets"] += 1
        now = self.end_of(project)
        place = f"{who}: {project} was reset from {had[0]}:{had[1]} to {answer['epoch']}:{answer['offset']}"
        if had[0] == answer["epoch"] == now.epoch and had[1] >= now.floor:
            self.violation(f"{place} without need: {now}")
        if now.epoch not in (None, answer["epoch"]) and answer["offset"] != 0:
            self.violation(f"{place}: the log is {now}")
        if now.epoch == answer["epoch"] and answer["offset"] > now.floor:
            self.violation(f"{place}: what is retained begins after {now.floor}")

    def page(
        self, who: str, project: str, after: int, before: End, answer: dict[str, Any], *, folds: bool = False
    ) -> None:
        """A history page arrived."""
        self.counts["pages"] += 1
        messages = answer["messages"]
        now, last = self.end_of(project), answer["offset"]
        first = self.folding.first_of(messages[0]) - 1 if messages else last
        place = f"{who}: page of {project} after {after}: {first + 1}..{last} {answer['recovered']}"
        offset = first
        for message in messages:
            text = json.dumps(message, separators=(",", ":"))
            if self.folding.first_of(message) != offset + 1:
                self.violation(f"{place}: holds {text[:80]} behind {offset}")
            offset = message["offset"]
            self.exists(who, project, answer["epoch"], offset, text, folds=folds)
        if offset != last:
            self.violation(f"{place}: ends at {offset}")
        if answer["recovered"] and first != after:
            self.violation(f"{place}: does not continue")
        is_same = answer["epoch"] == before.epoch == now.epoch
        if not answer["recovered"] and is_same and now.floor <= after <= before.head:
            self.violation(f"{place}: could have been continued: {now}")
        if not answer["recovered"] and is_same and not before.floor <= first <= now.floor:
            self.violation(f"{place}: what is retained begins after {now.floor}")
