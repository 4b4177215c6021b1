"""Server-sent events: a project's log for networks without WebSocket, with the same positions.

An event's id is `EPOCH:OFFSET`, so the browser's own `Last-Event-ID` resumes exactly where the stream was cut. The
stream reads the log itself: for a client that does not read, it holds one page and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.api.access import Endpoint, Visitor, is_over, visitor_of
from websocket_handler.api.gateway import Gateway, bodiless, flag, from_snapshot, parameter
from websocket_handler.api.half_close import HalfClose
from websocket_handler.api.projects import project_id_of
from websocket_handler.api.streams import (
    EVENT_STREAM,
    HEARTBEAT,
    STREAM_HEADERS,
    event_frame,
    followed,
    resumed_at,
    stream_of,
)
from websocket_handler.hub.log import Start
from websocket_handler.logs.feed import Feed
from websocket_handler.protocol import replies
from websocket_handler.protocol.codec import read_position
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

RETRY_MS = 2000
REFUSED_RETRY_MS = (2000, 10_000)
"""A refused client comes back after a random time between these two. An `EventSource` adds no jitter of its own, so
clients that were refused together would return together."""
LAST_EVENT_ID = "lastEventId"
"""Where `event-source-polyfill` and others put the id, because a request with their own header needs a preflight."""


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
        return b"retry: %d\n" % after_ms + event_frame(replies.reconnect(fault.code.value, after_ms), None, "reconnect")

    async def events(self, request: Request) -> Response:
        """Follow a project as a stream of events. An error before the first event is an ordinary error answer."""
        project_id = project_id_of(request)
        begins_with_snapshot = from_snapshot(request, "since")
        since, folds = _since(request), flag(request, "fold")
        visitor = visitor_of(request)
        if request.method == "HEAD":
            return bodiless(STREAM_HEADERS, EVENT_STREAM)

        def frames(feed: Feed, start: Start, half_close: HalfClose) -> AsyncIterator[bytes]:
            return self._stream(project_id, feed, start, visitor, half_close)

        async def begin(feed: Feed) -> Start:
            if since is None and begins_with_snapshot:
                return await feed.begin_with_snapshot()
            start = await feed.begin(since)
            if start.recovered or not begins_with_snapshot:
                return start
            return replace(await feed.begin_with_snapshot(), recovered=False)  # a browser comes back to the same URL

        return await stream_of(request, self._gateway, project_id, begin, frames, folds=folds)

    async def _stream(
        self, project_id: str, feed: Feed, start: Start, visitor: Visitor, half_close: HalfClose
    ) -> AsyncIterator[bytes]:
        confirmation = replies.subscription_confirmed(project_id, feed.position, recovered=start.recovered)
        confirmed_at = (
            None if start.snapshot else feed.position
        )  # nobody may resume behind a snapshot that did not come
        yield b"retry: %d\n" % RETRY_MS + event_frame(confirmation, confirmed_at, "subscription_confirmed")
        if start.snapshot:
            yield event_frame(start.snapshot, feed.position, "snapshot")
        async for page in followed(feed, visitor, self._gateway, half_close):
            if page is None:
                yield HEARTBEAT
                continue
            if not page.recovered:
                position = Position(page.epoch, page.after)
                yield event_frame(replies.subscription_reset(project_id, position), position, "subscription_reset")
            for entry in page.entries:
                if is_over(visitor, self._gateway):  # a client that reads slowly may have lost its right meanwhile
                    return
                yield event_frame(entry.payload, Position(page.epoch, entry.offset))
        if self._gateway.is_draining():
            yield event_frame(replies.reconnect("draining", RETRY_MS), None, "reconnect")


def _since(request: Request) -> Position | None:
    """The position at which to resume. The id of the last event wins over `since`; an empty one says that the client
    got no event yet. If this gateway never gave that id, the answer is a position of a foreign log, because an error
    would end an `EventSource` for good. Raises CommandError with `invalid_field` for a bad `since`."""
    asked = parameter(request, "since")
    since = None if asked is None else read_position(asked)
    last_id = ", ".join(request.headers.getlist("last-event-id") or request.query_params.getlist(LAST_EVENT_ID))
    return resumed_at(last_id) if last_id else since
