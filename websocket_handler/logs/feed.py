"""The one pull cursor: SSE, long polls, the `history` command and every later reader read a project's log through it.

A feed keeps its project open, waits for news, and knows its position. Its owner asks for each page, so a client that
does not read costs one page and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeVar

from websocket_handler.hub.log import Start
from websocket_handler.logs.kept_runs import KeptRuns
from websocket_handler.logs.known import Known
from websocket_handler.logs.page import Page
from websocket_handler.logs.reader import Paged, Reader
from websocket_handler.logs.saved_runs import SavedRuns
from websocket_handler.ports.log_store import always
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class PageLimits:
    """The most that one page carries. It always carries at least one entry."""

    messages: int
    bytes: int


class Readable(Protocol):
    """A project as its feeds see it."""

    reader: Reader
    runs: KeptRuns
    saved_runs: SavedRuns
    feeds: dict[Feed, None]
    """The feeds on the project. While there is one, the project stays open. Each is woken when there is news."""


class Feed:
    """One reader's cursor on a project. Use it as a context manager: at the end it lets go of the project."""

    def __init__(
        self,
        project: Readable,
        limits: PageLimits,
        *,
        after: int = 0,
        epoch: str | None = None,
        folds: bool = False,
        is_over: Callable[[], bool] = lambda: False,
        is_wanted: Callable[[], bool] = always,
    ) -> None:
        """Read after the offset `after`, in the log with this epoch; if `epoch` is None, in whatever log there is. A
        feed that `folds` gives pages in which deltas are joined. If `is_over` returns True when the feed is woken, the
        feed waits no longer. The store reads nothing for the feed once `is_wanted` returns False."""
        self.epoch = self._asked_epoch = epoch
        self.offset = after
        """The offset of the last entry that was returned."""
        self._project = project
        self._limits = limits
        self._folds = folds
        self._is_over = is_over
        self._is_wanted = is_wanted
        self._woken: asyncio.Event | None = None
        project.feeds[self] = None

    @property
    def position(self) -> Position:
        """The position after the last entry that was returned. Read it only after a page was returned, or after
        `begin`."""
        assert self.epoch is not None, "the first answer of the log says which it is"
        return Position(self.epoch, self.offset)

    @property
    def runs(self) -> KeptRuns:
        """What this node knows of the runs in the log."""
        return self._project.runs

    def is_wanted(self) -> bool:
        """True while somebody waits for what it reads."""
        return self in self._project.feeds and self._is_wanted()

    def close(self) -> None:
        """Stop reading, so that the project may close. Closing twice changes nothing."""
        self._project.feeds.pop(self, None)

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def begin(self, since: Position | None) -> Start:
        """Move to the position `since`, or to the end of the log. Returns where that is. Raises CommandError with
        `store_unavailable`."""
        return self._begun(await _answer(lambda done: self._project.reader.place(since, None, done, self.is_wanted)))

    async def begin_with_snapshot(self) -> Start:
        """Move to where the snapshot of the project's runs is, which the answer brings. Raises CommandError with
        `store_unavailable`."""
        return self._begun(await _answer(lambda done: self._project.saved_runs.place(done, self.is_wanted)))

    async def know_runs(self) -> None:
        """Have `runs` know what can be found out of them, from memory and from the store. Raises CommandError with
        `store_unavailable`."""

        def ask(done: Known) -> None:
            self._project.saved_runs.find(done, self.is_wanted)

        await _answer(ask)

    def _begun(self, start: Start) -> Start:
        self.epoch, self.offset = self._project.reader.epoch, start.offset
        self._asked_epoch = self.epoch
        return start

    def rewind(self) -> None:
        """Move to the beginning of the log."""
        self.epoch = self._asked_epoch = None
        self.offset = 0

    def look(self, done: Paged) -> None:
        """Call `done` with the next page, which may be empty, or with a CommandError. The cursor moves behind the page.
        A page that is not `recovered` is a reset: it continues after the offset `page.after`."""

        def answered(answer: Page | CommandError) -> None:
            if isinstance(answer, Page):
                self.epoch, self.offset = answer.epoch, answer.last
                if answer.last or not answer.recovered:  # before its first entry, any log is the one that was asked for
                    self._asked_epoch = answer.epoch
                if self._folds:
                    answer = self._project.reader.folded(answer)
            done(answer)

        limits = self._limits
        self._project.reader.page(
            self._asked_epoch, self.offset, limits.messages, limits.bytes, answered, self.is_wanted
        )

    async def next(self, wait_s: float) -> Page | None:
        """Wait for the next page. Returns None if nothing came within `wait_s` seconds, or if `is_over` says so. Raises
        CommandError with `store_unavailable`; then the position stays."""
        deadline = asyncio.get_running_loop().time() + wait_s
        self._woken = asyncio.Event()
        while True:
            self._woken.clear()  # before the look, so that nothing falls between
            page = await _answer(self.look)
            if page.entries or not page.recovered:
                return page
            if self._is_over():
                return None
            try:
                async with asyncio.timeout_at(deadline):
                    await self._woken.wait()
            except TimeoutError:
                return None

    def wake(self) -> None:
        """Wake the feed, because there is news or a reason to stop. Called at every publication, reset, drain and
        revocation."""
        if self._woken is not None:
            self._woken.set()


async def _answer(ask: Callable[[Callable[[Answer | CommandError], None]], None]) -> Answer:
    """Wait for an answer that is given by callback. Raises the CommandError that came instead."""
    future: asyncio.Future[Answer | CommandError] = asyncio.get_running_loop().create_future()

    def done(answer: Answer | CommandError) -> None:
        if not future.done():  # nobody waits any more
            future.set_result(answer)

    ask(done)
    answer = await future
    if isinstance(answer, CommandError):
        raise answer
    return answer
