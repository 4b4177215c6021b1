"""What the HTTP API needs from the node, and how its answers look."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from websocket_handler.access.access import Access
from websocket_handler.access.admission import Admission
from websocket_handler.delivery.census import Census
from websocket_handler.delivery.control import Control
from websocket_handler.delivery.decisions import Decisions
from websocket_handler.delivery.forwarding import Forwarding
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.own_log import OwnLog
from websocket_handler.delivery.queue_watch import QueueWatch
from websocket_handler.delivery.readiness import Readiness
from websocket_handler.ports.clock import Clock
from websocket_handler.protocol.codec import both_fault, is_from_snapshot, yes_or_no
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.encodings import check_fields
from websocket_handler.protocol.http_errors import http_error
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog
from websocket_handler.telemetry.refusals import RefusalLog

LIMIT_DEFAULT = 100
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Gateway:
    """The node as the HTTP API sees it."""

    node: Node
    own_log: OwnLog
    forwarding: Forwarding
    decisions: Decisions
    queue_watch: QueueWatch
    control: Control
    clock: Clock
    log: EventLog
    counters: Counters
    body_bytes_max: int
    body_timeout_s: float
    is_draining: Callable[[], bool]
    readiness: Readiness
    presence: Callable[[str, Callable[[bytes | CommandError], None]], None]
    census: Census
    access: Access
    admission: Admission
    refusals: RefusalLog


def json_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def error_response(fault: CommandError) -> Response:
    """The error object of the protocol, with its HTTP status."""
    error = http_error(fault)
    return Response(error.body, error.status, error.headers)


def bodiless(headers: Mapping[str, str], media_type: str) -> Response:
    """The answer to HEAD where GET would take a place or wait: the headers, at once. It has no length, because only the
    work for GET would tell it (RFC 9110 section 9.3.2)."""
    response = Response(headers=headers, media_type=media_type)
    del response.headers["content-length"]
    return response


def head_of_json() -> Response:
    """The answer to HEAD where GET has to ask a store or another node for its JSON."""
    return bodiless({"Cache-Control": "no-store"}, "application/json")


class Waiter:
    """Lets a coroutine wait for the node's callback: `done` is the callback, and `result` waits for it."""

    def __init__(self) -> None:
        self._future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def done(self, answer: object) -> None:
        """Take the answer. It is dropped if nobody waits any more."""
        if not self._future.done():
            self._future.set_result(answer)

    async def result(self, kind: type[Answer]) -> Answer:
        """Wait for the answer. Raises the CommandError that came instead."""
        answer = await self._future
        if isinstance(answer, CommandError):
            raise answer
        assert isinstance(answer, kind), "the callback answers with one type"
        return answer


async def read_body(request: Request, gateway: Gateway) -> bytes:
    """Read the whole request body. Raises CommandError if it is compressed, too large, does not come in time, or ends
    before its announced length."""
    fields = request.headers
    check_fields(
        fields.getlist("content-type"), fields.getlist("content-encoding"), fields.getlist("transfer-encoding")
    )
    try:
        async with asyncio.timeout(gateway.body_timeout_s):
            return await _collect(request, gateway.body_bytes_max)
    except TimeoutError:
        raise CommandError(
            ErrorCode.INVALID_FIELD, "the body did not come in time, or is shorter than announced"
        ) from None
    except ClientDisconnect:
        raise CommandError(ErrorCode.INVALID_FIELD, "the body is shorter than announced") from None


async def _collect(request: Request, bytes_max: int) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > bytes_max:
        raise body_too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise body_too_large(bytes_max)
        chunks.append(chunk)
    return b"".join(chunks)


def body_too_large(bytes_max: int) -> CommandError:
    """The answer to a request whose body has more bytes."""
    return CommandError(ErrorCode.MESSAGE_TOO_LARGE, f"a body has at most {bytes_max} bytes")


def parameter(request: Request, name: str) -> str | None:
    """The value of a query parameter; None if it is missing. Raises CommandError with `invalid_field` if it stands
    there twice."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise CommandError(ErrorCode.INVALID_FIELD, f"{name} stands once")
    return values[0] if values else None


def flag(request: Request, name: str) -> bool:
    """A query parameter that is `true` or `false`; false if it is missing. Raises CommandError with `invalid_field`."""
    return yes_or_no(name, request.query_params.getlist(name))


def from_snapshot(request: Request, *others: str) -> bool:
    """True if a reader asks to begin with the snapshot (`from=snapshot`). Raises CommandError with `invalid_field` if
    one of the `others` says where to begin, too."""
    asked = is_from_snapshot(request.query_params.getlist("from"))
    for other in others if asked else ():
        if other in request.query_params:
            raise both_fault(other, "from")
    return asked


def whole_number(request: Request, name: str, default: int, low: int, high: int) -> int:
    """An integer query parameter. Raises CommandError with `invalid_field`."""
    text = parameter(request, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and low <= int(text) <= high):
        raise CommandError(ErrorCode.INVALID_FIELD, f"{name} must be an integer from {low} to {high}")
    return int(text)


def page_limit(request: Request, most: int) -> int:
    """The query parameter `limit`: 100 if it is missing, and `most` if it is higher than that. Raises CommandError with
    `invalid_field`."""
    text = parameter(request, "limit")
    if text is None:
        return min(LIMIT_DEFAULT, most)
    digits = text.lstrip("0")
    if not (digits and digits.isascii() and digits.isdigit()):
        raise CommandError(ErrorCode.INVALID_FIELD, "limit must be an integer of at least 1")
    return min(int(digits[:10]), most)
