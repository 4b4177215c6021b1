"""WebSockets: the only file that knows the library `websockets`."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event

from websocket_handler_client.dialing import Ended, RefusedHandshake, Socket, UnreachableError

MESSAGE_BYTES_MAX: Final = 128 * 1024 * 1024
"""The largest message that is read: a page of history has up to 1,000 publications of 64 KiB."""
TURN_MESSAGES: Final = 100
"""So many messages of a burst are handed on before other tasks have their turn. Otherwise nobody could read while a
burst comes in, and every reader would look slow."""
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class _Connection(ClientConnection):
    """The library's connection with a queue of its own. `recv` of the library waits for each message, and costs half of
    the time in which a message is read; this one waits for each piece of data from the network."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: deque[bytes] = deque()
        """The messages that nobody has taken yet. Nothing is read from the network while there are many."""
        self._parts: list[bytes] = []
        """The beginning of a message that comes in several frames."""
        self._news: asyncio.Future[None] | None = None
        self._has_ended = False

    # Its user's side

    async def hand_on(self, take: Callable[[str | bytes], None]) -> None:
        """Give each message to `take`, until the connection ends."""
        waiting = self._waiting
        while True:
            for _ in range(min(len(waiting), TURN_MESSAGES)):
                take(_text(waiting.popleft()))
            if waiting:
                await asyncio.sleep(0)
            elif self._has_ended:
                return
            else:
                self.transport.resume_reading()
                await self._more()

    async def _more(self) -> None:
        self._news = self.loop.create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # The event loop's side

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiting:
            self._tell()
            if len(self._waiting) > TURN_MESSAGES:
                self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._has_ended = True
        self._tell()

    def process_event(self, event: Event) -> None:
        """Called by the library for the handshake's answer and for each frame."""
        if not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
        elif event.fin and not self._parts:
            self._waiting.append(bytes(event.data))
        else:
            self._parts.append(bytes(event.data))
            if event.fin:
                self._waiting.append(b"".join(self._parts))
                self._parts.clear()


def _text(data: bytes) -> str | bytes:
    """The text of a message. What is no UTF-8 stays as it is; the client passes over it."""
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return bytes(data)


class _Socket:
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed:
            return

    async def receive(self, take: Callable[[str | bytes], None]) -> Ended:
        await self._connection.hand_on(take)
        protocol = self._connection.protocol
        code, reason = protocol.close_code, protocol.close_reason
        return Ended(None, "") if code is None or code == CloseCode.ABNORMAL_CLOSURE else Ended(code, reason or "")

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
            create_connection=_Connection,
        )
    except InvalidStatus as refusal:
        answer = refusal.response
        retry_after = answer.headers.get("Retry-After")
        raise RefusedHandshake(answer.status_code, bytes(answer.body or b""), retry_after) from refusal
    except (OSError, EOFError, InvalidHandshake) as fault:
        raise UnreachableError(f"{type(fault).__name__}: {fault}") from fault
    return _Socket(cast(_Connection, connection))
