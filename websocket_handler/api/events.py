"""Server-sent events: a project's log for networks without WebSocket, with the same positions.

An event's id is `EPOCH:OFFSET`, so the browser's own `Last-Event-ID` resumes exactly where the stream was cut. The
stream reads the log itself: for a client that does not read, it holds one page and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from random import Random

from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.api.access import Endpoint, Visitor, check_still, is_over, patience_s, visitor_of
from websocket_handler.api.gateway import Gateway, bodiless, flag, parameter
from websocket_handler.api.half_close import HalfClose, half_close_of
from websocket_handler.api.projects import project_id_of
from websocket_handler.api.streams import (
    EVENT_STREAM,
    STREAM_HEADERS,
    HeldStream,
    count_visitor,
    place_taken,
    unless_gone,
)
from websocket_handler.hub.log import Start
from websocket_handler.logs.fan_out import STORE_RETRY_S
from websocket_handler.logs.feed import Feed, PageLimits
from websocket_handler.logs.page import Page
from websocket_handler.protocol import replies
from websocket_handler.protocol.codec import read_position
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

HEARTBEAT_S = 15.0
RETRY_MS = 2000
REFUSED_RETRY_MS = (2000, 10_000)
"""A refused client comes back after a random time between these two. An `EventSource` adds no jitter of its own, so
clients that were refused together would return together."""
LAST_EVENT_ID = "lastEventId"
"""Where `event-source-polyfill` and others put the id, because a request with their own header needs a preflight."""
FOREIGN = Position("", 0)
"""A position that no log of this gateway has, because no epoch is empty."""
PAGE = PageLimits(messages=200, bytes=131_072)


class EventRoutes:
    """`GET /api/v1/projects/{id}/events`."""

    def __init__(self, gateway: Gateway, random: Random) -> None:
        """`random` spreads the return of clients that were refused."""
        self._gateway = gateway
        self._random = random

    def or_reconnect(self, endpoint: Endpoint) -> Endpoint:
        """Wrap an endpoint. If the refusal is temporary, the client gets a stream that tells it to reconnect. An
        `EventSource` that gets another status than 200 closes for good, and never reads `Retry-After`."""

        async def answered(request: Request) -> Response:
            try:
                return await endpoint(request)
            except CommandError as fault:
                if not fault.retryable:
                    raise
                return self._told_to_come_back(fault)
            except Exception as bug:
                self._gateway.log.exception("task.failed", bug, path=request.url.path)
                return self._told_to_come_back(CommandError(ErrorCode.INTERNAL, "internal error"))

        return answered

    def _told_to_come_back(self, fault: CommandError) -> Response:
        self._gateway.counters.errors[fault.code.value] += 1
        return Response(self._come_back(fault), headers=STREAM_HEADERS, media_type=EVENT_STREAM)

    def _come_back(self, fault: CommandError) -> bytes:
        after_ms = fault.retry_after_ms or self._random.randint(*REFUSED_RETRY_MS)
        return b"retry: %d\n" % after_ms + _event(replies.reconnect(fault.code.value, after_ms), None, "reconnect")

    async def events(self, request: Request) -> Response:
        """Follow a project as a stream of events. An error before the first event is an ordinary error answer."""
        project_id = project_id_of(request)
        since, folds = _since(request), flag(request, "fold")
        visitor = visitor_of(request)
        if request.method == "HEAD":
            return bodiless(STREAM_HEADERS, EVENT_STREAM)
        await count_visitor(request, self._gateway)
        with ExitStack() as held:
            held.enter_context(place_taken(request, self._gateway))
            half_close = half_close_of(request)
            feed = held.enter_context(
                self._gateway.node.feed(
                    project_id,
                    limits=PAGE,
                    folds=folds,
                    is_over=lambda: half_close.is_done or self._is_over(visitor),
                )
            )
            held.enter_context(half_close.waking(feed.wake))
            start = await unless_gone(request, feed.begin(since))
            if start is None:
                return bodiless(STREAM_HEADERS, EVENT_STREAM)  # nobody reads it
            check_still(visitor, self._gateway)
            stream = self._stream(project_id, feed, start, visitor, half_close)
            return HeldStream(stream, headers=STREAM_HEADERS).hold(held.pop_all())

    def _is_over(self, visitor: Visitor) -> bool:
        return self._gateway.is_draining() or is_over(visitor, self._gateway)

    async def _stream(
        self, project_id: str, feed: Feed, start: Start, visitor: Visitor, half_close: HalfClose
    ) -> AsyncIterator[bytes]:
        confirmation = replies.subscription_confirmed(project_id, feed.position, recovered=start.recovered)
        yield b"retry: %d\n" % RETRY_MS + _event(confirmation, feed.position, "subscription_confirmed")
        while not self._gateway.is_draining():
            page = await self._next(feed, patience_s(visitor, self._gateway, HEARTBEAT_S))
            if is_over(visitor, self._gateway):
                return  # the client comes back, and is told then why it may not stay
            if page is None and half_close.is_done:
                return  # the client has got everything
            if page is None:
                yield b": still here\n\n"
                continue
            if not page.recovered:
                position = Position(page.epoch, page.after)
                yield _event(replies.subscription_reset(project_id, position), position, "subscription_reset")
            for entry in page.entries:
                if is_over(visitor, self._gateway):  # a client that reads slowly may have lost its right meanwhile
                    return
                yield _event(entry.payload, Position(page.epoch, entry.offset))
        yield _event(replies.reconnect("draining", RETRY_MS), None, "reconnect")

    async def _next(self, feed: Feed, wait_s: float) -> Page | None:
        """The next page, as soon as there is one; None when it is time for a heartbeat."""
        try:
            return await feed.next(wait_s)
        except CommandError as fault:  # the store does not answer: keep the position, and ask again
            await asyncio.sleep(max(STORE_RETRY_S, (fault.retry_after_ms or 0) / 1000))
            return None


def _since(request: Request) -> Position | None:
    """The position at which to resume. The id of the last event wins over `since`; an empty one says that the client
    got no event yet. If this gateway never gave that id, the answer is a position of a foreign log, because an error
    would end an `EventSource` for good. Raises CommandError with `invalid_field` for a bad `since`."""
    asked = parameter(request, "since")
    since = None if asked is None else read_position(asked)
    last_id = ", ".join(request.headers.getlist("last-event-id") or request.query_params.getlist(LAST_EVENT_ID))
    if not last_id:
        return since
    try:
        return read_position(last_id)
    except CommandError:
        return FOREIGN


def _event(data: bytes, position: Position | None, kind: str | None = None) -> bytes:
    """One event in the format of the HTML standard. Each line of the data becomes a `data:` line."""
    lines = [b"event: " + kind.encode()] if kind else []
    if position is not None:
        lines.append(f"id: {position.epoch}:{position.offset}".encode())
    lines.extend(b"data: " + line for line in data.splitlines())
    return b"\n".join(lines) + b"\n\n"
