"""Work that several callers wait for, and that is done once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from websocket_handler.adapters.aws.errors import AwsError, Fault

Answer = TypeVar("Answer")


class SharedWork(Generic[Answer]):
    """Runs `work`, which raises AwsError, at most once at a time. A caller who gives up waiting does not stop it, and
    the next caller waits for the same work: slow work is done in the end, however short each caller's deadline is."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Answer]]) -> None:
        self._work = work
        self._task: asyncio.Task[Answer] | None = None

    def start(self) -> None:
        """Begin the work, unless it is under way."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())
            self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Answer]") -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # whoever waits gets it; if nobody waits, the next call tries again

    async def done(self) -> Answer:
        """The answer of the work that is under way, or else of work that begins now. Raises AwsError. Safe to
        cancel."""
        self.start()
        work = self._task
        assert work is not None
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if work.cancelled() and caller is not None and not caller.cancelling():
                raise AwsError(Fault.TRANSIENT, "Closed", "the gateway is stopping") from None
            raise

    async def close(self) -> None:
        """Break off the work that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
