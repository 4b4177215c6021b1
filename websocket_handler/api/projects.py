"""Routes of one project: publish, read, long poll, presence."""

import asyncio
import math
import re
from collections.abc import Callable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.api.access import Visitor, check_still, is_over, patience_s, visitor_of
from websocket_handler.api.gateway import Gateway, Waiter, json_response, page_limit, parameter, read_body, whole_number
from websocket_handler.api.streams import place_taken, unless_gone
from websocket_handler.delivery.project import Project
from websocket_handler.protocol import json_text, publication, replies
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import EPOCH, IDEMPOTENCY_KEY, OFFSET_MAX, is_project_id
from websocket_handler.protocol.replies import HistoryPage

BATCH_MAX = 100
WAIT_MAX_S = 60.0
_SECONDS = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
"""A number as JSON and OpenAPI write it; Python's own reading is laxer."""


class ProjectRoutes:
    """Everything under `/api/v1/projects/{id}`, and broadcasts."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def publish(self, request: Request) -> Response:
        """POST messages: one object, or an array of them, all or nothing."""
        project_id = project_id_of(request)
        key = _key(request)
        body = await read_body(request, self._gateway)
        items, is_batch = split(body)
        heads = [self._head(item, project_id, index if is_batch else None) for index, item in enumerate(items)]
        project = self._gateway.node.project(project_id)
        project.check_room(len(heads), sum(map(len, heads)))
        waiters = [Waiter() for _ in heads]
        for index, (head, waiter) in enumerate(zip(heads, waiters, strict=True)):
            item_key = f"{key}:{index}" if key and is_batch else key
            project.publish(head, item_key, publication.digest(head) if item_key else b"", waiter.done)
        positions = await _all(waiters)
        if not is_batch:
            return json_response(replies.publish_confirmed(project_id, positions[0]))
        answer = {
            "type": "publish_confirmed",
            "project_id": project_id,
            "epoch": positions[0].epoch,
            "offsets": [position.offset for position in positions],
        }
        return json_response(msgspec.json.encode(answer))

    def _head(self, item: bytes, project_id: str, index: int | None) -> bytes:
        return self._checked(lambda payload: publication.publication_head(payload, project_id), item, index)

    def _checked(self, read: Callable[[bytes], bytes], item: bytes, index: int | None) -> bytes:
        def checked(payload: bytes) -> bytes:
            self._gateway.node.check_size(payload)
            return read(payload)

        return with_index(checked, item, index)

    async def broadcast(self, request: Request) -> Response:
        """POST broadcast: one object, or an array of them, to every connection of this node."""
        items, is_batch = split(await read_body(request, self._gateway))
        for index, item in enumerate(items):
            self._checked(publication.broadcast_payload, item, index if is_batch else None)
        reached = 0
        for item in items:
            reached = self._gateway.node.broadcast(item)
        return json_response(msgspec.json.encode({"type": "broadcast_confirmed", "connections": reached}))

    async def messages(self, request: Request) -> Response:
        """GET messages: a page of the log; with `wait`, once there is one."""
        project_id = project_id_of(request)
        after = whole_number(request, "after", 0, 0, OFFSET_MAX)
        count = page_limit(request, self._gateway.node.limits.history_page_messages)
        visitor = visitor_of(request)
        wait_s, epoch = patience_s(visitor, self._gateway, _wait_s(request)), _epoch(request)
        project = self._gateway.node.project(project_id)
        project.fan_out.hold()
        try:
            page = await self._page(project, after, count, epoch)
            if not page.payloads and page.recovered and wait_s:
                with place_taken(request, self._gateway):
                    await unless_gone(request, self._grown(project, page.position.offset, wait_s, visitor))
                check_still(visitor, self._gateway)
                page = await self._page(project, after, count, epoch)
        finally:
            project.fan_out.release()
        return json_response(replies.history(project_id, page))

    async def _page(self, project: Project, after: int, count: int, epoch: str | None) -> HistoryPage:
        waiter = Waiter()
        project.fan_out.reader.page(after, count, self._gateway.node.limits.history_page_bytes, waiter.done)
        page = await waiter.result(HistoryPage)
        if epoch is None or epoch == page.position.epoch:
            return page
        other = Waiter()  # another numbering: nothing of the given place can be continued
        project.fan_out.reader.page(OFFSET_MAX, count, self._gateway.node.limits.history_page_bytes, other.done)
        return await other.result(HistoryPage)

    async def _grown(self, project: Project, offset: int, wait_s: float, visitor: Visitor) -> None:
        """Wait until something is newer than `offset`, the time is over, or the node or the visitor has to go."""
        try:
            async with asyncio.timeout(wait_s):
                while (
                    project.fan_out.delivered <= offset
                    and not self._gateway.is_draining()
                    and not is_over(visitor, self._gateway)
                ):
                    woken = Waiter()
                    project.fan_out.wake_once(woken, lambda woken=woken: woken.done(None))  # type: ignore[misc]
                    try:
                        await woken.result(type(None))
                    finally:
                        project.fan_out.forget_wake(woken)
        except TimeoutError:
            return

    async def presence(self, request: Request) -> Response:
        """GET presence: who follows the project on this node."""
        return json_response(self._gateway.presence(project_id_of(request)))


def project_id_of(request: Request) -> str:
    """The project that the path names. Raises CommandError with `invalid_project_id`."""
    project_id: str = request.path_params["project_id"]
    if not is_project_id(project_id):
        raise invalid_project_id()
    return project_id


def _key(request: Request) -> str:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return ""
    if len(keys) > 1 or IDEMPOTENCY_KEY.fullmatch(keys[0]) is None:
        raise CommandError(ErrorCode.INVALID_FIELD, "Idempotency-Key has 1 to 128 printable ASCII characters")
    return keys[0]


def split(body: bytes) -> tuple[Sequence[bytes], bool]:
    """The objects of a request body, each as its own bytes, and whether it was an array."""
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return [body], False
    json_text.parse(body)
    try:
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise CommandError(ErrorCode.INVALID_JSON, f"Invalid JSON: {error}") from None
    if not 1 <= len(items) <= BATCH_MAX:
        raise CommandError(ErrorCode.INVALID_FIELD, f"a batch has 1 to {BATCH_MAX} messages")
    return [bytes(item) for item in items], True


def with_index(read: Callable[[bytes], bytes], item: bytes, index: int | None) -> bytes:
    """Read one item; a fault of a batch names the item."""
    try:
        return read(item)
    except CommandError as fault:
        if index is None:
            raise
        raise CommandError(fault.code, f"message {index}: {fault.message}") from None


async def _all(waiters: Sequence[Waiter]) -> list[Position]:
    return [await waiter.result(Position) for waiter in waiters]


def _wait_s(request: Request) -> float:
    text = parameter(request, "wait")
    if text is None:
        return 0.0
    wait_s = float(text) if _SECONDS.fullmatch(text) else math.nan
    if not 0 <= wait_s <= WAIT_MAX_S:
        raise CommandError(ErrorCode.INVALID_FIELD, f"wait must be a number of seconds from 0 to {WAIT_MAX_S:.0f}")
    return wait_s


def _epoch(request: Request) -> str | None:
    epoch = parameter(request, "epoch")
    if epoch is not None and EPOCH.fullmatch(epoch) is None:
        raise CommandError(ErrorCode.INVALID_FIELD, "epoch must be one that the gateway gave")
    return epoch
