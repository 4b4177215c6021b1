"""The end of a node while HTTP clients are slow: every request is answered or dropped, and none is logged as a fault.

`Gateway.stop` looks at the log and at the exit code.
"""

from __future__ import annotations

from tests.support.gateway import Start
from tests.support.peers import Raw, http

MESSAGES = "/api/v1/projects/team-stop/messages"
EVENTS = "/api/v1/projects/team-stop/events"


def test_a_body_that_never_comes_does_not_keep_the_node_and_its_sender_is_told(start: Start) -> None:
    with start(DRAIN_SECONDS="0") as gateway, Raw(gateway.port) as raw:
        raw.send(f"POST {MESSAGES} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{{".encode())
        assert gateway.ready()[0] == 200  # by now the first request has begun
        gateway.stop()
        response = raw.response()
        assert (response.status, response.code) == (503, "draining")
        assert "retry-after" in response.headers
        assert raw.is_ended()


def test_a_reader_of_events_that_does_not_read_does_not_keep_the_node(start: Start) -> None:
    with start(DRAIN_SECONDS="0", HISTORY_BYTES="16777216") as gateway, Raw(gateway.port) as raw:
        raw.send(f"GET {EVENTS}?since=none:0 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        raw.read_until(b"\n\n")
        for _ in range(200):
            assert http(gateway.port, "POST", MESSAGES, b'{"pad":"' + b"x" * 60_000 + b'"}').status == 200
        gateway.stop()
        assert raw.is_ended()


def test_requests_on_connections_kept_alive_are_answered_to_the_end(start: Start) -> None:
    """Files, too, whose answer is whole before their file is closed."""
    with start(DRAIN_SECONDS="0") as gateway:
        raws = [Raw(gateway.port) for _ in range(20)]
        for raw in raws:
            raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answers = [raw.response() for raw in raws]
        gateway.stop()
        assert {answer.status for answer in answers} == {200}
        assert all(raw.is_ended() for raw in raws)
        for raw in raws:
            raw.socket.close()


def test_a_head_that_never_comes_whole_does_not_keep_the_node(start: Start) -> None:
    """On a socket that has made a request before."""
    with start(DRAIN_SECONDS="0") as gateway, Raw(gateway.port) as raw:
        raw.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.response().status == 200
        raw.send(b"GET /health HTTP/1.1\r\nHos")
        assert gateway.ready()[0] == 200
        gateway.stop()
        assert raw.response().status == 503
