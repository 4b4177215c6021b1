"""RFC 6455 between the gateway and clients that know every corner of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
import websockets
from websockets.asyncio.client import connect
from websockets.frames import Opcode

from tests.support.api import check_error
from tests.support.frames import RSV1, ZERO_MASK
from tests.support.frames import client_frame as frame
from tests.support.gateway import Gateway
from tests.support.links import LinkClosedError, Open, PythonLink, RemoteDriver, new_project
from tests.support.patience import PATIENCE_S
from tests.support.raw_socket import RawSocket

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("bystander")]

FIN: Final = 0x80


async def close_code(raw: RawSocket) -> int:
    """The code of the close frame, which is the next one; then the gateway ends the connection."""
    first, payload = await raw.frame()
    assert first == FIN | Opcode.CLOSE, (first, payload)
    raw.writer.write(frame(Opcode.CLOSE, payload[:2]))
    assert await raw.rest() == b""
    return int.from_bytes(payload[:2])


@pytest_asyncio.fixture(loop_scope="session")
async def socket(gateway: Gateway) -> AsyncIterator[RawSocket]:
    """A WebSocket that was greeted."""
    raw = await RawSocket.connect(gateway.port)
    assert b'"connected"' in (await raw.frame())[1]
    yield raw
    await raw.close()


async def test_a_fragmented_message_is_put_together(
    open_python: Open, node_driver: RemoteDriver, gateway: Gateway
) -> None:
    """By `websockets` and by `ws`, with a character cut in the middle and a ping between the parts."""
    project_id = new_project()
    python, node = await open_python(), await node_driver.connect(gateway.ws_url)
    await python.subscribe(project_id)
    await node.receive()
    text = json.dumps({"action": "publish", "project_id": project_id, "message": {"text": "ä🚀"}}, ensure_ascii=False)
    whole = text.encode()
    cut = whole.index("🚀".encode()) + 2

    assert isinstance(python.link, PythonLink)
    await python.link.socket.send([text[:5], "", text[5:30], text[30:]])
    await node.run("fragments", texts=[text[:7], text[7:20], text[20:]])
    assert json.loads(await node.receive())["type"] == "publish_confirmed"
    raw = await RawSocket.connect(gateway.port)
    for part in (
        frame(Opcode.TEXT, whole[:cut], fin=False),
        frame(Opcode.PING, b"between"),
        frame(Opcode.CONT, whole[cut:]),
    ):
        raw.writer.write(part)
    frames = [await raw.frame() for _ in range(3)]
    raw.writer.close()
    await node.close(1000, "")

    assert frames[1] == (FIN | Opcode.PONG, b"between")
    assert json.loads(frames[2][1])["type"] == "publish_confirmed"
    arrived = [m for m in await python.take(4) if "offset" in m and "epoch" not in m]
    assert [(m["offset"], m["text"]) for m in arrived] == [(1, "ä🚀"), (2, "ä🚀"), (3, "ä🚀")]


async def test_frames_in_the_packet_of_the_handshake_are_read(gateway: Gateway) -> None:
    """An impatient client loses nothing."""
    raw = await RawSocket.connect(
        gateway.port,
        after_head=frame(Opcode.TEXT, b'{"action":"ping"}'),
        connection="keep-alive, Upgrade",
        upgrade="WebSocket",
    )
    frames = [await raw.frame() for _ in range(2)]
    raw.writer.close()

    assert [json.loads(payload)["type"] for _, payload in frames] == ["connected", "pong"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (frame(Opcode.TEXT, b'{"action":"\xed\xa0\x80"}'), 1007),
        (frame(Opcode.TEXT, b"\xe2\x82", fin=False) + frame(Opcode.CONT, b"x", fin=False), 1007),
        (frame(Opcode.CLOSE, (1000).to_bytes(2) + b"\xff"), 1007),
        (b"\x81\x04ping", 1002),
        (frame(Opcode.TEXT, b"{}", rsv=RSV1), 1002),
        (frame(0x3, b"{}"), 1002),
        (frame(0xB), 1002),
        (frame(Opcode.CONT, b"{}"), 1002),
        (frame(Opcode.TEXT, b"{", fin=False) + frame(Opcode.TEXT, b"}"), 1002),
        (frame(Opcode.PING, fin=False), 1002),
        (frame(Opcode.PING, b"x" * 126), 1002),
        (frame(Opcode.CLOSE, b"\x03"), 1002),
        (frame(Opcode.CLOSE, (1005).to_bytes(2)), 1002),
        (b"\x81\xff" + (1 << 63).to_bytes(8) + ZERO_MASK, 1002),
        (frame(Opcode.TEXT, b"{}", length_bytes=2), 1002),
        (b"\x81\xff" + (1 << 40).to_bytes(8) + ZERO_MASK, 1009),
        (frame(Opcode.TEXT, fin=False) + frame(Opcode.CONT, fin=False) * 2000, 1008),
    ],
    ids=[
        "not UTF-8",
        "a surrogate",
        "a broken fragment",
        "a close reason that is not UTF-8",
        "unmasked",
        "a reserved bit",
        "an unknown data opcode",
        "an unknown control opcode",
        "a continuation of nothing",
        "a message inside another",
        "a fragmented ping",
        "a long ping",
        "half a close code",
        "a forbidden close code",
        "the highest bit of the length",
        "a length in too long a form",
        "a terabyte",
        "two thousand fragments",
    ],
)
async def test_a_broken_stream_ends_with_its_code(socket: RawSocket, bad: bytes, code: int) -> None:
    """1007 for text that is not UTF-8, 1002 for broken frames, 1009 and 1008 for what nobody could read past."""
    socket.writer.write(bad)

    assert await close_code(socket) == code


async def test_an_oversize_message_is_read_past(socket: RawSocket) -> None:
    """Also in fragments and with other frames behind it: the stream stays in step."""
    part = b"x" * 40_000
    socket.writer.write(frame(Opcode.TEXT, part, fin=False) + frame(Opcode.CONT, part, fin=False))
    check_error(json.loads((await socket.frame())[1]), "message_too_large")
    socket.writer.write(frame(Opcode.PING, b"still there?"))
    assert await socket.frame() == (FIN | Opcode.PONG, b"still there?")
    socket.writer.write(frame(Opcode.CONT, part) + frame(Opcode.TEXT, b'{"action":"ping"}'))

    assert json.loads((await socket.frame())[1])["type"] == "pong"


@pytest.mark.parametrize("payload", [b"", b"data", b"x" * 125], ids=len)
async def test_a_ping_is_answered_with_its_payload(socket: RawSocket, payload: bytes) -> None:
    """RFC 6455 section 5.5.3; an unasked pong is not answered."""
    socket.writer.write(frame(Opcode.PONG, b"nobody asked") + frame(Opcode.PING, payload))

    assert await socket.frame() == (FIN | Opcode.PONG, payload)


async def test_both_libraries_get_their_pong(open_python: Open, node_driver: RemoteDriver, gateway: Gateway) -> None:
    """As their users call it."""
    client, node = await open_python(), await node_driver.connect(gateway.ws_url)
    await node.receive()

    assert isinstance(client.link, PythonLink)
    async with asyncio.timeout(PATIENCE_S):
        await (await client.link.socket.ping(b"from python"))
        await node.run("ping", text="from node")
        assert (await node.events.get())["text"] == "from node"
    await node.close(1000, "")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1000, "done"), (3000, "own"), (4321, "ä")])
async def test_the_close_handshake_repeats_the_clients_code(open_any: Open, code: int, reason: str) -> None:
    """Whoever closes learns that the gateway agreed."""
    client = await open_any()

    await client.link.close(code, reason)

    assert (await client.closed()).code == code


@pytest.mark.parametrize(
    ("payload", "answer"),
    [(b"", b""), ((1000).to_bytes(2) + b"bye", (1000).to_bytes(2)), (b"\x0f\xa0", b"\x0f\xa0")],
    ids=["empty", "code and reason", "code"],
)
async def test_a_close_frame_is_answered_and_nothing_after_it_is_read(
    socket: RawSocket, payload: bytes, answer: bytes
) -> None:
    """The last frame is the close frame; then the connection ends."""
    socket.writer.write(frame(Opcode.CLOSE, payload) + frame(Opcode.TEXT, b'{"action":"ping"}'))

    assert await socket.frame() == (FIN | Opcode.CLOSE, answer)
    assert await socket.rest() == b""


async def test_a_client_that_vanishes_costs_nobody_anything(socket: RawSocket, open_python: Open) -> None:
    """Its place in the presence list goes with it, although it said nothing."""
    project_id = new_project()
    socket.writer.write(frame(Opcode.TEXT, json.dumps({"action": "subscribe", "project_id": project_id}).encode()))
    await socket.frame()
    client = await open_python()
    assert (await client.request("presence", project_id=project_id))["count"] == 1

    socket.writer.transport.abort()

    while (await client.request("presence", project_id=project_id))["count"]:
        await client.request("ping")


@pytest.mark.parametrize("path", ["/wss", "/"])
async def test_the_libraries_see_a_refused_handshake(gateway: Gateway, node_driver: RemoteDriver, path: str) -> None:
    """A wrong path is a 404 for `websockets`; `ws` reports a connection that never opened."""
    url = gateway.ws_url.removesuffix("/ws") + path
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(url, proxy=None, open_timeout=PATIENCE_S)
    with pytest.raises(LinkClosedError) as closed:
        await node_driver.connect(url)

    body: Any = json.loads(refused.value.response.body or b"")
    assert refused.value.response.status_code == 404
    check_error(body, "not_found")
    assert closed.value.code == 1006
