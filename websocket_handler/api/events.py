"""Server-sent events: a project's log for networks without WebSocket, with the same positions.

An event's id is `EPOCH:OFFSET`, so the browser's own `Last-Event-ID` resumes exactly where it was cut. The
reader pulls: a client that does not read holds one page and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

from starlette.requests import Request

from websocket_handler.api.access import Visitor, is_over, patience_s, visitor_of
from websocket_handler.api.gateway import Gateway, Waiter, parameter
from websocket_handler.api.projects import project_id_of
from websocket_handler.api.streams import HeldStream, place_taken
from websocket_handler.delivery.project import Project
from websocket_handler.hub.log import Start
from websocket_handler.protocol import replies
from websocket_handler.protocol.codec import read_position
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import OFFSET_MAX
from websocket_handler.protocol.replies import HistoryPage

HEARTBEAT_S = 15.0
RETRY_MS = 2000
PAGE_MESSAGES = 200
PAGE_BYTES = 131_072


class EventRoutes:
    """`GET /api/v1/projects/{id}/events`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def events(self, request: Request) -> HeldStream:
        """Follow a project as a stream of events. Faults are answered before the stream begins."""
        project_id = project_id_of(request)
        since = _since(request)
        with ExitStack() as held:
            held.enter_context(place_taken(request, self._gateway))
            project = self._gateway.node.project(project_id)
            project.fan_out.hold()
            held.callback(project.fan_out.release)
            waiter = Waiter()
            project.fan_out.reader.place(since, None, waiter.done)
            start = await waiter.result(Start)
            stream = self._stream(project, start, visitor_of(request))
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return HeldStream(stream, headers=headers).hold(held.pop_all())

    async def _stream(self, project: Project, start: Start, visitor: Visitor) -> AsyncIterator[bytes]:
        position = Position(project.log.epoch, start.offset)
        confirmation = replies.subscription_confirmed(project.project_id, position, recovered=start.recovered)
        yield b"retry: %d\n" % RETRY_MS + _event(confirmation, position, "subscription_confirmed")
        while not self._gateway.is_draining():
            page = await self._next_page(project, position, patience_s(visitor, self._gateway, HEARTBEAT_S))
            if is_over(visitor, self._gateway):
                return  # the client comes back, and is told why it may not
            if page is None:
                yield b": still here\n\n"
                continue
            first = page.position.offset - len(page.payloads)
            if page.position.epoch != position.epoch or not page.recovered:
                position = Position(page.position.epoch, first)
                reset = replies.subscription_reset(project.project_id, position)
                yield _event(reset, position, "subscription_reset")
            for offset, payload in enumerate(page.payloads, first + 1):
                yield _event(payload, Position(page.position.epoch, offset))
            position = page.position
        yield _event(replies.reconnect("draining", RETRY_MS), None, "reconnect")

    async def _next_page(self, project: Project, position: Position, wait_s: float) -> HistoryPage | None:
        """What follows `position`, as soon as there is something; None when it is time for a heartbeat."""
        woken = Waiter()
        project.fan_out.wake_once(woken, lambda: woken.done(None))
        try:
            page = await self._page(project, position)
            if page is not None:
                return page
            async with asyncio.timeout(wait_s):
                await woken.result(type(None))
            return await self._page(project, position)
        except TimeoutError:
            return None
        finally:
            project.fan_out.forget_wake(woken)

    async def _page(self, project: Project, position: Position) -> HistoryPage | None:
        waiter = Waiter()
        after = position.offset if position.epoch == project.log.epoch else OFFSET_MAX
        project.fan_out.reader.page(after, PAGE_MESSAGES, PAGE_BYTES, waiter.done)
        try:
            page = await waiter.result(HistoryPage)
        except CommandError:
            await asyncio.sleep(1)  # the store does not answer: the place is kept, and asked for again
            return None
        return page if page.payloads or not page.recovered else None


def _since(request: Request) -> Position | None:
    """Where to resume: `Last-Event-ID` wins over `since`; an empty one says that there was no event yet.
    Raises CommandError with `invalid_field`."""
    asked, ids = parameter(request, "since"), request.headers.getlist("last-event-id")
    since = None if asked is None else read_position(asked)
    if len(ids) > 1:
        raise CommandError(ErrorCode.INVALID_FIELD, "Last-Event-ID stands once")
    return read_position(ids[0]) if ids and ids[0] else since


def _event(data: bytes, position: Position | None, kind: str | None = None) -> bytes:
    """One event as the HTML standard frames it; line breaks in the data become several `data:` lines."""
    lines = [b"event: " + kind.encode()] if kind else []
    if position is not None:
        lines.append(f"id: {position.epoch}:{position.offset}".encode())
    lines.extend(b"data: " + line for line in data.splitlines())
    return b"\n".join(lines) + b"\n\n"
