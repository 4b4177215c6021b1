"""The group that asks each transport to write."""

from tests.support.doubles import Client, connect
from websocket_handler.ports.transport import Transport, one_by_one


def client(name: str) -> Client:
    transport = connect(name=name).transport
    assert isinstance(transport, Client)
    return transport


def test_each_transport_gets_the_same_bytes_in_order() -> None:
    clients = [client("a"), client("b")]
    send = one_by_one(clients)
    frames = [b"first", b"", b"second" * 1000]
    for frame in frames:
        send(frame)
    for one in clients:
        assert all(got is sent for got, sent in zip(one.writes, frames, strict=True)), "nothing is copied"


def test_nobody_gets_anything_from_a_group_of_nobody() -> None:
    assert one_by_one([])(b"frame") is None


def test_a_group_stays_as_it_was_made() -> None:
    first, late = client("a"), client("b")
    members: list[Transport] = [first]
    send = one_by_one(members)
    members.append(late)
    del members[0]
    send(b"frame")
    assert (first.writes, late.writes) == ([b"frame"], [])


def test_a_client_that_is_behind_keeps_nobody_from_the_bytes() -> None:
    slow, next_one = client("a"), client("b")
    slow.high_water = 0
    one_by_one([slow, next_one])(b"frame")
    assert slow.connection.is_paused
    assert next_one.writes == [b"frame"]
