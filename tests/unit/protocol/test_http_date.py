"""`Date` as the standard library writes it, and written once per second."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.adapters.system.clock import SystemClock
from websocket_handler.protocol.http_date import HttpDate


def test_the_example_of_rfc_9110() -> None:
    assert HttpDate(lambda: 784_111_777.9, SystemClock().text)() == "Sun, 06 Nov 1994 08:49:37 GMT"


@given(st.floats(0, 4_102_444_800))
def test_every_second_is_written_as_the_standard_library_writes_it(wall: float) -> None:
    assert HttpDate(lambda: wall, SystemClock().text)() == formatdate(int(wall), usegmt=True)


@pytest.mark.parametrize(("moments", "written"), [((5.0, 5.4, 5.9), 1), ((5.9, 6.0, 6.1), 2), ((9.0, 3.0), 2)])
def test_a_second_is_written_once(moments: tuple[float, ...], written: int) -> None:
    clock, count = iter(moments), 0

    def text(wall: float) -> str:
        nonlocal count
        count += 1
        return SystemClock().text(wall)

    date = HttpDate(lambda: next(clock), text)
    assert [date() for _ in moments] == [formatdate(int(moment), usegmt=True) for moment in moments]
    assert count == written
