"""How far apart the writes of a log are."""

import pytest

from websocket_handler.hub.pace import Pace


def test_the_first_write_of_a_log_and_one_after_a_quiet_time_leave_at_once() -> None:
    pace = Pace(0.1)
    assert pace.wait_s("a", 5.0) == 0
    pace.note("a", 5.0)
    assert pace.wait_s("a", 5.1) == 0
    assert pace.wait_s("a", 99.0) == 0


def test_a_write_soon_after_another_one_waits_for_the_rest_of_the_time() -> None:
    pace = Pace(0.5)
    pace.note("a", 4.0)
    assert pace.wait_s("a", 4.0) == 0.5
    assert pace.wait_s("a", 4.25) == 0.25
    pace.note("a", 4.25)
    assert pace.wait_s("a", 4.5) == 0.25


def test_logs_do_not_wait_for_each_other() -> None:
    pace = Pace(0.5)
    pace.note("a", 4.0)
    assert pace.wait_s("b", 4.0) == 0


@pytest.mark.parametrize("logs", [1, 1000])
def test_only_logs_that_have_to_wait_are_remembered(logs: int) -> None:
    pace = Pace(0.5)
    for number in range(logs):
        pace.note(f"p{number}", 4.0)
    assert len(pace) == logs
    pace.note("p0", 4.25)
    pace.note("last", 4.5)
    assert len(pace) == 2, "the one that was written again, and the last one"
    assert pace.wait_s("p0", 4.5) == 0.25
