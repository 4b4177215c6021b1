"""The log of who was refused: bounded for each error code, and nothing is left out silently."""

from __future__ import annotations

from typing import Any

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.telemetry.log import EventLog
from websocket_handler.telemetry.refusals import BURST, RefusalLog


class Log(EventLog):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    def report(self, event: str, fields: dict[str, object]) -> None:
        self.records.append({"event": event, **fields})


FULL = CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "full", setting="MAX_CONNECTIONS")
PAGE = CommandError(ErrorCode.FORBIDDEN, "no")


def test_a_refusal_says_who_why_and_which_setting() -> None:
    log = Log()
    refusals = RefusalLog(log, lambda: 0.0)
    refusals.handshake(FULL, "1.2.3.4")
    refusals.page(PAGE, "1.2.3.4", "https://evil")
    first = {"code": "too_many_connections", "reason": "full", "address": "1.2.3.4", "setting": "MAX_CONNECTIONS"}
    second = {"code": "forbidden", "reason": "no", "address": "1.2.3.4", "origin": "https://evil"}
    assert log.records == [{"event": "handshake.refused", **first}, {"event": "page.refused", **second}]


def test_a_flood_is_bounded_counted_and_hides_no_other_refusal() -> None:
    now, log = 0.0, Log()
    refusals = RefusalLog(log, lambda: now)
    for _ in range(1000):
        refusals.handshake(FULL, "1.2.3.4")
    assert len(log.records) == BURST
    refusals.handshake(PAGE, "1.2.3.4", "https://evil")
    assert log.records[-1]["code"] == "forbidden"
    now = 1.0
    refusals.handshake(FULL, "1.2.3.4")
    assert log.records[-1]["left_out"] == 1000 - BURST
    now = 2.0
    refusals.handshake(FULL, "1.2.3.4")
    assert "left_out" not in log.records[-1]
