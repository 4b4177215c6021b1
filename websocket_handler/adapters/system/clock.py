"""The clocks of the machine."""

import time

from websocket_handler.telemetry.time_text import time_text


class SystemClock:
    """The operating system's clocks. A timestamp is formatted once per millisecond."""

    __slots__ = ("_millisecond", "_text")

    def __init__(self) -> None:
        self._millisecond = -1
        self._text = ""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def timestamp(self) -> str:
        millisecond = time.time_ns() // 1_000_000
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            self._text = self.text(millisecond / 1000)
        return self._text

    def text(self, wall: float) -> str:
        return time_text(wall)
