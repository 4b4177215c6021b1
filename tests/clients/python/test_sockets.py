"""The Python SDK's sockets, against a server of the library `websockets` on a real port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from websocket_handler_client.dialing import Ended
from websocket_handler_client.sockets import TURN_MESSAGES, dial

pytestmark = pytest.mark.anyio
BURST = 20 * TURN_MESSAGES + 1


@asynccontextmanager
async def served(handle: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """The URL of a server that does this with each connection."""
    async with serve(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/"


async def received(handle: Callable[[ServerConnection], Awaitable[None]]) -> tuple[list[str | bytes], Ended]:
    """What a client takes until the socket ends, and how it ends."""
    taken: list[str | bytes] = []
    async with served(handle) as url:
        socket = await dial(url, None, 5.0)
        end = await socket.receive(taken.append)
    return taken, end


async def test_what_came_before_the_end_is_handed_on_first() -> None:
    async def handle(connection: ServerConnection) -> None:
        for number in range(BURST):
            await connection.send(str(number))
        await connection.close(4012, "come back")

    taken, end = await received(handle)
    assert taken == [str(number) for number in range(BURST)]
    assert end == Ended(4012, "come back")


async def test_other_tasks_have_their_turn_within_a_burst() -> None:
    """A reader that drains its inbox in each of its turns never finds more in it than one turn's messages."""

    async def handle(connection: ServerConnection) -> None:
        connection.transport.write(b"".join(b"\x81\x01%d" % (number % 10) for number in range(BURST)))
        await connection.close()

    inbox: list[str | bytes] = []
    sizes: list[int] = []

    async def read() -> None:
        while sum(sizes) < BURST:
            if inbox:
                sizes.append(len(inbox))
                inbox.clear()
            await asyncio.sleep(0)

    async with served(handle) as url:
        socket = await dial(url, None, 5.0)
        reading = asyncio.create_task(read())
        await socket.receive(inbox.append)
        await reading
    assert sum(sizes) == BURST
    assert max(sizes) <= TURN_MESSAGES


async def test_a_message_in_several_frames_is_one_message() -> None:
    async def handle(connection: ServerConnection) -> None:
        await connection.send(["un", "bro", "ken"])
        await connection.send("next")

    taken, end = await received(handle)
    assert taken == ["unbroken", "next"]
    assert end.code == 1000


async def test_bytes_that_are_no_text_are_handed_on_as_they_are() -> None:
    async def handle(connection: ServerConnection) -> None:
        connection.transport.write(b"\x81\x02\xff\xfe" + b"\x82\x01a" + b"\x81\x01b")

    taken, _ = await received(handle)
    assert taken == [b"\xff\xfe", "a", "b"]


async def test_a_socket_that_breaks_has_no_code() -> None:
    async def handle(connection: ServerConnection) -> None:
        await connection.send("last")
        connection.transport.close()

    assert await received(handle) == (["last"], Ended(None, ""))
