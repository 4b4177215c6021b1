"""How the Python SDK connects, comes back and stops, in virtual time."""

import pytest

from tests.clients.python.driving import Desk

AFTER_THE_DEADLINE_S = 10.5
"""The pause between a handshake that hangs and the next: its deadline, and half of the first back-off."""


def test_no_handshake_before_the_first_use() -> None:
    desk = Desk()
    desk.wait(3600)
    assert (desk.opened, desk.core.state.name) == ([], "idle")


def test_a_handshake_that_hangs_is_ended_and_tried_again() -> None:
    desk = Desk()
    desk.follow()
    desk.wait(10)
    assert desk.ended == [1]
    desk.wait(0.5)
    assert [opened.link for opened in desk.opened] == [1, 2]
    assert desk.states == ["connecting", "waiting", "connecting"]


def test_a_handshake_that_succeeds_too_late_is_ended() -> None:
    desk = Desk()
    desk.follow()
    desk.wait(AFTER_THE_DEADLINE_S)
    desk.open(1)
    assert desk.ended == [1, 1]
    assert desk.core.state.name == "connecting"


def test_the_pauses_double_up_to_the_maximum() -> None:
    """With a chance of one half."""
    desk = Desk()
    desk.follow()
    pauses = []
    for _ in range(7):
        desk.cut(desk.opened[-1].link)
        pauses.append((desk.core.state.retry_at_s or 0) - desk.now.s)
        desk.wait(pauses[-1])
    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]


def test_a_link_that_lived_makes_the_back_off_begin_anew() -> None:
    desk = Desk()
    desk.follow()
    for steady_s, pause_s in ((0.0, 0.5), (9.0, 1), (10.0, 0.5), (0.0, 1)):
        link = desk.open()
        desk.wait(steady_s)
        desk.cut(link)
        assert (desk.core.state.retry_at_s or 0) - desk.now.s == pause_s
        desk.wait(pause_s)


@pytest.mark.parametrize(("retry_after", "hint_ms", "pause_s"), [("7", None, 7.5), ("7", 6500, 6.5), (None, None, 0.5)])
def test_a_refusal_says_when_to_come_back(retry_after: str | None, hint_ms: int | None, pause_s: float) -> None:
    """`retry_after_ms` is exact. Everybody is told the same `Retry-After`, so they spread over a second."""
    desk = Desk()
    desk.follow()
    hint = {} if hint_ms is None else {"retry_after_ms": hint_ms}
    desk.refuse(503, retry_after, code="draining", message="m", retryable=True, **hint)
    assert (desk.core.state.retry_at_s or 0) - desk.now.s == pause_s
    assert desk.core.state.reason == "draining: m"


def test_a_final_refusal_stops_the_client() -> None:
    desk = Desk()
    desk.follow()
    call = desk.call()
    desk.refuse(403, code="forbidden", message="m", retryable=False)
    desk.wait(3600)
    assert len(desk.opened) == 1
    assert desk.failures == {call: "forbidden"}
    assert desk.core.state.name == "stopped"
    desk.follow("q")
    assert len(desk.given) == 2, "both projects were told"


def test_a_hand_over_makes_before_it_breaks() -> None:
    """The second link opens when the gateway wants it, the first one is closed once the second one is confirmed."""
    desk = Desk()
    first = desk.live(57)
    desk.get(first, type="reconnect", reason="draining", after_ms=3000)
    desk.wait(2.9)
    assert len(desk.opened) == 1
    desk.wait(0.1)
    assert len(desk.opened) == 2
    desk.publish(first, 58)
    second = desk.open()
    desk.publish(first, 59)
    assert desk.ended == []
    desk.confirm(second, 58)
    assert desk.ended == [first]
    desk.publish(second, 59, 60)
    desk.cut(first, 1000)
    desk.wait(60)
    assert desk.offsets == [58, 59, 60]
    assert "waiting" not in desk.states
    assert len(desk.opened) == 2


def test_an_announced_end_before_its_time_waits_for_the_time() -> None:
    desk = Desk()
    link = desk.live()
    desk.get(link, type="reconnect", reason="draining", after_ms=8000)
    desk.cut(link, 4012)
    desk.wait(7.9)
    assert len(desk.opened) == 1
    desk.wait(0.1)
    assert len(desk.opened) == 2


def test_a_hand_over_that_fails_goes_on_with_the_old_link() -> None:
    """Until that ends, too."""
    desk = Desk()
    first = desk.live()
    desk.get(first, type="reconnect", reason="draining", after_ms=0)
    desk.wait(0)
    desk.refuse(503, code="draining", message="m", retryable=True)
    desk.publish(first, 58)
    assert (desk.offsets, desk.core.state.name) == ([58], "live")
    desk.wait(0.5)
    assert len(desk.opened) == 3
    desk.cut(first, 4012)
    assert desk.core.state.name == "connecting"
    second = desk.open()
    desk.confirm(second, 58)
    desk.publish(second, 59)
    assert desk.offsets == [58, 59]


def test_the_old_link_is_kept_for_its_replies_but_not_for_ever() -> None:
    desk = Desk()
    first = desk.live()
    call = desk.call()
    desk.get(first, type="reconnect", reason="draining", after_ms=0)
    desk.wait(0)
    second = desk.open()
    desk.confirm(second, 57)
    assert desk.ended == []
    desk.wait(5)
    assert desk.ended == [first]
    desk.cut(first, 1000)
    assert [command["id"] for command in desk.asked(second)][-1] == f"c{call}", "asked again with the same id"


def test_a_close_that_nobody_answers_has_a_deadline() -> None:
    desk = Desk()
    first = desk.live()
    desk.get(first, type="reconnect", reason="draining", after_ms=0)
    desk.wait(0)
    desk.confirm(desk.open(), 57)
    desk.wait(5)
    assert desk.ended == [first, first], "closed, then aborted"
    assert desk.core.state.name == "live"


def test_a_silent_gateway_is_asked_and_then_left() -> None:
    desk = Desk()
    link = desk.live()
    desk.is_answering = False
    desk.wait(25)
    assert desk.asked(link)[-1]["action"] == "ping"
    desk.wait(9.9)
    assert desk.ended == []
    desk.wait(0.1)
    assert desk.ended == [link]
    assert desk.core.state.reason == "the gateway is silent"


def test_any_message_is_a_sign_of_life() -> None:
    desk = Desk()
    link = desk.live()
    desk.is_answering = False
    for offset in range(58, 98):
        desk.wait(20)
        desk.publish(link, offset)
    desk.wait(25)
    desk.get(link, type="pong", timestamp="t", id=desk.asked(link)[-1]["id"])
    desk.wait(20)
    assert desk.ended == []


def test_close_is_final() -> None:
    desk = Desk()
    link = desk.live()
    call = desk.call()
    desk.perform(desk.core.close(desk.now))
    desk.cut(link, 1000)
    desk.follow("q")
    late = desk.call()
    desk.wait(3600)
    assert len(desk.opened) == 1
    assert desk.failures == {call: "closed", late: "closed"}
    assert desk.core.state.name == "closed"
    assert desk.core.next_timer(desk.now) is None


def test_what_a_late_socket_says_is_not_taken_for_the_next_one() -> None:
    desk = Desk()
    first = desk.live(57)
    desk.cut(first)
    desk.wait(1)
    second = desk.open()
    desk.confirm(second, 57)
    desk.publish(first, 58)
    desk.cut(first, 4500)
    assert (desk.offsets, desk.core.state.name) == ([], "live")
