"""Logs who was refused, and which setting would let them in. Nobody can flood the log with refusals."""

from collections.abc import Callable
from typing import Final

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.rate import TokenBucket
from websocket_handler.telemetry.log import EventLog

LINES_PER_SECOND: Final = 1.0
BURST: Final = 20.0


class RefusalLog:
    """Each error code has its own rate, so that many refusals of one kind do not hide another kind."""

    def __init__(self, log: EventLog, now: Callable[[], float]) -> None:
        """`now` gives monotonic seconds."""
        self._log = log
        self._now = now
        self._buckets: dict[ErrorCode, TokenBucket] = {}
        self._left_out: dict[ErrorCode, int] = {}

    def handshake(self, fault: CommandError, address: str, origin: str | None = None) -> None:
        """Log that a handshake was refused. `origin` is the web page that the browser named; None if the client is no
        browser."""
        self._emit("handshake.refused", fault, address, origin)

    def page(self, fault: CommandError, address: str, origin: str) -> None:
        """Log that a web page's request to the HTTP API was refused."""
        self._emit("page.refused", fault, address, origin)

    def _emit(self, event: str, fault: CommandError, address: str, origin: str | None) -> None:
        now = self._now()
        bucket = self._buckets.get(fault.code)
        if bucket is None:
            bucket = self._buckets[fault.code] = TokenBucket(LINES_PER_SECOND, BURST, now)
        if not bucket.allows(now):
            self._left_out[fault.code] = self._left_out.get(fault.code, 0) + 1
            return
        fields: dict[str, object] = {"code": fault.code.value, "reason": fault.message, "address": address}
        if fault.setting:
            fields["setting"] = fault.setting
        if origin is not None:
            fields["origin"] = origin
        if left_out := self._left_out.pop(fault.code, 0):
            fields["left_out"] = left_out
        self._log.report(event, fields)
