"""permessage-deflate with `COMPRESSION=on`, with clients that offer it on their own: Python's `websockets`, npm `ws`
and Chromium. Somebody stands in between and reads the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.gateway import Gateway, off_loop, running_gateway
from tests.support.links import Client, Connect, new_project, open_client
from tests.support.publications import SOME_TIME

pytestmark = pytest.mark.asyncio(loop_scope="session")

RSV1 = 0x40
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
TEXT = "What an agent says is words, and words come again: " * 100
END_OF_HEAD = b"\r\n\r\n"


class Wiretap:
    """Passes one connection on, byte by byte as it is, and keeps what it saw."""

    def __init__(self, port: int) -> None:
        self.sent = bytearray()
        self.received = bytearray()
        self._port = port
        self._server: asyncio.Server
        self.url = ""

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    async def stop(self) -> None:
        """Listen no more."""
        self._server.close()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gateway_reader, gateway_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(
            self._pass(reader, gateway_writer, self.sent), self._pass(gateway_reader, writer, self.received)
        )

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        try:
            while data := await reader.read(65_536):
                kept += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # the other side is gone; so is this one
        finally:
            writer.close()

    def extensions(self) -> tuple[str, str]:
        """What the client offered, and what was agreed on."""
        return _extensions(self.sent), _extensions(self.received)

    def compressed(self) -> tuple[list[bool], list[bool]]:
        """True for each compressed text frame, False for each plain one, in both directions."""
        return _compressed(self.sent), _compressed(self.received)


def _extensions(data: bytearray) -> str:
    lines = bytes(data).partition(END_OF_HEAD)[0].decode("latin-1").split("\r\n")
    found = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("sec-websocket-extensions:")]
    return ", ".join(found)


def _compressed(data: bytearray) -> list[bool]:
    rest, found = bytes(data).partition(END_OF_HEAD)[2], []
    while len(rest) >= 2:
        size, header = rest[1] & 0x7F, 2
        if size >= 126:
            header = 4 if size == 126 else 10
            size = int.from_bytes(rest[2:header])
        header += 4 if rest[1] & 0x80 else 0
        if rest[0] & 0x0F == 1:
            found.append(bool(rest[0] & RSV1))
        rest = rest[header + size :]
    return found


@pytest.fixture(scope="module")
def packing(settings: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that compresses."""
    with running_gateway(settings, COMPRESSION="on") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def wiretap(packing: Gateway) -> AsyncIterator[Wiretap]:
    """A way to `packing` that is listened to."""
    tap = Wiretap(packing.port)
    await tap.start()
    yield tap
    await tap.stop()


async def publish_and_take(client: Client, project_id: str, offset: int, message: dict[str, object]) -> None:
    """Publish, and get it back as it was."""
    assert (await client.publish(project_id, message))["offset"] == offset
    assert await client.next() == {**message, "project_id": project_id, "offset": offset, "published_at": SOME_TIME}


async def test_every_client_agrees_on_compression_and_reads_and_writes_it(connect: Connect, wiretap: Wiretap) -> None:
    """Large and small messages in turn, both ways, and a page of history."""
    project_id = new_project()
    client = await open_client(connect, wiretap.url, project_id)
    assert (await client.next())["type"] == "subscription_confirmed"
    offered, agreed = wiretap.extensions()
    assert offered.startswith("permessage-deflate")
    assert agreed == AGREED

    for offset in (1, 3, 5):
        await publish_and_take(client, project_id, offset, {"text": TEXT, "number": offset})
        await publish_and_take(client, project_id, offset + 1, {"small": "né €\U0001f600"})
    history = await client.request("history", project_id=project_id)
    assert [message["offset"] for message in history["messages"]] == [1, 2, 3, 4, 5, 6]
    assert history["messages"][4]["text"] == TEXT
    await client.close()

    sent, received = wiretap.compressed()
    assert sent.count(True) >= 3, "large commands came compressed"
    assert received.count(True) == 4, "three large publications and the page"
    assert received.count(False) >= 10, "what is small is sent as it is"
    assert len(wiretap.received) < 2 * len(TEXT), "it would be six times the text"


async def test_who_comes_back_gets_what_it_missed_compressed(connect: Connect, packing: Gateway) -> None:
    """A resume beside a live client that agreed on the same, and one that did not."""
    project_id = new_project()
    client = await open_client(connect, packing.ws_url, project_id)
    epoch = (await client.next())["epoch"]
    for offset in range(1, 6):
        await publish_and_take(client, project_id, offset, {"text": TEXT, "number": offset})

    late = await open_client(connect, packing.ws_url, project_id, since=f"{epoch}:2")
    assert (await late.next())["recovered"] is True
    missed = await late.take(3)
    assert [(message["offset"], message["text"]) for message in missed] == [(offset, TEXT) for offset in (3, 4, 5)]
    await publish_and_take(late, project_id, 6, {"text": TEXT})
    assert (await client.next())["offset"] == 6
    await client.close()
    await late.close()


async def test_a_gateway_that_compresses_says_goodbye_in_order(connect: Connect, settings: dict[str, str]) -> None:
    """The drain's notice and close code reach a client whose connection is compressed."""
    async with off_loop(running_gateway(settings, COMPRESSION="on")) as gateway:
        client = await open_client(connect, gateway.ws_url)
        gateway.ask_to_stop()
        assert (await client.next())["type"] == "reconnect"
        assert (await client.closed()).code == 4012
        assert await asyncio.to_thread(gateway.wait_for_exit) == 0
