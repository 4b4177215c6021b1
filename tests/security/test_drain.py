"""A node that goes away: newcomers are sent elsewhere, whoever is there is told and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.security.streams import EVENTS, POLL, poll, stream
from tests.support.frames import handshake_head
from tests.support.gateway import Gateway, Start
from tests.support.peers import Peer, Raw, http


@contextmanager
def draining(start: Start) -> Iterator[tuple[Gateway, Peer]]:
    """A node that drains for as long as the block runs, because one client never says goodbye; and a client that
    followed a project before."""
    with start(DRAIN_SECONDS="60", PING_INTERVAL_S="60") as gateway:
        with Peer.connect(gateway.port, "/ws?project_id=p-1") as peer, Raw(gateway.port) as mute:
            assert peer.next()["type"] == "subscription_confirmed"
            mute.send(handshake_head())
            mute.read_until(b'"connected"')
            gateway.ask_to_stop()
            gateway.wait_for_record("node.draining")
            yield gateway, peer
        assert gateway.wait_for_exit() == 0
        gateway.check_log()


def test_a_handshake_during_the_drain_gets_503_with_retry_after_and_who_is_there_reconnect_and_4012(
    start: Start,
) -> None:
    with draining(start) as (gateway, peer):
        with Raw(gateway.port) as raw:
            raw.send(handshake_head("/ws?project_id=p-1"))
            response = raw.response()
            assert (response.status, response.code) == (503, "draining")
            assert int(response.headers["retry-after"]) >= 1
            assert response.json()["retryable"] is True
            assert raw.is_ended()
        told = peer.next()
        assert (told["type"], told["reason"]) == ("reconnect", "draining")
        assert peer.end_at_once() == 4012
        assert gateway.get("/health") == (200, b"OK")
        assert gateway.ready()[0] == 503


def test_a_client_between_its_handshake_and_its_token_is_handed_over_too(start: Start) -> None:
    with start(DRAIN_SECONDS="60", AUTH_MODE="jwt", JWT_SECRETS="s" * 32, AUTH_TIMEOUT_S="60") as gateway:
        with Peer.connect(gateway.port) as peer:
            gateway.ask_to_stop()
            assert peer.next()["type"] == "reconnect"
            assert peer.end_at_once() == 4012
        assert gateway.wait_for_exit() == 0


def test_streams_and_polls_end_with_the_node_and_a_stream_is_told_to_come_again(start: Start) -> None:
    with start(DRAIN_SECONDS="60") as gateway:
        with Peer.connect(gateway.port) as peer, stream(gateway) as events, poll(gateway) as waiting:
            gateway.ask_to_stop()
            told = events.read_until(b"}\n\n")  # the rest of its confirmation
            told += events.read_until(b'"reason":"draining"')
            assert b"event: reconnect\n" in told
            assert waiting.response().json()["messages"] == []
            assert peer.next()["type"] == "reconnect"
            assert peer.end_at_once() == 4012
        assert gateway.wait_for_exit() == 0


def test_a_new_stream_during_the_drain_is_told_to_reconnect_and_a_new_poll_is_answered_at_once(start: Start) -> None:
    """Not 503: an EventSource gives up for good at a status that is not 200."""
    with draining(start) as (gateway, _):
        response = http(gateway.port, "GET", EVENTS)
        assert response.status == 200
        assert b"event: reconnect\n" in response.body
        assert http(gateway.port, "GET", POLL).json()["messages"] == []
