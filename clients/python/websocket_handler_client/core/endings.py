"""What the end of a connection, or its refusal, asks of a client."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

_FINAL_BELOW_4000: Final = frozenset({1000, 1002, 1007, 1008, 1009})
_FINAL_BAND: Final = range(4500, 5000)
_FINAL_STATUS: Final = frozenset({403})
"""Statuses that are final also without an error of ours. A proxy on the way may have sent any other."""


def may_come_back(code: int | None, *, was_announced: bool) -> bool:
    """True if a client reconnects after this close code. `None` and 0 mean that there was no close frame.

    After a `reconnect` push a client comes back whatever code follows, because several libraries report another one.
    """
    if was_announced or code is None or code == 0:
        return True
    return code not in _FINAL_BELOW_4000 and code not in _FINAL_BAND


class Next(Enum):
    """What to do after a refused handshake."""

    RETRY = "retry"
    RENEW = "renew"
    """Get a new token and try again, unless this one was new."""
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused handshake, understood."""

    next: Next
    wait_s: float | None
    """How long the gateway asks to wait; None for the client's own back-off."""
    code: str
    """The gateway's error code, or `http_<status>` if the answer has none."""
    message: str
    is_exact: bool = False
    """True if `wait_s` is meant for this client alone. `Retry-After` is the same for all."""


def understand_refusal(status: int, body: bytes, retry_after: str | None) -> Refusal:
    """Reads the answer to a handshake. It may come from a proxy instead of the gateway."""
    error = _error_of(body)
    code = str(error.get("code", f"http_{status}"))
    message = str(error.get("message", f"the handshake was refused with status {status}"))
    if status == 401:
        return Refusal(Next.RENEW, None, code, message)
    is_final = error["retryable"] is False if "retryable" in error else status in _FINAL_STATUS
    if is_final:
        return Refusal(Next.STOP, None, code, message)
    wait_s, is_exact = wait_s_of(error, retry_after), wait_s_of(error) is not None
    return Refusal(Next.RETRY, wait_s, code, message, is_exact)


def wait_s_of(error: dict[str, Any], retry_after: str | None = None) -> float | None:
    """How long an error asks to wait, in seconds: by `retry_after_ms`, or else by the header `Retry-After`. None if it
    does not say."""
    hint = error.get("retry_after_ms")
    if isinstance(hint, int) and not isinstance(hint, bool) and hint >= 0:
        return hint / 1000
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    return None


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) and value.get("type") == "error" else {}
