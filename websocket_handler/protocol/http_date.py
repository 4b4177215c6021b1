"""PURE: the time as HTTP writes it in `Date` (RFC 9110 section 5.6.7)."""

from collections.abc import Callable
from typing import Final

_DAYS: Final = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")
"""1970 began on a Thursday."""
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_S: Final = 86_400


class HttpDate:
    """The time now. It is formatted once per second, however many answers need it."""

    def __init__(self, wall: Callable[[], float], text: Callable[[float], str]) -> None:
        """`wall` gives seconds since 1970 UTC, `text` writes such a second as ISO 8601 in UTC."""
        self._wall = wall
        self._text = text
        self._second = -1
        self._written = ""

    def __call__(self) -> str:
        """For example `Sun, 06 Nov 1994 08:49:37 GMT`."""
        second = int(self._wall())
        if second != self._second:
            day, _, time = self._text(second).partition("T")
            year, month, day_of_month = day.split("-")
            name = _DAYS[second // _DAY_S % 7]
            self._written = f"{name}, {day_of_month} {_MONTHS[int(month) - 1]} {year} {time[:8]} GMT"
            self._second = second
        return self._written
