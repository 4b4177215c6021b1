"""Errors as HTTP responses. No other file knows the status, the headers and the body of an error.

It does not know who sends the response. The HTTP API hands it to Starlette; a sender that has only a socket writes the
bytes.
"""

from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Final

from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CommandError

RETRY_AFTER_S: Final = 1
WEBSOCKET_VERSION: Final = "13"

_BY_STATUS: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": "Bearer"},  # RFC 9110 section 15.5.2
    426: {  # RFC 9110 section 15.5.22, RFC 6455 section 4.4
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": WEBSOCKET_VERSION,
    },
    429: {"Retry-After": str(RETRY_AFTER_S)},
    503: {"Retry-After": str(RETRY_AFTER_S)},
}


@dataclass(frozen=True, slots=True)
class HttpError:
    """An error as an HTTP response. `headers` do not give the length of the body; the sender adds it."""

    status: int
    headers: dict[str, str]
    body: bytes


def http_error(fault: CommandError, status: int | None = None) -> HttpError:
    """The HTTP response for an error. `status` replaces the status of the error's code."""
    status = fault.status if status is None else status
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",  # a cache may keep 404 and 405 unless told otherwise: RFC 9110 section 15.1
        **_BY_STATUS.get(status, {}),
        **fault.headers,
    }
    if "Retry-After" in headers and fault.retry_after_ms is not None:
        headers["Retry-After"] = str(ceil(fault.retry_after_ms / 1000))
    return HttpError(status, headers, replies.error(fault))


def last_response(fault: CommandError, status: int | None = None, *, date: str = "", method: bytes = b"GET") -> bytes:
    """The same response as HTTP/1.1 bytes, for a sender that closes the connection after it. `date` is the time as HTTP
    writes it; if it is empty, the response has no `Date`. A response to the `method` HEAD has no body (RFC 9110 section
    9.3.2)."""
    error = http_error(fault, status)
    options = ("close", error.headers["Connection"]) if "Connection" in error.headers else ("close",)
    dated = {"Date": date} if date else {}
    headers = {**dated, **error.headers, "Connection": ", ".join(options), "Content-Length": str(len(error.body))}
    lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == b"HEAD" else error.body)
