"""Finds positions in a project's log, and reads pages from there: from memory if this node retains the entries, else
from the log store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from websocket_handler.hub.epochs import was_never_written
from websocket_handler.hub.log import Start
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.journal import Journal
from websocket_handler.logs.page import Page, moved_to, page_in, page_of
from websocket_handler.logs.refusals import store_unavailable
from websocket_handler.logs.shared_reads import IsWanted, SharedReads
from websocket_handler.ports.log_store import Tail, Unavailable, always
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position

Placed = Callable[[Start | CommandError], None]
Paged = Callable[[Page | CommandError], None]


class Reader:
    """Reads one project's log. It writes nothing."""

    __slots__ = ("_engine", "_journal", "_project_id", "_reads")

    def __init__(self, project_id: str, journal: Journal, engine: Engine) -> None:
        self._project_id = project_id
        self._journal = journal
        self._engine = engine
        self._reads = SharedReads(project_id, engine.store, journal.local.saw)
        """What is read for those who are further back than memory; lives as long as the reader."""

    # Positions

    @property
    def epoch(self) -> str:
        """The epoch of the present log; empty until the log is known."""
        return self._journal.log.epoch

    def place(self, since: Position | None, rewind: int | None, done: Placed, is_wanted: IsWanted) -> None:
        """Find where a new cursor starts. `done` is called with what is true in that moment. Nothing is read once
        `is_wanted` returns False."""
        if since is None and rewind is None and self._journal.call.is_known:  # nearly always
            done(Start(self._journal.local.log.head, recovered=True))
            return

        def known(fault: CommandError | None) -> None:
            if fault is None and since is not None and self._may_be_ahead(since.epoch, since.offset):
                # another node may have written what this client has seen, so look before refusing
                self._reach(
                    since.epoch, since.offset, lambda error: self._decide(since, rewind, done, is_wanted, error)
                )
            else:
                self._decide(since, rewind, done, is_wanted, fault)

        self._journal.when_known(known, is_wanted)

    def _may_be_ahead(self, epoch: str | None, offset: int) -> bool:
        """True if this node does not know the position, but another node may know it."""
        log = self._journal.log
        is_known = epoch in (None, log.epoch) and offset <= log.head
        return self._engine.store.is_shared and not is_known

    def _reach(self, epoch: str | None, offset: int, done: Callable[[CommandError | None], None]) -> None:
        """Read what other nodes wrote, page after page, until the position is known or nothing more comes.

        A look that is already under way may have found the end before the position was written. So one more look
        follows it.
        """
        journal = self._journal
        asked = journal.call.looks_begun

        def looked(before: Position, fault: CommandError | None) -> None:
            now = journal.log.position
            may_go_on = journal.call.looks_ended <= asked or (now != before and now.offset < offset)
            if fault is None and may_go_on and self._may_be_ahead(epoch, offset):
                journal.refresh(partial(looked, now))
            else:
                done(fault)

        journal.refresh(partial(looked, journal.log.position))

    def _decide(
        self,
        since: Position | None,
        rewind: int | None,
        done: Placed,
        is_wanted: IsWanted,
        fault: CommandError | None,
    ) -> None:
        if fault is not None:
            done(fault)
            return
        log = self._journal.log
        if since is not None and self._is_beginning(since):
            since = Position(log.epoch, 0)
        start = log.start(since, rewind, self._journal.log.beginning)
        if log.covers(start.offset):
            done(start)
            return

        def verified(tail: Tail | Unavailable) -> None:
            """The start is further back than memory: promise only what the store still has."""
            if isinstance(tail, Unavailable):
                done(store_unavailable(tail, self._engine.chance))
            elif self._journal.log is not log:  # another log has replaced it, and the offset means nothing there
                self._decide(since, rewind, done, is_wanted, None)
            elif page_in(tail, log.epoch, start.offset) is not None:
                done(start)
            else:
                done(Start(self._floor_after(start.offset, tail), recovered=since is None))

        self._reads.read(start.offset, log.epoch, verified, is_wanted)

    def _is_beginning(self, since: Position) -> bool:
        """True if `since` is the position before the first publication of an epoch under which nothing was ever
        written. The project was quiet while its node was replaced, so its client has missed nothing."""
        engine, log = self._engine, self._journal.log
        return (
            since.offset == 0
            and since.epoch != log.epoch
            and not engine.has_peers  # then all nodes know the epoch of an empty log, and a store may lose publications
            and engine.store.is_shared
            and self._journal.log.beginning == 0
            and was_never_written(since.epoch, engine.limits.log.seconds, engine.clock.wall())
        )

    def _floor_after(self, offset: int, tail: Tail) -> int:
        """Where a reader continues if nothing follows `offset`: at the store's floor, or where memory begins."""
        log = self._journal.log
        in_memory = log.first - 1
        return tail.floor if tail.epoch == log.epoch and offset < tail.floor < in_memory else in_memory

    # Pages

    def folded(self, page: Page) -> Page:
        """The same page with its runs of deltas joined."""
        return self._engine.folding.folded(self._project_id, page)

    def in_memory(self, after: int, count_max: int, bytes_max: int) -> Page | None:
        """The page after `after`, within both maxima; None if memory does not reach back to it."""
        log = self._journal.log
        return page_of(log.epoch, after, log.after(after, count_max, bytes_max)) if log.covers(after) else None

    def from_store(self, after: int, done: Paged, is_wanted: IsWanted) -> None:
        """Read what the store has after `after`, up to this node's head. If nothing follows there, `done` gets a page
        without entries that is not recovered: its `last` is where to continue. Nothing is read once `is_wanted` returns
        False."""

        def answered(tail: Tail | Unavailable) -> None:
            log = self._journal.log
            if isinstance(tail, Unavailable):
                done(store_unavailable(tail, self._engine.chance))
                return
            found = page_in(tail, log.epoch, after)
            if found is None:
                done(moved_to(log.epoch, self._floor_after(after, tail)))
            else:  # the store may be ahead: this node delivers its own newest segment once it is confirmed
                done(found.until(log.head))

        self._reads.read(after, self.epoch, answered, is_wanted)

    def page(
        self,
        epoch: str | None,
        after: int,
        count_max: int,
        bytes_max: int,
        done: Paged,
        is_wanted: IsWanted = always,
    ) -> None:
        """Read the page after a position, within both maxima, with at least one entry if there is one. If `epoch` is
        None, the offset counts in the present log. A page that is not `recovered` begins at the oldest entry that can
        be read. Nothing is read once `is_wanted` returns False."""

        def known(fault: CommandError | None) -> None:
            log = self._journal.log
            if fault is not None:
                done(fault)
            elif epoch in (None, log.epoch) and after <= log.head:
                self._page(after, count_max, bytes_max, done, is_wanted, recovered=True)
            else:  # a position that this log never had
                self._page(log.beginning, count_max, bytes_max, done, is_wanted, recovered=False)

        def opened(fault: CommandError | None) -> None:
            if fault is None and self._may_be_ahead(epoch, after):
                self._reach(epoch, after, known)  # another node may have written what this reader has seen
            else:
                known(fault)

        self._journal.when_known(opened, is_wanted)

    def _page(
        self, after: int, count_max: int, bytes_max: int, done: Paged, is_wanted: IsWanted, *, recovered: bool
    ) -> None:
        page = self.in_memory(after, count_max, bytes_max)
        if page is not None:
            done(page if recovered else page_of(page.epoch, after, page.entries, recovered=False))
            return

        def answered(answer: Page | CommandError) -> None:
            if isinstance(answer, CommandError):
                done(answer)
            elif answer.recovered:
                found = answer.first_part(count_max, bytes_max)
                done(page_of(found.epoch, found.after, found.entries, recovered=recovered))
            else:
                self._page(answer.last, count_max, bytes_max, done, is_wanted, recovered=False)

        self.from_store(after, answered, is_wanted)
