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
