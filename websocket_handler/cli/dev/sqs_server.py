"""The SQS API over HTTP, for SDKs that find it through `AWS_ENDPOINT_URL`. It checks no signature: loopback only."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from websocket_handler.cli.dev.queue import SqsError, new_id
from websocket_handler.cli.dev.sqs import Sqs

BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""A batch of 1 MiB takes at most six times as much as JSON."""
REQUESTS_MAX: Final = 1000
"""So many requests at a time; the rest is told to come back."""
KEEP_ALIVE_S: Final = 60
TARGET: Final = b"AmazonSQS."
CHAOS_PATH: Final = "/chaos"
CONTENT_TYPE: Final = b"application/x-amz-json-1.0"

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


class SqsApplication:
    """Answers requests, as an ASGI application. `chaos` is what `/chaos` does, where that exists."""

    def __init__(self, sqs: Sqs) -> None:
        self.sqs = sqs
        self.chaos: Callable[[str, float], dict[str, Any]] | None = None

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        try:
            if self.chaos is not None and scope["path"] == CHAOS_PATH and not _is_of_a_page(scope):
                await _answer(send, 200, _carried_out(self.chaos, await _request(receive)))
                return
            operation, given = _operation(scope), await _request(receive)
            output = await _unless_gone(self.sqs.call(operation, given), receive)
        except SqsError as error:
            told = {"__type": f"com.amazonaws.sqs#{error.shape}", "message": error.message}
            await _answer(send, error.status, told, error)
            return
        if output is not None:
            await _answer(send, 200, output)


async def _request(receive: Receive) -> dict[str, Any]:
    """The input of an operation. Raises SqsError."""
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            raise SqsError("RequestEntityTooLarge", f"A request has at most {BODY_BYTES_MAX} bytes.", status=413)
        if not event.get("more_body"):
            break
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise SqsError("SerializationException", "The body is no JSON object: only SQS's JSON protocol is spoken here.")
    return given


def _is_of_a_page(scope: Event) -> bool:
    """True if a browser asks for a web page. No page has anything to ask here."""
    return b"origin" in dict(scope["headers"])


def _carried_out(chaos: Callable[[str, float], dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    try:
        return chaos(str(given.get("verb")), float(given.get("seconds", 0)))
    except (TypeError, ValueError) as fault:
        return {"problem": str(fault)}


def _operation(scope: Event) -> str:
    if _is_of_a_page(scope):
        raise SqsError("AccessDenied", "No web page has anything to ask here.", status=403)
    target = dict(scope["headers"]).get(b"x-amz-target", b"")
    if not target.startswith(TARGET):
        raise SqsError("UnknownOperationException", "This is the SQS of `websocket-handler dev`, and no other service.")
    return str(target[len(TARGET) :].decode("latin-1"))


async def _unless_gone(call: Awaitable[dict[str, Any]], receive: Receive) -> dict[str, Any] | None:
    """What a call returns; None if its client went away before. Then a long poll takes no message."""
    working = asyncio.ensure_future(call)
    leaving = asyncio.ensure_future(receive())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, SqsError):
                await task


async def _answer(send: Send, status: int, output: dict[str, Any], error: SqsError | None = None) -> None:
    body = json.dumps(output).encode()
    headers = [
        (b"content-type", CONTENT_TYPE),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-requestid", new_id().encode()),
    ]
    if error is not None:
        fault = "Sender" if status < 500 else "Receiver"
        headers.append((b"x-amzn-query-error", f"{error.code};{fault}".encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(host: str, port: int, region: str) -> AsyncIterator[Sqs]:
    """The API at an address, for the length of a `with` block; port 0 is any free one. Raises OSError."""
    async with serving_application(host, port, region) as application:
        yield application.sqs


@asynccontextmanager
async def serving_application(host: str, port: int, region: str) -> AsyncIterator[SqsApplication]:
    """`serving`, with the application, to which more can be added."""
    listening = socket.create_server((host, port))
    application = SqsApplication(Sqs(f"http://{host}:{listening.getsockname()[1]}", region))
    config = Config(
        application,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=REQUESTS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}),  # type: ignore[call-arg]
        sock=listening,
    )
    try:
        yield application
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
