"""The answer while the log store does not answer, with the moment to come back, which differs from client to client."""

from collections.abc import Callable
from typing import Final

from websocket_handler.ports.log_store import Unavailable
from websocket_handler.protocol.codes import CommandError, ErrorCode

EARLIEST_S: Final = 1.0
"""The first of those who are refused together come back after this time, the last when the store will have had time for
all that waits: so the store is busy in between, and no moment is too busy."""


def store_unavailable(answer: Unavailable | None, chance: Callable[[], float]) -> CommandError:
    """The error for one client. `answer` is the answer of the store, None if it was not asked; `chance` gives numbers
    from 0 to 1."""
    reason = "the log store does not answer; what was confirmed is safe"
    if answer is None or not answer.retry_after_s:
        return CommandError(ErrorCode.STORE_UNAVAILABLE, reason)
    latest_s = max(EARLIEST_S, answer.retry_after_s)
    retry_after_ms = round((EARLIEST_S + chance() * (latest_s - EARLIEST_S)) * 1000)
    return CommandError(ErrorCode.STORE_UNAVAILABLE, reason, retry_after_ms=retry_after_ms)
