"""The machine's clocks. What every clock promises is in tests/contract/ports/test_clock.py."""

import time

import pytest

from tests.support.clock import BEGIN
from websocket_handler.adapters.system.clock import SystemClock


class Machine:
    """The operating system's clocks, which stand still until they are moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nanoseconds = int(BEGIN) * 1_000_000_000
        monkeypatch.setattr(time, "time_ns", lambda: self.nanoseconds)
        monkeypatch.setattr(time, "time", lambda: self.nanoseconds / 1e9)


class CountedClock(SystemClock):
    """Counts the texts that it makes."""

    __slots__ = ("texts",)

    def __init__(self) -> None:
        super().__init__()
        self.texts = 0

    def text(self, wall: float) -> str:
        self.texts += 1
        return super().text(wall)


def test_a_timestamp_is_made_once_per_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, clock = Machine(monkeypatch), CountedClock()
    first = clock.timestamp()
    machine.nanoseconds += 999_999
    assert clock.timestamp() is first
    assert clock.texts == 1
    machine.nanoseconds += 1
    assert clock.timestamp() == "2026-11-22T20:00:00.001Z"
    assert clock.texts == 2


def test_a_wall_clock_that_is_set_back_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, clock = Machine(monkeypatch), SystemClock()
    assert clock.timestamp() == "2026-11-22T20:00:00.000Z"
    machine.nanoseconds -= 3_600_000_000_000
    assert clock.timestamp() == "2026-11-22T19:00:00.000Z"


def test_the_local_time_zone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch)
    for zone in ("Asia/Kolkata", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert SystemClock().timestamp() == "2026-11-22T20:00:00.000Z"
    monkeypatch.undo()
    time.tzset()
