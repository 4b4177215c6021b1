"""An error looks the same on every way out of the node: from the HTTP API, from the HTTP server before there is a
request, and instead of a handshake. Real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.frames import HANDSHAKE
from tests.support.raw_socket import close_at_once
from websocket_handler.api.gateway import error_response
from websocket_handler.api.http_factory import http_protocol_factory
from websocket_handler.api.http_server import HttpProtocol
from websocket_handler.app import App
from websocket_handler.config import from_environment
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.http_errors import http_error
from websocket_handler.telemetry.counters import Counters

pytestmark = pytest.mark.asyncio

SETTINGS: Final = {
    "DYNAMODB_TABLE_NAME": "table",
    "LOG_STORE": "memory",
    **{f"SQS_QUEUE_URL_{agent}": "http://127.0.0.1:9/queue" for agent in ("PM", "DEV", "QA", "OPS")},
}
DATE: Final = "Sun, 06 Nov 1994 08:49:37 GMT"
Answer = tuple[int, list[tuple[str, str]], bytes]
Way = Callable[[CommandError, pytest.MonkeyPatch], Coroutine[Any, Any, Answer]]


async def answer(factory: Callable[[], asyncio.Protocol], **headers: str) -> Answer:
    """What a server with these protocols answers to a GET request."""
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    async with server, aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, sorted(response.headers.items()), await response.read()


def never_given_back(_transport: asyncio.Transport, _data: bytes) -> None:
    """No request here asks for a WebSocket."""
    raise AssertionError


async def from_the_api(fault: CommandError, _patch: pytest.MonkeyPatch) -> Answer:
    """A route of the API raises the error."""

    async def endpoint(_request: Request) -> Response:
        raise fault

    async def refused(_request: Request, raised: Exception) -> Response:
        assert raised is fault
        return error_response(fault)

    application = Starlette(routes=[Route("/ws", endpoint)], exception_handlers={CommandError: refused})
    make = http_protocol_factory(application, lambda: DATE, close_at_once)
    return await answer(lambda: make(never_given_back))


async def from_the_http_server(fault: CommandError, patch: pytest.MonkeyPatch) -> Answer:
    """The HTTP server refuses what is no request, before the API sees it."""
    factory = http_protocol_factory(Starlette(), lambda: DATE, close_at_once)

    def refusing() -> asyncio.Protocol:
        protocol = factory(never_given_back)
        assert isinstance(protocol, HttpProtocol)
        patch.setattr(protocol, "data_received", lambda _data: protocol.refuse(fault))
        return protocol

    return await answer(refusing)


async def from_the_handshake(fault: CommandError, patch: pytest.MonkeyPatch) -> Answer:
    """The listener refuses a handshake."""

    def refuse(*_arguments: object) -> None:
        raise fault

    entrance = App(from_environment(SETTINGS), Counters(), "node").entrance
    patch.setattr(entrance.shared, "date", lambda: DATE)
    patch.setattr(entrance, "admit", refuse)
    patch.setattr(entrance, "end_socket", close_at_once)  # the loop of this test ends at once
    return await answer(entrance.protocol, **HANDSHAKE)


@pytest.mark.parametrize("code", ErrorCode)
@pytest.mark.parametrize("way", [from_the_api, from_the_http_server, from_the_handshake])
async def test_every_error_has_one_form_on_all_ways_out(
    way: Way, code: ErrorCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = CommandError(code, "text")
    error = http_error(fault)
    headers = {"Date": DATE, **error.headers, "Content-Length": str(len(error.body))}
    if way is not from_the_api:
        headers["Connection"] = "close, Upgrade" if "Connection" in headers else "close"

    status, found, body = await way(fault, monkeypatch)

    assert (status, body) == (error.status, error.body)
    assert [(name.lower(), value) for name, value in found] == sorted(
        (name.lower(), value) for name, value in headers.items()
    )
