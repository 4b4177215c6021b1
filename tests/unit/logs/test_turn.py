"""The end of a turn: the calls that were planned, in their order, in one call of the loop."""

import pytest

from tests.support.clock import SteeredClock
from tests.support.doubles import HandScheduler
from websocket_handler.logs.turn import Turn


def test_calls_are_made_in_the_order_of_planning_and_in_one_call_of_the_loop() -> None:
    scheduler = HandScheduler(SteeredClock())
    turn, made = Turn(scheduler), list[str]()
    for name in "abc":
        turn.plan(lambda name=name: made.append(name))  # type: ignore[misc]
    assert made == []
    assert len(scheduler.ready) == 1
    scheduler.settle()
    assert made == ["a", "b", "c"]


def test_what_a_call_plans_is_done_in_the_next_round() -> None:
    scheduler = HandScheduler(SteeredClock())
    turn, made = Turn(scheduler), list[str]()
    turn.plan(lambda: turn.plan(lambda: made.append("later")))
    turn.plan(lambda: made.append("now"))
    scheduler.settle()
    assert made == ["now", "later"]


def test_a_call_that_raises_does_not_take_the_others_with_it() -> None:
    scheduler = HandScheduler(SteeredClock())
    turn, made = Turn(scheduler), list[str]()

    def broken() -> None:
        raise RuntimeError("planted")

    for call in (lambda: made.append("before"), broken, lambda: made.append("behind")):
        turn.plan(call)
    with pytest.raises(RuntimeError, match="planted"):
        scheduler.settle()
    scheduler.settle()
    assert made == ["before", "behind"]


def test_what_is_sent_last_waits_for_all_calls_of_the_round_and_is_done_now_outside_of_it() -> None:
    scheduler = HandScheduler(SteeredClock())
    turn, made = Turn(scheduler), list[str]()
    turn.send_last(lambda: made.append("now"))
    assert made == ["now"]
    turn.plan(lambda: turn.send_last(lambda: made.append("sent")))
    turn.plan(lambda: made.append("called"))
    scheduler.turn()
    assert made == ["now", "called", "sent"]
    turn.send_last(lambda: made.append("now again"))
    assert made[3:] == ["now again"]


def test_what_is_sent_last_does_not_depend_on_calls_and_sends_that_raise() -> None:
    scheduler = HandScheduler(SteeredClock())
    turn, made = Turn(scheduler), list[str]()

    def broken() -> None:
        raise RuntimeError("planted")

    for send in (broken, lambda: made.append("first"), lambda: made.append("second")):
        turn.plan(lambda send=send: turn.send_last(send))  # type: ignore[misc]
    turn.plan(broken)
    with pytest.raises(RuntimeError, match="planted"):
        scheduler.turn()
    scheduler.settle()
    assert made == ["first", "second"]
