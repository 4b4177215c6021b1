"""Commands with replies: one id for all tries, deadlines, and no hidden queue, in virtual time."""

import pytest

from tests.clients.python.driving import Desk

FORWARD = {"action": "forward", "type": "dev", "data": {}, "message_id": "m1"}


def reply(desk: Desk, link: int, call: int) -> None:
    """The gateway confirms."""
    desk.get(link, type="forward_confirmed", message_id="m1", agent="dev", receipt="r", id=f"c{call}")


def refuse(desk: Desk, link: int, call: int, **more: object) -> None:
    """The gateway is too busy."""
    error = {"type": "error", "code": "overloaded", "message": "m", "retryable": True, "id": f"c{call}"}
    desk.get(link, **{**error, **more})


def test_a_call_gets_its_own_reply() -> None:
    desk = Desk()
    link = desk.live()
    first, second = desk.call(FORWARD), desk.call()
    desk.get(link, type="pong", timestamp="t", id=f"c{second}")
    reply(desk, link, first)
    assert (desk.answers[first]["receipt"], desk.answers[second]["type"]) == ("r", "pong")


def test_the_first_use_waits_for_the_first_connection() -> None:
    desk = Desk()
    call = desk.call(FORWARD)
    desk.wait(5)
    link = desk.open()
    reply(desk, link, call)
    assert call in desk.answers


def test_without_a_connection_a_call_fails_at_once() -> None:
    """Also the one that waited for the first handshake, when that fails."""
    desk = Desk()
    first = desk.call()
    desk.cut(1)
    second = desk.call()
    assert desk.failures == {first: "away", second: "away"}
    desk.wait(60)
    assert desk.sent == []


def test_a_call_waits_for_a_connection_as_long_as_the_caller_says() -> None:
    desk = Desk()
    desk.cut(desk.live())
    short, long = desk.call(wait_s=0.4, timeout_s=0.4), desk.call(wait_s=20)
    desk.wait(0.5)
    assert desk.failures == {short: "away"}
    link = desk.open()
    assert [command["id"] for command in desk.asked(link) if command["action"] == "ping"] == [f"c{long}"]


def test_a_call_without_its_reply_is_sent_again_on_the_next_link() -> None:
    desk = Desk()
    first = desk.live()
    call = desk.call(FORWARD)
    desk.cut(first)
    desk.wait(1)
    second = desk.open()
    sent = [command for command in desk.asked(second) if command["action"] == "forward"]
    assert sent == [{**FORWARD, "id": f"c{call}"}]
    reply(desk, second, call)
    assert call in desk.answers


def test_a_call_that_was_answered_is_not_sent_again() -> None:
    desk = Desk()
    first = desk.live()
    reply(desk, first, desk.call(FORWARD))
    desk.cut(first)
    desk.wait(1)
    assert [command["action"] for command in desk.asked(desk.open())] == ["subscribe"]


@pytest.mark.parametrize(("hint", "pause_s"), [({}, 0.5), ({"retry_after_ms": 2500}, 2.5)])
def test_an_error_that_passes_is_tried_again(hint: dict[str, int], pause_s: float) -> None:
    desk = Desk()
    link = desk.live()
    call = desk.call(FORWARD)
    refuse(desk, link, call, **hint)
    desk.wait(pause_s - 0.1)
    assert len([command for command in desk.asked(link) if command["action"] == "forward"]) == 1
    desk.wait(0.1)
    assert len([command for command in desk.asked(link) if command["action"] == "forward"]) == 2
    reply(desk, link, call)
    assert call in desk.answers


def test_an_error_that_stays_or_outlasts_the_deadline_fails_at_once() -> None:
    desk = Desk()
    link = desk.live()
    final, late = desk.call(), desk.call(timeout_s=2)
    refuse(desk, link, final, code="forbidden", retryable=False)
    refuse(desk, link, late, retry_after_ms=2000)
    assert desk.failures == {final: "forbidden", late: "overloaded"}


def test_a_call_has_a_deadline_over_all_its_tries() -> None:
    desk = Desk()
    link = desk.live()
    call = desk.call(timeout_s=7)
    desk.cut(link)
    desk.wait(1)
    link = desk.open()
    desk.wait(5.9)
    assert desk.failures == {}
    desk.wait(0.1)
    assert desk.failures == {call: "unanswered"}
    reply(desk, link, call)
    assert desk.answers == {}


def test_a_call_that_nobody_awaits_is_forgotten() -> None:
    desk = Desk()
    link = desk.live()
    call = desk.call()
    desk.perform(desk.core.abandon(call))
    desk.get(link, type="pong", timestamp="t", id=f"c{call}")
    desk.cut(link)
    desk.wait(1)
    assert [command["action"] for command in desk.asked(desk.open())] == ["subscribe"]
    assert (desk.answers, desk.failures) == ({}, {})
