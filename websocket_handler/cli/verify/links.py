"""Connections to a deployment, over aiohttp: a client that shares no code with the gateway, nor with its SDKs.

A frame is handed over as it comes: nothing here drops, orders or repeats one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from websocket_handler.cli.verify.plan import is_http, messages_url, socket_url

OPEN_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 2.0
HEARTBEAT_S: Final = 10.0
"""So often a silent connection is pinged. One without a pong after half of it is dead."""
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
WAIT_MAX_S: Final = 30.0
"""No client waits longer before its next attempt, whatever it is told."""
FINAL: Final = frozenset({400, 401, 403, 404, 426})
"""Statuses of a handshake that no repetition changes."""
DENIED: Final = frozenset({401, 403})
DO_NOT_RECONNECT: Final = range(4500, 5000)
"""Close codes of the protocol."""

Message = dict[str, Any]


class RefusedError(Exception):
    """Nothing can be done now. `reason` is for people; `wait_s` is how long the gateway asked to wait; `status` is
    that of a handshake."""

    def __init__(self, reason: str, wait_s: float | None = None, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = None if wait_s is None else min(max(wait_s, 0.0), WAIT_MAX_S)
        self.status = status


class Link(Protocol):
    """One way to a deployment."""

    async def send(self, command: Message) -> None:
        """Send a command. Raises RefusedError if the connection has ended."""
        ...

    async def receive(self) -> Message:
        """The next message. A cancelled call loses none. Raises RefusedError at the end of the connection."""
        ...

    async def close(self) -> None:
        """End it. Does nothing if it has ended."""
        ...


class SocketLink:
    """A WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, command: Message) -> None:
        try:
            await self._socket.send_str(msgspec.json.encode(command).decode())
        except (aiohttp.ClientError, OSError) as fault:
            raise RefusedError("connection lost") from fault

    async def receive(self) -> Message:
        return read(await self.receive_text())

    async def receive_text(self) -> str:
        """The next message as it came. Raises RefusedError at the end of the connection."""
        try:
            frame = await self._socket.receive()
        except (aiohttp.ClientError, OSError) as fault:  # a ping came, and the connection ended before its answer
            raise RefusedError("connection lost") from fault
        if frame.type is aiohttp.WSMsgType.TEXT:
            text: str = frame.data
            return text
        code = self._socket.close_code
        if code is None or code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE:
            raise RefusedError("connection lost")
        raise RefusedError(f"close {code}", status=code)

    async def close(self) -> None:
        await self._socket.close()


class HttpLink:
    """Publishes over the HTTP API. Its answers have the form of those of a WebSocket."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> None:
        self._session = session
        self._url = url
        self._headers = headers
        self._answers: asyncio.Queue[Message | RefusedError] = (
            asyncio.Queue()
        )  # a publisher has a bounded number of them open
        self._posting: set[asyncio.Task[None]] = set()

    async def send(self, command: Message) -> None:
        task = asyncio.create_task(self._post(command))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def receive(self) -> Message:
        answer = await self._answers.get()
        if isinstance(answer, RefusedError):
            raise answer
        return answer

    async def close(self) -> None:
        for task in self._posting:
            task.cancel()
        await asyncio.gather(*self._posting, return_exceptions=True)

    async def _post(self, command: Message) -> None:
        headers = {**self._headers, "Idempotency-Key": command["key"], "Content-Type": "application/json"}
        body = msgspec.json.encode(command["message"])
        try:
            url = messages_url(self._url, command["project_id"])
            async with self._session.post(url, data=body, headers=headers) as answer:
                message = _answer(answer.status, await answer.read(), answer.headers)
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            self._answers.put_nowait(RefusedError(_name_of(fault)))
        else:
            self._answers.put_nowait({**message, "id": command["id"]})


class Dial:
    """Opens links for clients that take turns with the tokens."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(self, url: str, token: str | None, query: str = "") -> Link:
        """Open a link. Raises RefusedError."""
        if is_http(url):
            return HttpLink(self._session, url, _credentials(token))
        return await self.socket(url, token, query)

    async def socket(self, url: str, token: str | None, query: str = "") -> SocketLink:
        """Open a WebSocket. Raises RefusedError."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                socket = await self._session.ws_connect(
                    socket_url(url, query),
                    headers=_credentials(token),
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MESSAGE_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                )
        except aiohttp.WSServerHandshakeError as refusal:
            wait_s = _seconds(refusal.headers or {})
            raise RefusedError(f"handshake {refusal.status}", wait_s, refusal.status) from refusal
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise RefusedError(_name_of(fault)) from fault
        return SocketLink(socket)

    async def call(
        self, method: str, url: str, token: str | None, body: bytes | None = None, key: str | None = None
    ) -> tuple[int, Message]:
        """The status and the body of an answer of the HTTP API. `body` is JSON, and `key` its idempotency key. Raises
        RefusedError."""
        headers = _credentials(token)
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            async with self._session.request(method, url, data=body, headers=headers) as answer:
                return answer.status, _answer(answer.status, await answer.read(), answer.headers)
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise RefusedError(_name_of(fault)) from fault


@asynccontextmanager
async def dialing() -> AsyncIterator[Dial]:
    """A Dial for the length of a `with` block. It goes straight to each URL, past any proxy of the environment."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=OPEN_TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        yield Dial(session)


def _credentials(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def wait_s_of(message: Message) -> float | None:
    """How long an error asks to wait, in seconds."""
    hint_ms = message.get("retry_after_ms")
    return min(hint_ms / 1000, WAIT_MAX_S) if isinstance(hint_ms, int | float) else None


def read(text: str | bytes) -> Message:
    """A message from its text. Raises RefusedError if it is no JSON object."""
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError:
        message = None
    if not isinstance(message, dict):
        raise RefusedError("an answer that is no JSON object")
    return message


def _answer(status: int, body: bytes, headers: Mapping[str, str]) -> Message:
    try:
        message = read(body)
    except RefusedError:  # a load balancer's own page
        message = {"type": "error", "code": f"status {status}", "retryable": status not in DENIED}
    wait_s = _seconds(headers)
    if wait_s is not None:
        message.setdefault("retry_after_ms", 1000 * wait_s)
    return message


def is_foreign(answer: Message) -> bool:
    """True if an answer of the HTTP API was made here, because what came was no JSON object of a gateway."""
    return answer.get("type") == "error" and "message" not in answer


def _seconds(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _name_of(fault: Exception) -> str:
    return "no answer in time" if isinstance(fault, TimeoutError) else "unreachable"
