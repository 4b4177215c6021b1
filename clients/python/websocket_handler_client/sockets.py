"""WebSockets: the only file that knows the library `websockets`."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from websocket_handler_client.dialing import Ended, RefusedHandshake, Socket, UnreachableError

MESSAGE_BYTES_MAX: Final = 128 * 1024 * 1024
"""The largest message that is read: a page of history has up to 1,000 publications of 64 KiB."""
TURN_MESSAGES: Final = 100
"""So many messages of a burst are handed on before other tasks have their turn. Otherwise nobody could read while a
burst comes in, and every reader would look slow."""


class _Socket:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed:
            return

    async def receive(self, take: Callable[[str | bytes], None]) -> Ended:
        receive = self._connection.recv
        try:
            while True:
                for _ in range(TURN_MESSAGES):
                    take(await receive())
                await asyncio.sleep(0)
        except ConnectionClosed as end:
            return Ended(None, "") if end.rcvd is None else Ended(end.rcvd.code, end.rcvd.reason)

    async def close(self) -> None:
        await self._connection.close()

    def abort(self) -> None:
        self._connection.transport.abort()


async def dial(url: str, token: str | None, closing_s: float) -> Socket:
    """Opens a WebSocket. The deadlines of opening, and of a silent gateway, are the caller's."""
    headers: Any = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        connection = await connect(
            url,
            additional_headers=headers,
            open_timeout=None,
            close_timeout=closing_s,
            ping_interval=None,
            compression=None,
            max_size=MESSAGE_BYTES_MAX,
        )
    except InvalidStatus as refusal:
        answer = refusal.response
        retry_after = answer.headers.get("Retry-After")
        raise RefusedHandshake(answer.status_code, bytes(answer.body or b""), retry_after) from refusal
    except (OSError, EOFError, InvalidHandshake) as fault:
        raise UnreachableError(f"{type(fault).__name__}: {fault}") from fault
    return _Socket(connection)
