"""How nodes tell each other what an operator did."""

import pytest

from websocket_handler.hub.control_messages import (
    ControlMessage,
    Disconnect,
    Disconnected,
    Drain,
    Leave,
    Revoke,
    Serve,
    decode,
    encode,
)


@pytest.mark.parametrize(
    "message",
    [
        Disconnect("c1"),
        Disconnected("c1"),
        Revoke("ada", 1_800_000_000.125),
        Drain("n", 1_800_000_000.5),
        Serve("n"),
        Leave("n"),
    ],
    ids=repr,
)
def test_a_message_is_read_as_it_was_written(message: ControlMessage) -> None:
    assert decode(encode(message)) == message


def test_the_spelling_is_what_older_and_newer_gateways_read() -> None:
    assert encode(Revoke("ada", 2.5)) == b'{"kind":"revoke","user_id":"ada","at":2.5}'
    assert decode(b'{"kind":"disconnect","connection_id":"c1","why":"new in a later version"}') == Disconnect("c1")


@pytest.mark.parametrize("payload", [b'{"kind":"rebalance"}', b'{"kind":"revoke"}', b"{}", b"", b"\xff"], ids=repr)
def test_what_this_gateway_does_not_know_is_passed_over(payload: bytes) -> None:
    assert decode(payload) is None
