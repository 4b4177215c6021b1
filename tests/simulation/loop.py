"""The virtual-time loop of a simulation. Everything that a node schedules belongs to that node, and dies with it.

The context of a callback or a task tells who owns it. A crash freezes the owner: nothing of it runs any more. At the
end of a schedule, frozen owners are woken as ghosts, whose effects nobody sees, so that their coroutines end in order.
"""

import asyncio
import heapq
from asyncio.events import Handle, TimerHandle
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final

from tests.support.virtual_time import VirtualTimeLoop

FINISH_ROUNDS_MAX: Final = 20


class Owner:
    """A process of the simulation. Everything that it has scheduled can be frozen at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_frozen = False
        self.frozen: list[Handle] = []
        self.context: Context = copy_context()
        self.context.run(_OWNER.set, self)


_OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)
Dial = Callable[[Callable[[], asyncio.Protocol], str], Awaitable[tuple[asyncio.Transport, asyncio.Protocol]]]


def owner() -> Owner | None:
    """Who owns what runs now; None if it belongs to the world."""
    return _OWNER.get()


class SimulationLoop(VirtualTimeLoop):
    """Time jumps from timer to timer; owners can be frozen."""

    _ready: Any
    _scheduled: Any

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[asyncio.Task[Any]] = []
        self.is_over = False
        self.dial: Dial | None = None
        """How a node connects to a server by its name; None in a simulation without servers."""
        self.world = copy_context()
        """The context of everything that belongs to no node: the network, AWS, clients."""
        self.set_task_factory(self._new_task)

    def _new_task(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        context: Context | None = None,
    ) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
        self.tasks.append(task)
        if len(self.tasks) > 500:
            self.tasks = [task for task in self.tasks if not task.done()]
        return task

    def _call_soon(self, callback: Callable[..., object], args: Any, context: Context | None) -> Handle:
        handle = Handle(callback, args, self, context)
        owner: Owner | None = handle._context.get(_OWNER)  # type: ignore[attr-defined]
        if owner is not None and owner.is_frozen and not self.is_over:
            owner.frozen.append(handle)
        else:
            self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        timer = TimerHandle(when, callback, args, self, context)
        owner: Owner | None = timer._context.get(_OWNER)  # type: ignore[attr-defined]
        if owner is not None and owner.is_frozen and not self.is_over:
            owner.frozen.append(timer)
        else:
            heapq.heappush(self._scheduled, timer)
            timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: object
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """A node connects to a server of the simulation."""
        assert self.dial is not None, f"there is no server {host}:{port} in this simulation"
        return await self.dial(protocol_factory, host)

    def later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback` later, in the context of the world."""
        self.call_at(self.time() + delay_s, callback, *args, context=self.world)

    def freeze(self, owner: Owner) -> None:
        """From now on nothing of the owner runs. One of its own callbacks may call this."""
        owner.is_frozen = True
        blank = Handle(_nothing, (), self, self.world)
        blank.cancel()
        for _ in range(len(self._ready)):  # the loop expects the queue to keep the length that it has seen
            handle = self._ready.popleft()
            if handle._context.get(_OWNER) is owner:
                owner.frozen.append(handle)
                self._ready.append(blank)
            else:
                self._ready.append(handle)
        kept: list[TimerHandle] = []
        for timer in self._scheduled:
            if timer._cancelled:
                timer._scheduled = False
            elif timer._context.get(_OWNER) is owner:
                timer._scheduled = False
                owner.frozen.append(timer)
            else:
                kept.append(timer)
        heapq.heapify(kept)
        self._scheduled[:] = kept
        self._timer_cancelled_count = 0

    def finish(self, owners: list[Owner]) -> None:
        """Let every task end: wake the frozen owners, and cancel everything."""
        self.is_over = True
        for timer in self._scheduled:
            timer.cancel()
        for owner in owners:
            for handle in owner.frozen:
                self._ready.append(handle)
            owner.frozen.clear()
        for _ in range(FINISH_ROUNDS_MAX):
            left = [task for task in self.tasks if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.close()


def _nothing() -> None:
    """The callback that stands where a frozen one stood."""
