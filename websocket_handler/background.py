"""Runs work beside everything else. Its failures are logged, and it ends with the node."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

RESTART_DELAY_S: Final = 1.0


class FaultLog(Protocol):
    """Logs failures."""

    def exception(self, event: str, fault: BaseException, **fields: object) -> None:
        """Log an exception that nobody foresaw."""
        ...


class Background:
    """The tasks of one node."""

    def __init__(self, log: FaultLog) -> None:
        self._log = log
        self._tasks: dict[asyncio.Task[None], None] = {}

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine. If it fails, that is logged. It is cancelled when the node ends."""
        _ = self.task(work)

    def task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """The same as `start`, for a caller that waits for the end of the work."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._log.exception("task.failed", fault)

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Keep a job running. If it ends, for whatever reason, that is logged, and it starts again a second later."""
        self.start(self._supervise(name, work))

    async def _supervise(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as fault:  # noqa: BLE001 - our own bug must not end work that the node needs
                self._log.exception("task.failed", fault, task=name)
            await asyncio.sleep(RESTART_DELAY_S)

    async def end(self) -> None:
        """Cancel everything, and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
