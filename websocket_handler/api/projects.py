"""Routes of one project: publish, read, long poll, presence."""

import math
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.api.access import Visitor, check_still, is_over, note_action, patience_s, visitor_of
from websocket_handler.api.gateway import (
    Gateway,
    Waiter,
    flag,
    from_snapshot,
    head_of_json,
    json_response,
    page_limit,
    parameter,
    read_body,
    whole_number,
)
from websocket_handler.api.half_close import half_close_of
from websocket_handler.api.streams import count_visitor, place_taken, unless_gone
from websocket_handler.delivery.own_log import is_operator, published
from websocket_handler.logs.feed import PageLimits
from websocket_handler.protocol import json_text, publication, replies
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.json_text import JsonObject
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import EPOCH, IDEMPOTENCY_KEY, OFFSET_MAX, is_project_id
from websocket_handler.protocol.publication import PreparedPublication

BATCH_MAX = 100
WHITESPACE = b" \t\r\n"
Made = TypeVar("Made")
WAIT_MAX_S = 60.0
_SECONDS = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
"""A number as JSON and OpenAPI write it; Python's own reading is laxer."""


class ProjectRoutes:
    """Everything under `/api/v1/projects/{id}`, and broadcasts."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def publish(self, request: Request) -> Response:
        """POST messages: publish one object, or all objects of an array, or nothing."""
        project_id = project_id_of(request)
        key = read_key(request.headers.getlist("idempotency-key"))
        node = self._gateway.node
        messages, is_batch = await self._read(request)

        def prepare(index: int) -> PreparedPublication:
            return node.prepare(messages[index], project_id, f"{key}:{index}" if key and is_batch else key)

        prepared = _each(messages, prepare, is_batch=is_batch)
        waiters = [Waiter() for _ in prepared]
        node.publish_all([(one, waiter.done) for one, waiter in zip(prepared, waiters, strict=True)])
        positions = await _all(waiters)
        identity = visitor_of(request).identity
        if is_operator(identity):
            for position in positions:
                self._gateway.own_log.used("publish", identity, published(project_id, position))
        if not is_batch:
            return json_response(replies.publish_confirmed(project_id, positions[0]))
        answer = {
            "type": "publish_confirmed",
            "project_id": project_id,
            "epoch": positions[0].epoch,
            "offsets": [position.offset for position in positions],
        }
        return json_response(msgspec.json.encode(answer))

    async def _read(self, request: Request) -> tuple[Sequence[JsonObject], bool]:
        """The objects in a request's body, and True if the body was an array of them."""
        body = await read_body(request, self._gateway)
        if holds_array(body):
            return read_batch(body), True
        self._gateway.node.check_size(body)
        return [publication.read_object(body)], False

    async def broadcast(self, request: Request) -> Response:
        """POST broadcast: send one object, or an array of them, to every connection."""
        node = self._gateway.node
        messages, is_batch = await self._read(request)
        prepared = _each(messages, lambda index: node.prepare_broadcast(messages[index]), is_batch=is_batch)
        waiters = [Waiter() for _ in prepared]
        reached = 0
        for one, waiter in zip(prepared, waiters, strict=True):
            reached = node.broadcast(one, waiter.done)
        for waiter in waiters:
            await waiter.result(type(None))
        note_action(self._gateway, request, "broadcast", messages=len(prepared), connections=reached)
        return json_response(msgspec.json.encode({"type": "broadcast_confirmed", "connections": reached}))

    async def messages(self, request: Request) -> Response:
        """GET messages: answer with a page of the log. With `wait`, wait until there is one. With `from`, answer with
        the snapshot and the page that follows it."""
        project_id = project_id_of(request)
        begins_with_snapshot = from_snapshot(request, "after", "epoch")
        after = whole_number(request, "after", 0, 0, OFFSET_MAX)
        node, visitor = self._gateway.node, visitor_of(request)
        limits = PageLimits(page_limit(request, node.limits.history_page_messages), node.limits.history_page_bytes)
        wait_s, epoch = patience_s(visitor, self._gateway, _wait_s(request)), _epoch(request)
        folds = flag(request, "fold")
        if request.method == "HEAD":
            return head_of_json()
        half_close = half_close_of(request)
        feed = node.feed(
            project_id,
            after=after,
            epoch=epoch,
            limits=limits,
            folds=folds,
            is_over=lambda: half_close.is_done or self._is_over(visitor),
        )
        snapshot = b""
        with feed, half_close.waking(feed.wake):
            if begins_with_snapshot:
                snapshot = (await feed.begin_with_snapshot()).snapshot
            page = await feed.next(0)
            if page is None and wait_s and not snapshot:
                await count_visitor(request, self._gateway)
                with place_taken(request, self._gateway):
                    page = await unless_gone(request, feed.next(wait_s))
                check_still(visitor, self._gateway)
            end, payloads = feed.position, [] if page is None else page.payloads
        recovered = page is None or page.recovered
        return json_response(replies.history(project_id, end, payloads, recovered=recovered, snapshot=snapshot))

    def _is_over(self, visitor: Visitor) -> bool:
        return self._gateway.is_draining() or is_over(visitor, self._gateway)

    async def presence(self, request: Request) -> Response:
        """GET presence: answer who follows the project."""
        project_id, waiter = project_id_of(request), Waiter()
        if request.method == "HEAD":
            return head_of_json()
        self._gateway.presence(project_id, waiter.done)
        return json_response(await waiter.result(bytes))


def project_id_of(request: Request) -> str:
    """The project that the path names. Raises CommandError with `invalid_project_id`."""
    project_id: str = request.path_params["project_id"]
    if not is_project_id(project_id):
        raise invalid_project_id()
    return project_id


def holds_array(body: bytes) -> bool:
    """True if the body can only be an array of objects."""
    return body.lstrip(WHITESPACE).startswith(b"[")


def read_key(keys: Sequence[str]) -> str:
    """The idempotency key in the values of `Idempotency-Key`; empty if there is none. Raises CommandError with
    `invalid_field`."""
    if not keys:
        return ""
    if len(keys) > 1 or IDEMPOTENCY_KEY.fullmatch(keys[0]) is None:
        raise CommandError(ErrorCode.INVALID_FIELD, "Idempotency-Key has 1 to 128 printable ASCII characters")
    return keys[0]


def read_batch(body: bytes) -> Sequence[JsonObject]:
    """The objects of an array, each with its own bytes. The array is parsed once. Raises CommandError: `invalid_json`,
    `too_deep`, `invalid_field`, `not_an_object`."""
    values = json_text.parse(body)
    try:
        texts = msgspec.json.decode(body, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise json_text.refused_by_second_reader(error) from None
    if not 1 <= len(texts) <= BATCH_MAX:
        raise CommandError(ErrorCode.INVALID_FIELD, f"a batch has 1 to {BATCH_MAX} messages")
    assert isinstance(values, list), "both readers saw an array"

    def made(index: int) -> JsonObject:
        if not isinstance(values[index], tuple):
            raise json_text.not_an_object()
        return JsonObject(bytes(texts[index]), values[index])

    return _each(texts, made, is_batch=True)


def _each(items: Sequence[object], work: Callable[[int], Made], *, is_batch: bool) -> list[Made]:
    """The results of `work` for each index of `items`. An error in a batch names the item."""
    made: list[Made] = []
    for index in range(len(items)):
        try:
            made.append(work(index))
        except CommandError as fault:
            if not is_batch:
                raise
            raise CommandError(fault.code, f"message {index}: {fault.message}") from None
    return made


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
