"""The proxy of `dev --chaos`: what goes through it, and what it does to connections when it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.broken_aws import refused_port
from tests.support.patience import PATIENCE_S
from websocket_handler.cli.dev.proxy import Proxy

pytestmark = pytest.mark.asyncio
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say the same until the other side says no more."""
    with suppress(ConnectionError):
        while piece := await reader.read(1000):
            writer.write(piece)
    await end(writer)


async def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever has become of it."""
    with suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def before_an_echo() -> AsyncIterator[tuple[Proxy, Pair]]:
    """A proxy, and a client behind it."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[1])
    async with server, asyncio.timeout(PATIENCE_S), proxy.serving(["127.0.0.1"], 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield proxy, (reader, writer)
        await end(writer)


async def test_bytes_and_ends_go_through() -> None:
    async with before_an_echo() as (_, (reader, writer)):
        writer.write(b"x" * 200_000)
        writer.write_eof()
        assert await reader.read(-1) == b"x" * 200_000


async def test_a_cut_ends_every_connection() -> None:
    async with before_an_echo() as (proxy, (reader, writer)):
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        proxy.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)


@pytest.mark.parametrize("how", ["stall", "slow"])
async def test_what_is_held_back_comes_later_and_whole(how: str) -> None:
    async with before_an_echo() as (proxy, (reader, writer)):
        getattr(proxy, how)(0.01)
        writer.write(b"late")
        assert await reader.readexactly(4) == b"late"


async def test_without_a_gateway_a_client_is_sent_away() -> None:
    with refused_port() as target:
        async with asyncio.timeout(PATIENCE_S), Proxy(target).serving(["127.0.0.1"], 0) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            await end(writer)
