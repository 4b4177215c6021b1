"""What HTTP demands of every answer and uvicorn does not do."""

from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def answer_without_chunks(cycle: Any) -> None:
    """Make uvicorn's request cycle answer so that a client of HTTP/1.0 can read it. Such a client knows neither chunks
    (RFC 9112 section 6.1) nor the status 100 (RFC 9110 section 15.2). A body without a length ends with the connection;
    uvicorn closes the connection after each answer to HTTP/1.0.

    uvicorn has no setting for it: httptools_impl.py of 0.54 sends every body without a length in chunks.
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
    """Make uvicorn's request cycle send `Connection: close` with an answer that begins before the body of its request
    was read, and call `begins_unread`. A client that sent `Expect: 100-continue` sends no body after this answer, and
    the server would take its next request for the body (RFC 9110 section 10.1.1). The caller ends the connection after
    the answer. uvicorn would close it with unread bytes, and then the client might lose the answer."""
    send_on = cycle.send

    async def send(message: Any) -> None:
        is_unread = message["type"] == "http.response.start" and cycle.more_body
        if is_unread:
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send_on(message)
        if is_unread:
            cycle.keep_alive = True
            begins_unread()
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            vars(cycle).pop("send", None)  # the cycle and this function hold each other: after the answer they need not

    cycle.send = send


def dated(application: ASGIApp, date: Callable[[], str]) -> ASGIApp:
    """Wrap an application, so that each answer has the time in its `Date` (RFC 9110 section 6.6.1). uvicorn adds `Date`
    only if its own server runs, and it does not run here."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("date", date())
            await send(message)

        await application(scope, receive, send_dated)

    return answer
