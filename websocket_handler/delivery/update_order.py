"""Releases numbered updates in the order of their producers, although a standard queue mixes them.

An update is published at once if the one before it was published, by this node or another one: the project's log tells.
Otherwise it waits, neither published nor deleted. The node looks again many times a second, and reads on in a log to
which other nodes may write. The wait ends after the time in which the messages of a killed node come again.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from websocket_handler.delivery.held_updates import ReadUpdate
from websocket_handler.delivery.node import Node
from websocket_handler.hub.order_window import Gap, OrderLimits, OrderWindow, Released, Source
from websocket_handler.hub.producers import NONE_YET
from websocket_handler.logs.journal import Journal
from websocket_handler.ports.update_source import HIDDEN_MAX_S
from websocket_handler.protocol.codes import CommandError
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import Report

WAIT_MARGIN_S: Final = 10.0
"""How many seconds longer an update waits than the queue hides a message. A message that a killed node had received
comes again within that time."""
WAIT_MAX_S: Final = HIDDEN_MAX_S + WAIT_MARGIN_S
"""The longest wait in seconds."""
LOOK_INTERVAL_S: Final = 0.05
READ_INTERVAL_MAX_S: Final = 1.0
READS_PER_LOOK_MAX: Final = 10
STOPPED_MAX_S: Final = 600.0
"""While nothing can be received, the wait does not end. After this many seconds it goes on, because another node may be
able to receive."""


@dataclass(slots=True)
class _Read:
    """When the log of a project is read next. `pause_s` grows while the reads find nothing."""

    due_at: float
    pause_s: float = LOOK_INTERVAL_S


class UpdateOrder:
    """The updates that wait for others. `publish` is called with each update when its turn comes."""

    def __init__(
        self,
        node: Node,
        counters: Counters,
        report: Report,
        publish: Callable[[ReadUpdate], None],
        limits: OrderLimits | None = None,
    ) -> None:
        self._node = node
        self._counters = counters
        self._report = report
        self._publish = publish
        self._window: OrderWindow[ReadUpdate] = OrderWindow(limits or OrderLimits())
        self._is_blocked = asyncio.Event()
        """Set while something waits."""
        self._waited_s = 0.0
        """The seconds that count for the waits. They stand still while the missing updates cannot be received."""
        self._looked_at = 0.0
        self._stopped_s = 0.0
        """For how many seconds they have stood still."""
        self._reads: dict[str, _Read] = {}
        """When to read on in the logs of the projects whose updates wait."""
        self._under_way: set[tuple[str, str]] = set()
        """Project and key of each update that was released and has no answer yet."""

    @property
    def count(self) -> int:
        """How many updates wait."""
        return self._window.count

    @property
    def bytes(self) -> int:
        """How many bytes they have together."""
        return self._window.bytes

    def offer(self, update: ReadUpdate, hidden_s: float) -> None:
        """Publish an update, or let it wait for those before it. `hidden_s` is how long the queue hides a message."""
        publication, ordinal = update.publication, update.ordinal
        assert ordinal is not None, "it is numbered"
        if not self._window.count:
            self._looked_at = self._now()
        released = self._window.offer(
            Source(publication.project_id, ordinal.producer),
            ordinal.sequence,
            update,
            size=publication.size,
            logged=self._logged(publication.project_id, ordinal.producer),
            wait_s=min(hidden_s + WAIT_MARGIN_S, WAIT_MAX_S),
            now=self._waited_s,
        )
        if all(one.item is not update for one in released):
            self._counters.numbered_updates["waited"] += 1
        self._go_on(released)
        if self._window.count:
            self._is_blocked.set()

    async def run(self, can_receive: Callable[[], bool]) -> None:
        """Look again and again while something waits, until cancelled."""
        while True:
            await self._is_blocked.wait()
            await asyncio.sleep(LOOK_INTERVAL_S)
            self.look(can_receive=can_receive())

    def look(self, *, can_receive: bool) -> None:
        """Release the updates that need not wait any longer. `can_receive` is false while the missing updates cannot
        come."""
        self._pass_time(can_receive=can_receive)
        self._advance()
        self._go_on(self._window.close_overdue(self._waited_s))
        self._read_on()
        if not self._window.count:
            self._is_blocked.clear()

    def answered(self, update: ReadUpdate) -> None:
        """An update that was released has been published, or refused for good."""
        if update.ordinal is not None:
            self._under_way.discard((update.publication.project_id, update.publication.key))

    def given_up(self, update: ReadUpdate) -> None:
        """An update that was released stays in the queue. It will come again, and then has to be in its order."""
        self.answered(update)
        ordinal = update.ordinal
        if ordinal is not None:
            self._window.forget(Source(update.publication.project_id, ordinal.producer))

    def take_all(self) -> list[ReadUpdate]:
        """Take out the updates that wait, because those before them will not come to this node."""
        self._is_blocked.clear()
        return self._window.take_all()

    # What is known

    def _advance(self) -> None:
        """Release the updates that follow right after those in the logs."""
        for source in self._window.blocked:
            self._go_on(self._window.advance(source, self._logged(*source)))

    def _now(self) -> float:
        return self._node.engine.clock.monotonic()

    def _pass_time(self, *, can_receive: bool) -> None:
        now = self._now()
        passed, self._looked_at = now - self._looked_at, now
        self._stopped_s = 0.0 if can_receive else self._stopped_s + passed
        if can_receive or self._stopped_s > STOPPED_MAX_S:
            self._waited_s += passed

    def _journal(self, project_id: str) -> Journal | None:
        try:
            return self._node.project(project_id).journal
        except CommandError:
            return None  # too many projects are open: the attempt to publish will say so

    def _logged(self, project_id: str, producer: str) -> int:
        journal = self._journal(project_id)
        return NONE_YET if journal is None else journal.local.producers.last(producer)

    def _read_on(self) -> None:
        """Read what other nodes may have written: it may include the missing updates."""
        if not self._node.engine.store.is_shared:
            return
        now = self._now()
        projects = dict.fromkeys(source.project_id for source in self._window.blocked)
        self._reads = {project_id: self._reads.get(project_id) or _Read(now) for project_id in projects}
        due = [(read.due_at, project_id) for project_id, read in self._reads.items() if read.due_at <= now]
        for _, project_id in sorted(due)[:READS_PER_LOOK_MAX]:
            journal, read = self._journal(project_id), self._reads.get(project_id)
            if journal is not None and read is not None and journal.call.looks_begun == journal.call.looks_ended:
                read.pause_s = min(2 * read.pause_s, READ_INTERVAL_MAX_S)
                read.due_at = now + read.pause_s
                journal.refresh(lambda _fault: self._advance())

    # Going on

    def _go_on(self, released: Iterable[Released[ReadUpdate]]) -> None:
        for update, gap, is_behind in released:
            publication = update.publication
            self._reads.pop(publication.project_id, None)  # something happens in this project, so look soon
            if gap is not None:
                self._tell(gap)
            if is_behind:
                self._count_behind(update)
            self._under_way.add((publication.project_id, publication.key))
            self._publish(update)

    def _tell(self, gap: Gap) -> None:
        self._counters.numbered_updates["gap"] += 1
        fields: dict[str, object] = {
            "project_id": gap.source.project_id,
            "producer": gap.source.producer,
            "missing_from": gap.first,
            "missing_to": gap.end - 1,
            "reason": gap.reason.value,
        }
        self._report("update.gap", fields)

    def _count_behind(self, update: ReadUpdate) -> None:
        publication = update.publication
        journal = self._journal(publication.project_id)
        is_known = journal is not None and journal.local.has_key(publication.key)
        if is_known or (publication.project_id, publication.key) in self._under_way:
            self._counters.numbered_updates["double"] += 1
            return
        self._counters.numbered_updates["late"] += 1
        fields: dict[str, object] = {"project_id": publication.project_id, "update_id": update.update_id}
        if update.ordinal is not None:
            fields |= update.ordinal._asdict()
        self._report("update.late", fields)
