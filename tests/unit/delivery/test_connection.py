"""What a node knows of one client: where its frames go, and what happens when it is behind."""

from tests.support.doubles import Bench, client_of, connect, opened
from websocket_handler.delivery.connection import Connection
from websocket_handler.protocol.frames import PLAIN
from websocket_handler.protocol.identity import ANYONE


def follow(bench: Bench, connection: Connection, name: str, *, is_broadcast: bool = False) -> None:
    """Let the connection follow the bench's project under another name."""
    cursor = bench.project.fan_out.subscribe(connection, None, None, lambda _start: True)
    if is_broadcast:
        connection.broadcasts = (bench.project, cursor)
    else:
        connection.subscriptions[name] = (bench.project, cursor)


def publish(bench: Bench) -> None:
    bench.publish()
    bench.commit()


def test_a_new_connection_is_open_level_and_everybodys_until_it_says_who_it_is() -> None:
    connection = connect(name="c-1")
    assert (connection.connection_id, connection.identity, connection.framing) == ("c-1", ANYONE, PLAIN)
    assert (connection.is_open, connection.is_paused, connection.is_authenticating) == (True, False, False)
    assert (connection.subscriptions, connection.broadcasts, connection.timer) == ({}, None, None)
    assert (connection.in_flight.is_empty, connection.received, list(connection.waiting)) == (True, 0, [])


def test_payloads_are_framed_and_several_leave_in_one_write() -> None:
    connection = connect()
    connection.push(b'{"n":1}')
    connection.push_all([b'{"n":2}', b'{"n":"%b"}' % (b"3" * 70_000), b'{"n":4}'])
    client = client_of(connection)
    assert len(client.writes) == 2
    assert [str(message["n"])[0] for message in client.messages] == ["1", "2", "3", "4"]


def test_a_connection_that_ended_gets_nothing_more() -> None:
    connection = connect()
    connection.is_open = False
    connection.push(b"{}")
    connection.push_all([b"{}", b"{}"])
    assert client_of(connection).writes == []


def test_frames_go_where_its_transport_says() -> None:
    connection = connect()
    joined: list[bytes] = []
    connection.write_with(joined.append)
    connection.push(b"{}")
    assert (joined, client_of(connection).writes) == ([b"\x81\x02{}"], [])


def test_a_client_that_is_behind_gets_no_publication_of_any_log_until_it_has_read() -> None:
    one, other, broadcasts = opened(), opened(), opened()
    connection = connect()
    follow(one, connection, "p")
    follow(other, connection, "q")
    follow(broadcasts, connection, "", is_broadcast=True)
    connection.pause()
    connection.pause()
    for bench in (one, other, broadcasts):
        publish(bench)
    assert client_of(connection).offsets == []
    connection.resume()
    assert client_of(connection).offsets == [1, 1, 1]
    publish(broadcasts)
    assert client_of(connection).offsets == [1, 1, 1, 2], "it is level again"


def test_answers_still_reach_a_client_that_is_behind() -> None:
    connection = connect()
    connection.pause()
    connection.push(b'{"type":"pong"}')
    assert [message["type"] for message in client_of(connection).messages] == ["pong"]


def test_catching_up_ends_where_the_client_falls_behind_again() -> None:
    """The rest waits in the logs, not in its outbox."""
    benches = [opened(), opened()]
    connection = connect(high_water=10)
    client = client_of(connection)
    for name, bench in zip("pq", benches, strict=True):
        follow(bench, connection, name)
    connection.pause()
    for bench in benches:
        publish(bench)
    connection.resume()
    assert connection.is_paused
    assert len(client.offsets) == 1, "the second log was not looked at"
    client.drain()
    assert len(client.offsets) == 2


def test_it_follows_nothing_and_pauses_all_the_same() -> None:
    connection = connect()
    connection.pause()
    assert connection.is_paused
    connection.resume()
    assert not connection.is_paused
