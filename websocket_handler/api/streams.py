"""What all event streams have in common, and the polls that wait.

Each takes a place like a WebSocket: it counts for the limits of its address and its user. It gives the place back when
it ends, or when its client is gone. An event's id is `EPOCH:OFFSET`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from websocket_handler.api.access import Visitor, check_still, is_over, patience_s, visitor_of
from websocket_handler.api.gateway import Gateway, Waiter, bodiless
from websocket_handler.api.half_close import HalfClose, half_close_of
from websocket_handler.logs.fan_out import STORE_RETRY_S
from websocket_handler.logs.feed import Feed, PageLimits
from websocket_handler.logs.page import Page
from websocket_handler.protocol.codec import read_position
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.messages import Position

Answer = TypeVar("Answer")
EVENT_STREAM: Final = "text/event-stream"
STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
PAGE: Final = PageLimits(messages=200, bytes=131_072)
HEARTBEAT_S: Final = 15.0
HEARTBEAT: Final = b": still here\n\n"
FOREIGN: Final = Position("", 0)
"""A position that no log of this gateway has, because no epoch is empty."""


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


def event_frame(data: bytes, position: Position | None, kind: str | None = None) -> bytes:
    """One event in the format of the HTML standard, with its position as its id. Each line of the data becomes a
    `data:` line."""
    lines = [b"event: " + kind.encode()] if kind else []
    if position is not None:
        lines.append(f"id: {position.epoch}:{position.offset}".encode())
    lines.extend(b"data: " + line for line in data.splitlines())
    return b"\n".join(lines) + b"\n\n"


def resumed_at(last_id: str) -> Position:
    """The position that a client gives as the id of its last event. If this gateway never gave that id, it is a
    position of a foreign log, because an error would end an `EventSource` for good."""
    try:
        return read_position(last_id)
    except CommandError:
        return FOREIGN


async def followed(feed: Feed, visitor: Visitor, gateway: Gateway, half_close: HalfClose) -> AsyncIterator[Page | None]:
    """The pages of a feed, each as soon as it is there; None when it is time for a heartbeat.

    It ends when the node goes away; when the visitor's identity is over, because the client then comes back and is told
    why it may not stay; or when a client that sends no more has got everything.
    """
    while not gateway.is_draining():
        page = await _next(feed, patience_s(visitor, gateway, HEARTBEAT_S))
        if is_over(visitor, gateway) or (page is None and half_close.is_done):
            return
        yield page


async def _next(feed: Feed, wait_s: float) -> Page | None:
    try:
        return await feed.next(wait_s)
    except CommandError as fault:  # the store does not answer: keep the position, and ask again
        await asyncio.sleep(max(STORE_RETRY_S, (fault.retry_after_ms or 0) / 1000))
        return None


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


async def stream_of(
    request: Request,
    gateway: Gateway,
    project_id: str,
    begin: Callable[[Feed], Coroutine[Any, Any, Answer | Response]],
    frames: Callable[[Feed, Answer, HalfClose], AsyncIterator[bytes]],
    *,
    folds: bool = False,
    headers: Mapping[str, str] = STREAM_HEADERS,
) -> Response:
    """Answer with a stream that reads a project. `begin` decides where it begins, before there is an answer, so an
    error in it is an ordinary error answer; it is given up if the client leaves. If it returns a response, that is the
    answer. `frames` makes the stream of what `begin` returned. If it `folds`, deltas are joined."""
    visitor = visitor_of(request)
    await count_visitor(request, gateway)
    with ExitStack() as held:
        held.enter_context(place_taken(request, gateway))
        half_close = half_close_of(request)

        def is_done() -> bool:
            return half_close.is_done or gateway.is_draining() or is_over(visitor, gateway)

        feed = held.enter_context(gateway.node.feed(project_id, limits=PAGE, folds=folds, is_over=is_done))
        held.enter_context(half_close.waking(feed.wake))
        begun = await unless_gone(request, begin(feed))
        if begun is None:
            return bodiless(STREAM_HEADERS, EVENT_STREAM)  # nobody reads it
        check_still(visitor, gateway)
        if isinstance(begun, Response):
            return begun
        return HeldStream(frames(feed, begun, half_close), headers=headers).hold(held.pop_all())
