"""The error while the log store does not answer. It says when to come back, which is another moment for each client."""

from collections.abc import Callable
from typing import Final

from websocket_handler.ports.log_store import Unavailable
from websocket_handler.protocol.codes import CommandError, ErrorCode

EARLIEST_S: Final = 1.0
"""Clients that are refused together come back one after the other: the first after this many seconds, the last when the
store will have done what waits now. So the store always has work in between, and never too much at once."""


def store_unavailable(answer: Unavailable | None, chance: Callable[[], float]) -> CommandError:
    """The error for one client. `answer` is the store's answer; None if the store was not asked. `chance` gives numbers
    from 0 to 1."""
    reason = "the log store does not answer; what was confirmed is safe"
    if answer is None or not answer.retry_after_s:
        return CommandError(ErrorCode.STORE_UNAVAILABLE, reason)
    latest_s = max(EARLIEST_S, answer.retry_after_s)
    retry_after_ms = round((EARLIEST_S + chance() * (latest_s - EARLIEST_S)) * 1000)
    return CommandError(ErrorCode.STORE_UNAVAILABLE, reason, retry_after_ms=retry_after_ms)
