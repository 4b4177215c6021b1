"""The time that an HTTP connection may be idle. Real sockets; nothing waits for the time to pass."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.frames import handshake_head
from tests.support.raw_socket import close_at_once
from tests.support.virtual_time import settle
from tests.support.wires import Wire
from websocket_handler.api.http_factory import http_protocol_factory
from websocket_handler.api.http_limits import HELD_BYTES_MAX
from websocket_handler.api.http_server import HttpProtocol

pytestmark = pytest.mark.asyncio

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Server:
    """A server with one client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: HttpProtocol) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = protocol

    async def send(self, data: bytes) -> None:
        """Send bytes, and wait until the server has seen them."""
        seen = asyncio.Event()
        received = self._protocol.data_received

        def data_received(data: bytes) -> None:
            received(data)
            seen.set()

        self._protocol.data_received = data_received  # type: ignore[method-assign]
        self._writer.write(data)
        await seen.wait()
        self._protocol.data_received = received  # type: ignore[method-assign]

    async def answer(self) -> None:
        """Wait for an empty answer."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 204 ")

    @property
    def is_idle(self) -> bool:
        """True while the connection ends if nothing comes."""
        return self._protocol.timeout_keep_alive_task is not None


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """A server that answers with 204."""

    async def endpoint(_request: Request) -> Response:
        return Response(status_code=204)

    def never_given_back(_transport: asyncio.Transport, _data: bytes) -> None:
        raise AssertionError

    make = http_protocol_factory(Starlette(routes=[Route("/", endpoint)]), lambda: "today", close_at_once)
    made: list[HttpProtocol] = []

    def factory() -> HttpProtocol:
        protocol = make(never_given_back)
        assert isinstance(protocol, HttpProtocol)
        made.append(protocol)
        return protocol

    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        yield Server(reader, writer, made[0])
        writer.close()
        await writer.wait_closed()


async def test_a_connection_is_idle_after_its_answer_and_not_while_a_request_comes() -> None:
    async with serving() as server:
        assert server.is_idle
        await server.send(GET[:10])
        assert not server.is_idle
        await server.send(GET[10:])
        await server.answer()
        assert server.is_idle


async def test_empty_lines_keep_no_connection() -> None:
    async with serving() as server:
        await server.send(b"\r\n\r\n")
        assert server.is_idle


async def test_a_part_of_the_next_request_keeps_the_connection() -> None:
    """It has a time of its own: that of a request head."""
    async with serving() as server:
        await server.send(GET + GET[:10])
        await server.answer()
        assert not server.is_idle
        await server.send(GET[10:])
        await server.answer()
        assert server.is_idle


async def test_what_comes_behind_a_handshake_that_waits_is_bounded() -> None:
    """A poll listens for the end of its client, so it reads on. It must not read without end."""
    may_answer = asyncio.Event()

    async def poll(request: Request) -> Response:
        listening = asyncio.ensure_future(request.receive())
        await may_answer.wait()
        await listening
        return Response(status_code=204)

    given: list[bytes] = []
    make = http_protocol_factory(Starlette(routes=[Route("/", poll)]), lambda: "today", close_at_once)
    wire = Wire()
    wire.open(make(lambda _transport, data: given.append(data)))
    wire.send(GET + handshake_head())
    await settle()
    assert wire.is_reading()
    wire.send(b"x" * HELD_BYTES_MAX)
    assert not wire.is_reading()
    may_answer.set()
    await settle()
    (handed_over,) = given
    assert handed_over.startswith(b"GET /ws HTTP/1.1\r\n")
    assert handed_over.endswith(b"\r\n\r\n" + b"x" * HELD_BYTES_MAX)
