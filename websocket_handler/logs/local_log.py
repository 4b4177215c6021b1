"""A project's log as this node knows it. Nothing else on the node changes its epoch, its head and its floor; only a
store that keeps the log in this process appends to it, before it answers."""

from collections.abc import Sequence
from typing import Final

from websocket_handler.hub.epochs import begin_epoch
from websocket_handler.hub.keys import KeyWindow
from websocket_handler.hub.log import ProjectLog, Publication
from websocket_handler.hub.producers import Producers
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.observer import Observer
from websocket_handler.logs.page import Page, entries_after
from websocket_handler.logs.queue import Waiting, without_known
from websocket_handler.logs.spelling import has_field
from websocket_handler.ports.log_store import BEGUN_S, Segment, Tail, Unavailable
from websocket_handler.protocol.ordinal import MARK

AGAIN_S: Final = BEGUN_S / 4
"""How long an empty log stays without a word before the store is asked again to keep its epoch."""
TRUST_S: Final = 43_200.0
"""How long the epoch of an empty log is good without the store's word. A log that another node wrote under it outlives
this by far, so that it is found before its epoch could be used a second time."""
RUN_ID: Final = b'"runId"'
"""Stands in every event that an agent may publish too late."""


class LocalLog:
    """The newest entries of a log, its idempotency keys, and whom to tell what happens to it."""

    __slots__ = ("_agreed_at", "_engine", "_keys", "_observer", "log", "producers")

    def __init__(self, engine: Engine, observer: Observer) -> None:
        self.log = ProjectLog("", 0, engine.limits.log)
        """Epoch, head, floor, and the newest entries; another object after every opening."""
        self._keys = KeyWindow(engine.limits.key_count, engine.limits.key_seconds)
        """The idempotency keys of this epoch; another object after every opening."""
        self.producers = Producers(engine.limits.producers)
        """How far each producer's publications have come, whoever wrote them; it outlives an epoch."""
        self._engine = engine
        self._observer = observer
        self._agreed_at = 0.0
        """When the store said last that this empty log has this epoch, in monotonic seconds."""

    def adopt(self, tail: Tail) -> None:
        """Take over the log as the store has it: for the first time, or in place of another one."""
        engine, limits = self._engine, self._engine.limits
        if self.log.epoch:
            engine.counters.subscription_resets += 1
        first = tail.segments[0].first if tail.segments else tail.head + 1
        self.log = ProjectLog(tail.epoch or self.new_epoch(), first - 1, limits.log)
        self._agreed_at = engine.clock.monotonic() - (0.0 if tail.epoch else AGAIN_S)
        self._keys = KeyWindow(limits.key_count, limits.key_seconds)
        for segment in tail.segments:
            if entries := entries_after(segment, self.log.head):
                self._extend(entries)
        if tail.log is not None:
            self.read_in_place(tail.log)
        self.log.floor = tail.floor
        self._observer.replaced(self.log.position, self.log.beginning)

    def new_epoch(self) -> str:
        """An epoch that no log had before."""
        return begin_epoch(self._engine.clock.wall(), self._engine.new_id())

    # The epoch of an empty log

    @property
    def proposed_epoch(self) -> str:
        """The epoch that this node would like an empty log to have: the one that its clients know, if there is one."""
        return self.log.epoch if self.log.epoch and not self.log.head else self.new_epoch()

    def agree(self, epoch: str) -> None:
        """The store says under which epoch the empty log begins."""
        if self.log.head or self.log.epoch != epoch:
            self.adopt(Tail(epoch, 0, 0, ()))
        self._agreed_at = self._engine.clock.monotonic()

    @property
    def is_agreement_due(self) -> bool:
        """True if the store has to hear again that this empty log is open."""
        return self._engine.are_epochs_agreed and not self.log.head and self._silent_s >= AGAIN_S

    @property
    def _silent_s(self) -> float:
        return self._engine.clock.monotonic() - self._agreed_at

    def doubt(self) -> None:
        """Give an empty log another epoch if the store has not been heard for too long: another node may have written
        a log under this one, which is gone by now."""
        if self._silent_s >= TRUST_S:
            self.adopt(Tail(None, 0, 0, ()))

    def read_in_place(self, log: ProjectLog) -> None:
        """The store keeps this log in memory: read it there, unless it keeps more or less than this node has to."""
        if log.limits == self._engine.limits.log:
            self.log = log

    def take_in(self, entries: Sequence[Publication]) -> None:
        """These entries continue the log: note them, and tell the observer."""
        if entries:
            self._extend(entries)
            self._observer.appended(Page(self.log.epoch, entries[0].offset - 1, entries[-1].offset, entries))

    def _extend(self, entries: Sequence[Publication]) -> None:
        for entry in entries:
            if entry.key:
                self._note_key(entry)
        if entries[-1].offset > self.log.head:  # else the store has added them, and this is the same log
            self.log.extend(entries, self._engine.clock.wall())

    def _note_key(self, entry: Publication) -> None:
        self._keys.remember(entry.key, entry.digest, entry.offset, entry.published_at)
        if MARK in entry.key:
            self.producers.note(entry.key)

    def saw(self, tail: Tail | Unavailable) -> None:
        """Somebody looked at the store: the log may have lost its beginning."""
        if isinstance(tail, Tail) and tail.epoch == self.log.epoch:
            self.log.floor = max(self.log.floor, tail.floor)

    def goes_on_in(self, tail: Tail) -> bool:
        """True if what was read continues this log without a hole."""
        if tail.epoch is None and not self.log.head:
            return True  # our epoch is in the store only after our first write
        is_continued = not tail.segments or tail.segments[0].first <= self.log.head + 1
        return tail.epoch == self.log.epoch and tail.floor <= self.log.head and is_continued

    # What will be written

    def has_key(self, key: str) -> bool:
        """True if the log holds a publication with this idempotency key, as long as keys are remembered."""
        return self._keys.holds(key, self._engine.clock.wall())

    def without_known(self, batch: list[Waiting]) -> tuple[list[Waiting], Sequence[Waiting]]:
        """Those of a batch that have to be written, and those that wait until these are. The others are answered: they
        are in the log already."""
        return without_known(batch, self._keys, self.log.epoch, self._engine.clock.wall())

    def next_segment(self, batch: Sequence[Waiting]) -> Segment:
        """The segment that continues the log with a batch."""
        engine, log = self._engine, self.log
        now, finish = engine.clock.wall(), engine.finish
        now_ms = round(now * 1000)
        offset = log.head
        is_shared = may_move = engine.store.is_shared
        records: list[Publication] = []
        for waiting in batch:
            offset += 1
            publication = waiting.publication
            if publication.key and MARK in publication.key:
                may_move = False  # a producer's numbers have an order of their own
            if waiting.condition is not None:
                may_move = False  # it holds here, and perhaps not behind what another node writes
            if is_shared and has_field(RUN_ID, publication.head):
                may_move = False  # another node may have ended the run meanwhile
            payload = finish(publication, offset, now_ms)
            records.append(Publication(payload, now, publication.key, publication.digest, offset))
        return Segment(log.epoch, log.head + 1, engine.new_id(), records, may_move)
