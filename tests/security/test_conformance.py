"""RFC 6455 on the real net layer, through `/__echo`: which messages come back, and which faults end
the connection with which code."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

import pytest

from tests.support import echo
from tests.support.echo import CLOSE, ECHOED, ENDED, GOODBYE, PING, PROTOCOL, TEXT, Frames, whole_and_in_bytes
from tests.support.frames import RSV1, handshake_head
from tests.support.frames import client_frame as frame
from tests.support.gateway import Gateway
from tests.support.peers import Raw, client_sockets

pytestmark = pytest.mark.usefixtures("open_witness")


def exchange(gateway: Gateway, data: bytes, chunk: int = 0) -> Frames:
    """What a fresh connection answers to `data`."""
    with Raw(gateway.port) as raw:
        raw.send(handshake_head("/__echo"))
        assert raw.response().status == 101
        return echo.exchange(raw, data, raw.frame, chunk)


@pytest.mark.parametrize(("data", "expected", "chunk"), whole_and_in_bytes(ECHOED))
def test_what_the_rfc_allows_comes_back(open_gateway: Gateway, data: bytes, expected: Frames, chunk: int) -> None:
    assert exchange(open_gateway, data, chunk) == [*expected, GOODBYE]


@pytest.mark.parametrize(("data", "code"), ENDED.values(), ids=ENDED.keys())
def test_what_the_rfc_forbids_ends_with_its_close_code(open_gateway: Gateway, data: bytes, code: int) -> None:
    opcode, payload = exchange(open_gateway, data)[-1]
    assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, code)


STAYING: Final = ("too big", "too big in fragments")
"""What ends the echo, and gets an error from the gateway itself."""


@pytest.mark.parametrize("path", ["/ws", "/__echo"])
def test_whoever_breaks_the_rfc_is_not_waited_for(open_gateway: Gateway, path: str) -> None:
    """The close code comes, then the end, and the gateway's socket is gone while the client still holds its own."""
    vectors = {name: vector for name, vector in ENDED.items() if path != "/ws" or name not in STAYING}
    assert len(vectors) > 27
    before = client_sockets(open_gateway)
    with ExitStack() as stack:
        raws = {name: stack.enter_context(Raw(open_gateway.port)) for name in vectors}
        for raw in raws.values():
            raw.send(handshake_head(path))
            assert raw.response().status == 101
        assert echo.endings(raws, vectors) == {name: code for name, (_, code) in vectors.items()}
        open_gateway.until(lambda: client_sockets(open_gateway) <= before)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_code_that_may_be_sent_is_answered_with_the_same(open_gateway: Gateway, code: int) -> None:
    assert exchange(open_gateway, frame(CLOSE, code.to_bytes(2) + b"bye")) == [(CLOSE, code.to_bytes(2))]


def test_a_close_without_a_code_is_answered_without_one(open_gateway: Gateway) -> None:
    assert exchange(open_gateway, frame(CLOSE, b"")) == [(CLOSE, b"")]


def test_nothing_is_answered_behind_a_close(open_gateway: Gateway) -> None:
    data = frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"late") + frame(PING, b"late")
    assert exchange(open_gateway, data) == [GOODBYE]


@pytest.mark.parametrize(
    "offer",
    ["permessage-deflate", "permessage-deflate; client_max_window_bits", "x-webkit-deflate-frame", "permessage-bzip2"],
)
def test_no_compression_is_agreed_on_so_there_is_no_bomb_to_unpack(open_gateway: Gateway, offer: str) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(handshake_head(sec_websocket_extensions=offer))
        response = raw.response()
        assert response.status == 101
        assert "sec-websocket-extensions" not in response.headers
        raw.frame()  # the greeting
        raw.send(frame(TEXT, b"\x00" * 60_000, rsv=RSV1))
        opcode, payload = raw.frame()
        assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, PROTOCOL)


BAD_HANDSHAKES: dict[str, tuple[bytes, int]] = {
    "no host": (handshake_head(host=None), 400),
    "no key": (handshake_head(sec_websocket_key=None), 400),
    "a short key": (handshake_head(sec_websocket_key="YQ=="), 400),
    "a key that is no base64": (handshake_head(sec_websocket_key="not base64 at all!!!!!!"), 400),
    "no version": (handshake_head(sec_websocket_version=None), 426),
    "version 8": (handshake_head(sec_websocket_version="8"), 426),
    "connection without upgrade": (handshake_head(connection="keep-alive"), 400),
    "POST": (handshake_head().replace(b"GET", b"POST", 1), 400),
    "HTTP/1.0": (handshake_head().replace(b"HTTP/1.1", b"HTTP/1.0", 1), 400),
    "another path": (handshake_head("/other"), 404),
    "a body": (handshake_head(content_length="5"), 400),
    "chunked": (handshake_head(transfer_encoding="chunked"), 400),
    "two keys": (handshake_head().replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), 400),  # noqa: E501
    "two hosts": (handshake_head().replace(b"\r\n\r\n", b"\r\nHost: other\r\n\r\n"), 400),
    "a thousand query fields": (handshake_head("/ws?" + "&".join(["a=1"] * 1200)), 400),
    "more positions than projects": (handshake_head("/ws?project_id=a&since=e:1&since=e:2"), 400),
    "a query that is no UTF-8": (handshake_head("/ws?project_id=%ff"), 400),
}  # fmt: skip


@pytest.mark.parametrize(("head", "status"), BAD_HANDSHAKES.values(), ids=BAD_HANDSHAKES.keys())
def test_a_handshake_that_breaks_the_rfc_is_refused_and_the_socket_closed(
    open_gateway: Gateway, head: bytes, status: int
) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(head)
        response = raw.response()
        assert response.status == status
        assert "sec-websocket-accept" not in response.headers
        assert response.json()["type"] == "error"
        assert raw.is_ended()


def test_a_frame_pipelined_with_the_handshake_is_answered_after_its_101(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(handshake_head("/__echo") + frame(TEXT, b"early"))
        assert raw.response().status == 101
        assert raw.frame() == (TEXT, b"early")
