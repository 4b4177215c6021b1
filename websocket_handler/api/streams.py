"""An event stream, or a poll that waits, takes a place like a WebSocket: it counts for the limits of its address and
its user. It gives the place back when it ends, or when its client is gone."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from websocket_handler.api.access import visitor_of
from websocket_handler.api.gateway import Gateway, Waiter
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import Identity

Answer = TypeVar("Answer")
EVENT_STREAM: Final = "text/event-stream"
STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def count_visitor(request: Request, gateway: Gateway) -> None:
    """Find out how many places the visitor has on other nodes; `place_taken` refuses too many. Raises CommandError with
    `unauthorized` if the visitor's token was revoked meanwhile."""
    waiter = Waiter()
    gateway.access.count_user(visitor_of(request).identity, waiter.done)
    await waiter.result(Identity)


@contextmanager
def place_taken(request: Request, gateway: Gateway) -> Iterator[None]:
    """Take a place for as long as the block runs. Raises CommandError: `too_many_connections`."""
    counters = gateway.counters
    peer = request.client.host if request.client else ""
    try:
        leave = gateway.admission.take_place(
            peer, request.headers.getlist("x-forwarded-for"), visitor_of(request).identity
        )
    except CommandError as fault:
        counters.streams_refused[fault.code.value] += 1
        raise
    counters.streams += 1
    try:
        yield
    finally:
        counters.streams -= 1
        leave()


class HeldStream(StreamingResponse):
    """A streaming response that releases what it holds at its end, even if it never began."""

    media_type = EVENT_STREAM

    def hold(self, held: ExitStack) -> "HeldStream":
        """Release `held` at the end."""
        self._held = held
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer | None:
    """Wait until `work` is done. Returns None if the client hung up before."""
    working, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)
    return None if working.cancelled() else working.result()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
