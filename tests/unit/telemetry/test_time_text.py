"""The text of a time, against what `datetime` writes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.telemetry.time_text import time_text


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_377_600.0, "2026-11-22T20:00:00.000Z"),
        (1_795_377_600.001, "2026-11-22T20:00:00.001Z"),
        (1_795_377_600.9999, "2026-11-22T20:00:00.999Z"),
        (1_795_377_599.9994, "2026-11-22T19:59:59.999Z"),
        (1_795_377_599.9999998, "2026-11-22T20:00:00.000Z"),
        (253_402_300_799.5, "9999-12-31T23:59:59.500Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(wall: float, text: str) -> None:
    assert time_text(wall) == text


@given(st.floats(0, 253_402_300_799))
def test_every_time_is_written_as_datetime_writes_it(wall: float) -> None:
    expected = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")
    assert time_text(wall) == expected.replace("+00:00", "Z")
