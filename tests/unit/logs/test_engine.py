"""What the logs of a node share."""

from dataclasses import replace

from tests.support.clock import SteeredClock
from tests.support.doubles import HandScheduler, HandStore, engine_over
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.telemetry.counters import Counters


def test_each_engine_ends_its_turns_on_its_own() -> None:
    clock = SteeredClock()
    scheduler = HandScheduler(clock)
    engine = engine_over(HandStore(), clock, scheduler, DeliveryLimits(), Counters())
    other, made = replace(engine, are_resets_told=False), list[str]()
    engine.turn.plan(lambda: made.append("projects"))
    other.turn.plan(lambda: made.append("broadcasts"))
    assert len(scheduler.ready) == 2
    scheduler.settle()
    assert made == ["projects", "broadcasts"]
