"""Drives the core on asyncio: opens its sockets, keeps its timer, asks for its tokens, hands out what comes."""

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from random import SystemRandom
from typing import Any, Protocol

from websocket_handler_client.core.effects import (
    Abort,
    Answered,
    Arrived,
    Broadcast,
    Close,
    Effect,
    Failed,
    FetchToken,
    Open,
    Reset,
    Send,
    StateChanged,
    Unfollowed,
)
from websocket_handler_client.core.endings import understand_refusal
from websocket_handler_client.core.instant import Instant
from websocket_handler_client.core.machine import Core
from websocket_handler_client.core.messages import Message
from websocket_handler_client.core.options import Options
from websocket_handler_client.core.state import State
from websocket_handler_client.core.update import Update
from websocket_handler_client.dialing import Dial, RefusedHandshake, Socket, UnreachableError
from websocket_handler_client.errors import UnauthorizedError

Token = str | Callable[[], str | Awaitable[str]]
"""A token, or a function that gives one; it may be `async`."""


class Program(Protocol):
    """Gets what comes for the program. Nothing here waits."""

    def deliver(self, update: Update) -> None: ...
    def arrived(self, snapshot: Update) -> None: ...
    def reset(self, reset: Reset) -> None: ...
    def unfollowed(self, unfollowed: Unfollowed) -> None: ...
    def state_changed(self, state: State) -> None: ...
    def broadcast(self, message: Message) -> None: ...


class Driver:
    """One core and its sockets. It belongs to the event loop in which it is first used."""

    def __init__(
        self,
        url: str,
        token: Token | None,
        options: Options,
        dial: Dial,
        program: Program,
        wall_clock: Callable[[], float] = time.time,
        *,
        folds: bool = False,
    ) -> None:
        self.core = Core(options, SystemRandom().random, has_tokens=token is not None, folds=folds)
        self._url = url
        self._token = token
        self._dial = dial
        self._program = program
        self._wall_clock = wall_clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._openings: dict[int, asyncio.Task[None]] = {}
        self._outboxes: dict[int, asyncio.Queue[str | None]] = {}
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self._effects: deque[Effect] = deque()
        self._is_performing = False
        self._timer: asyncio.TimerHandle | None = None
        self._fetching: asyncio.Task[None] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop. Raises RuntimeError if none runs at the first use."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def now(self) -> Instant:
        """The time on both clocks."""
        return Instant(self.loop.time(), self._wall_clock())

    async def call(self, fields: dict[str, Any], timeout_s: float, wait_s: float) -> Message:
        """Send a command and return its reply. Raises ClientError."""
        reply: asyncio.Future[Message] = self.loop.create_future()
        number, effects = self.core.call(fields, timeout_s, wait_s, self.now())
        self._replies[number] = reply
        self.perform(effects)
        try:
            return await reply
        finally:
            del self._replies[number]
            self.perform(self.core.abandon(number))

    async def close(self) -> None:
        """End everything, for good. Returns when the sockets are closed, or their deadline is over."""
        self.perform(self.core.close(self.now()))
        links = [task for task in self._openings.values() if not task.done()]
        if links:
            await asyncio.wait(links, timeout=self.core.options.closing_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the core asks for, in order. What a callback of the program asks for comes behind it."""
        self._effects.extend(effects)
        if self._is_performing:
            return
        self._is_performing = True
        try:
            while self._effects:
                self._do(self._effects.popleft())
        finally:
            self._is_performing = False
        self._set_timer()

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._outboxes[effect.link].put_nowait(effect.text)
            case Open():
                self._openings[effect.link] = self._begin(self._run_link(effect.link, effect.token))
            case Close():
                self._outboxes[effect.link].put_nowait(None)
            case Abort():
                opening = self._openings.get(effect.link)
                if opening is not None:
                    opening.cancel()
            case FetchToken():
                self._fetching = self._begin(self._fetch_token(effect.fetch))
            case _:
                self._tell(effect)

    def _tell(
        self, effect: Update | Arrived | Answered | Failed | Reset | Unfollowed | StateChanged | Broadcast
    ) -> None:
        """Hand on what is for the program."""
        match effect:
            case Update():
                self._program.deliver(effect)
            case Arrived():
                self._program.arrived(effect.snapshot)
            case Answered():
                self._reply(effect.call, lambda reply: reply.set_result(effect.reply))
            case Failed():
                self._reply(effect.call, lambda reply: reply.set_exception(effect.error))
            case Reset():
                self._program.reset(effect)
            case Unfollowed():
                self._program.unfollowed(effect)
            case StateChanged():
                self._program.state_changed(effect.state)
            case Broadcast():
                self._program.broadcast(effect.message)

    def _reply(self, call: int, settle: Callable[[asyncio.Future[Message]], None]) -> None:
        reply = self._replies.get(call)
        if reply is not None and not reply.done():
            settle(reply)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Time

    def _set_timer(self) -> None:
        due_s = self.core.next_timer(self.now())
        if self._timer is not None:
            if self._timer.when() == due_s and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer = self.loop.call_at(due_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.perform(self.core.timer(self.now()))

    # Sockets

    async def _run_link(self, link: int, token: str | None) -> None:
        try:
            socket = await self._dial(self._url, token, self.core.options.closing_s)
        except RefusedHandshake as answer:
            refusal = understand_refusal(answer.status, answer.body, answer.retry_after)
            self.perform(self.core.refused(link, refusal, self.now()))
        except UnreachableError as fault:
            self.perform(self.core.closed(link, None, self.now(), str(fault)))
        else:
            await self._use(link, socket)
        finally:
            self._openings.pop(link, None)

    async def _use(self, link: int, socket: Socket) -> None:
        outbox = self._outboxes[link] = asyncio.Queue()
        writer = self._begin(_write(socket, outbox))
        core, loop, wall_clock, deliver = self.core, self.loop, self._wall_clock, self._program.deliver

        def take(text: str | bytes) -> None:
            effects = core.received(link, text, Instant(loop.time(), wall_clock()))
            if len(effects) == 1 and type(effects[0]) is Update and not self._is_performing:
                deliver(effects[0])  # the hot path: an update makes no timer earlier
            elif effects:
                self.perform(effects)

        try:
            self.perform(core.opened(link, self.now()))
            end = await socket.receive(take)
        except BaseException:
            socket.abort()
            raise
        finally:
            writer.cancel()
            del self._outboxes[link]
        reason = f"the gateway closed the connection: {end.code} {end.reason}" if end.code else "the connection broke"
        self.perform(core.closed(link, end.code, self.now(), reason))

    # Tokens

    async def _fetch_token(self, fetch: int) -> None:
        try:
            given = self._token() if callable(self._token) else self._token
            token = await given if inspect.isawaitable(given) else given
            if not isinstance(token, str):
                raise TypeError(f"the token provider gave no text, but {type(token).__name__}")
        except UnauthorizedError as fault:
            self.perform(self.core.token_failed(fetch, fault.message, self.now(), is_final=True))
        except Exception as fault:  # noqa: BLE001 - the program's own code; whatever it raises is the reason
            reason = f"the token provider failed: {type(fault).__name__}: {fault}"
            self.perform(self.core.token_failed(fetch, reason, self.now()))
        else:
            self.perform(self.core.token(fetch, token, self.now()))


async def _write(socket: Socket, outbox: "asyncio.Queue[str | None]") -> None:
    """Send what the outbox holds, in order, until it says to close."""
    while (text := await outbox.get()) is not None:
        await socket.send(text)
    await socket.close()
