"""Readiness: who is asked, and in which words it is said."""

from websocket_handler.delivery.readiness import Readiness, Reason


def test_a_node_is_ready_while_nothing_fails() -> None:
    assert Readiness(lambda: False, {"store": lambda: None, "queue": lambda: ""}).reasons() == []


def test_every_failure_is_a_reason_and_draining_comes_first() -> None:
    readiness = Readiness(lambda: True, {"store": lambda: "down", "queue": lambda: None, "keys": lambda: "expired"})
    assert readiness.reasons() == [Reason("node", "draining"), Reason("store", "down"), Reason("keys", "expired")]


def test_a_flaw_is_told_and_sends_nobody_away() -> None:
    readiness = Readiness(lambda: False, {"store": lambda: None}, {"queue": lambda: ["qa: gone", "dev: gone"]})
    assert readiness.reasons() == []
    assert readiness.flaws() == [Reason("queue", "qa: gone"), Reason("queue", "dev: gone")]
