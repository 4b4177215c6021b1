"""What HTTP asks of every answer and uvicorn leaves out. Real sockets."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.support.http_api import Exchange
from websocket_handler.api.answers import dated
from websocket_handler.api.http_factory import http_protocol_factory
from websocket_handler.net.lingering import Lingering

pytestmark = pytest.mark.asyncio
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


async def short(_request: Request) -> Response:
    return Response("hello")


async def streamed(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"hel"
        yield b"lo"

    return StreamingResponse(parts())


async def unread(_request: Request) -> Response:
    return Response("no", 403)


async def read(request: Request) -> Response:
    return Response(await request.body())


APPLICATION = Starlette(
    routes=[
        Route("/short", short),
        Route("/streamed", streamed),
        Route("/unread", unread, methods=["POST"]),
        Route("/read", read, methods=["POST"]),
    ]
)


class Client:
    """A socket that sends what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self, request: str, body: bytes = b"") -> str:
        """The head of the answer to a request, in small letters."""
        self.writer.write(request.replace("\n", "\r\n").encode() + body)
        return (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()

    async def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        return await self.reader.read()


@asynccontextmanager
async def connected() -> AsyncIterator[Client]:
    """A client of a server with this application."""

    def never_given_back(_transport: asyncio.Transport, _data: bytes) -> None:
        raise AssertionError

    make: Callable[..., asyncio.Protocol] = http_protocol_factory(APPLICATION, lambda: DATE, Lingering().end)
    server = await asyncio.get_running_loop().create_server(lambda: make(never_given_back), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


async def test_a_body_without_a_length_comes_in_chunks_over_http_1_1_only() -> None:
    async with connected() as client:
        head = await client.head("GET /streamed HTTP/1.1\nHost: a\n\n")
        assert "transfer-encoding: chunked" in head
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
        assert "http/1.1 200" in await client.head("GET /short HTTP/1.1\nHost: a\n\n"), "the connection goes on"


async def test_a_client_of_http_1_0_gets_the_body_as_it_is_and_the_end_of_the_connection() -> None:
    async with connected() as client:
        head = await client.head("GET /streamed HTTP/1.0\n\n")
        assert "transfer-encoding" not in head
        assert "content-length" not in head
        assert await client.rest() == b"hello"


async def test_a_client_of_http_1_0_gets_a_length_where_there_is_one() -> None:
    async with connected() as client:
        head = await client.head("GET /short HTTP/1.0\n\n")
        assert "content-length: 5" in head
        assert await client.rest() == b"hello"


async def test_a_client_of_http_1_0_is_never_told_to_continue() -> None:
    async with connected() as client:
        head = await client.head("POST /read HTTP/1.0\nContent-Length: 2\nExpect: 100-continue\n\n", b"ab")
        assert head.startswith("http/1.1 200")
        assert await client.rest() == b"ab"


async def test_an_answer_before_the_body_was_read_ends_the_connection() -> None:
    async with connected() as client:
        head = await client.head("POST /unread HTTP/1.1\nHost: a\nContent-Length: 5\nExpect: 100-continue\n\n")
        assert head.startswith("http/1.1 403")
        assert "connection: close" in head
        assert await client.rest() == b"no", "what comes next is not taken for a request"


async def test_a_body_that_was_read_leaves_the_connection_open() -> None:
    async with connected() as client:
        head = await client.head("POST /read HTTP/1.1\nHost: a\nContent-Length: 5\n\n", b"hello")
        assert "connection: close" not in head
        assert await client.reader.readexactly(5) == b"hello"
        assert "http/1.1 200" in await client.head("GET /short HTTP/1.1\nHost: a\n\n")


@pytest.mark.parametrize("path", ["short", "streamed"])
async def test_a_request_that_was_answered_is_no_garbage(path: str) -> None:
    """Else the collector took a third of a publication's processor time."""
    gc.collect()
    gc.disable()
    try:
        async with connected() as client:
            for _ in range(3):
                await client.head(f"GET /{path} HTTP/1.1\nHost: a\n\n")
                await client.reader.readuntil(b"hello" if path == "short" else b"0\r\n\r\n")
            cycles = [thing for thing in gc.get_objects() if isinstance(thing, RequestResponseCycle)]
            assert len(cycles) == 1, "the server holds the newest one"
    finally:
        gc.enable()


async def test_every_answer_says_when_it_was_given_and_says_it_once() -> None:
    times = iter(["first", "second", "third"])
    application = dated(APPLICATION, lambda: next(times))
    for target, time in (("/short", "first"), ("/streamed", "second"), ("/nothing", "third")):
        exchange = await Exchange("GET", target).run(application)
        assert exchange.headers["date"] == time
        assert exchange.body in (b"hello", b"Not Found")


async def test_what_is_no_answer_gets_no_date() -> None:
    sent: list[Any] = []

    async def lifespan(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})

    async def send(message: Any) -> None:
        sent.append(message)

    exchange = Exchange("GET", "/")
    await dated(lifespan, lambda: DATE)(exchange.scope, exchange.receive, send)
    assert sent == [{"type": "lifespan.startup.complete"}]
