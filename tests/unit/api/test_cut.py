"""The end of a connection in the middle of an answer, on a real socket: no client takes the answer for a whole one."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.support.patience import PATIENCE_S
from tests.support.raw_socket import close_at_once
from websocket_handler.api.cut import cut_of
from websocket_handler.api.http_factory import http_protocol_factory

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_cut_answer_has_no_end(version: bytes) -> None:
    may_cut = asyncio.Event()

    async def endpoint(request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            await may_cut.wait()
            cut_of(request)()

        return StreamingResponse(parts())

    def never_given_back(_transport: asyncio.Transport, _data: bytes) -> None:
        raise AssertionError

    make = http_protocol_factory(Starlette(routes=[Route("/", endpoint)]), lambda: "today", close_at_once)
    server = await asyncio.get_running_loop().create_server(lambda: make(never_given_back), "127.0.0.1", 0)
    async with server, asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
        await reader.readuntil(b"one")
        may_cut.set()
        with pytest.raises(ConnectionResetError):  # also where no chunk says that the answer has an end (HTTP/1.0)
            await reader.read()
        writer.close()
