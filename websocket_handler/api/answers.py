"""What HTTP asks of every answer and uvicorn leaves out."""

from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def answer_without_chunks(cycle: Any) -> None:
    """Make uvicorn's request cycle answer as a client of HTTP/1.0 can read: it knows neither chunks (RFC 9112
    section 6.1) nor 100 (RFC 9110 section 15.2). A body without a length ends with the connection, which uvicorn closes
    after each answer to HTTP/1.0.

    uvicorn has no setting for it: httptools_impl.py of 0.54 chunks whatever has no length.
    """
    send_counted = cycle.send
    has_length = True

    async def send(message: Any) -> None:
        nonlocal has_length
        if message["type"] == "http.response.start":
            has_length = any(name.lower() == b"content-length" for name, _ in message["headers"])
            if not has_length:
                cycle.chunked_encoding = False
        elif not has_length:
            cycle.expected_content_length += len(message.get("body", b""))  # uvicorn counts what it sends
        await send_counted(message)

    cycle.waiting_for_100_continue = False
    cycle.send = send


def end_if_unread(cycle: Any, begins_unread: Callable[[], None]) -> None:
    """Make uvicorn's request cycle say `Connection: close` with an answer that begins before the request's body was
    read, and call `begins_unread`: whoever sent `Expect: 100-continue` sends no body after this answer, and what comes
    next on the connection would be taken for it (RFC 9110 section 10.1.1). The caller ends the connection after the
    answer; uvicorn would close it with unread bytes in it, and the client might lose the answer."""
    send_on = cycle.send

    async def send(message: Any) -> None:
        is_unread = message["type"] == "http.response.start" and cycle.more_body
        if is_unread:
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send_on(message)
        if is_unread:
            cycle.keep_alive = True
            begins_unread()

    cycle.send = send


def dated(application: ASGIApp, date: Callable[[], str]) -> ASGIApp:
    """The application, with the time of each answer in its `Date` (RFC 9110 section 6.6.1). uvicorn adds it only where
    its own server runs, which the node's one port has no place for."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("date", date())
            await send(message)

        await application(scope, receive, send_dated)

    return answer
