"""Which values of `Upgrade` ask for a WebSocket."""

import pytest

from websocket_handler.protocol.upgrade import names_websocket


@pytest.mark.parametrize("value", [b"websocket", b"WebSocket", b" \twebsocket\t", b"h2c, websocket", b"websocket,h2c"])
def test_a_list_that_has_websocket_in_any_case(value: bytes) -> None:
    assert names_websocket(value)


@pytest.mark.parametrize("value", [b"", b"h2c", b"websockets", b"web socket", b"websocket/13", b"x-websocket"])
def test_everything_else(value: bytes) -> None:
    assert not names_websocket(value)
