"""How a socket ends whose client may still be sending. After the last answer the gateway reads what still arrives, and
drops it.

If a socket is closed with unread bytes, the kernel resets it, and then the client may lose the answer (RFC 9112 section
9.6).
"""

import asyncio
from typing import Final

LINGER_S: Final = 2.0
"""For how many seconds the gateway waits for a client that neither reads the answer nor sends."""
LINGER_TOTAL_S: Final = 30.0
"""For how many seconds the gateway reads what a client still sends, at most."""
LINGER_BYTES: Final = 8_388_608
"""How many bytes it reads from one client, at most. The largest body with the default settings fits."""
SOCKETS_MAX: Final = 256
"""How many sockets may linger at a time. If there are more, the one that began first is dropped: a flood must
not fill the node."""


class Lingering:
    """The sockets of one node that have got their last answer."""

    def __init__(self, sockets_max: int = SOCKETS_MAX, bytes_max: int = LINGER_BYTES) -> None:
        self._sockets_max = sockets_max
        self._bytes_max = bytes_max
        self._clients: dict[_Lingerer, None] = {}

    def end(self, transport: asyncio.Transport) -> None:
        """Tell the client that the gateway sends no more. Close the socket when the client says the same, or when a
        limit is reached. Bytes that wait to be written leave first. The socket's former protocol hears no more of
        it."""
        if transport.is_closing():
            return
        if not transport.can_write_eof():
            transport.close()
            return
        if len(self._clients) >= self._sockets_max:
            next(iter(self._clients)).drop()
        client = _Lingerer(transport, self._clients, self._bytes_max)
        self._clients[client] = None
        transport.set_protocol(client)
        transport.write_eof()
        transport.resume_reading()


class _Lingerer(asyncio.Protocol):
    """Drops what a client still sends."""

    def __init__(self, transport: asyncio.Transport, clients: "dict[_Lingerer, None]", bytes_max: int) -> None:
        self._transport = transport
        self._clients = clients
        self._bytes_max = bytes_max
        self._received = 0
        self._seen = self._progress()
        loop = asyncio.get_running_loop()
        self._ends_at = loop.time() + LINGER_TOTAL_S
        self._timer = loop.call_later(LINGER_S, self._look)

    def _progress(self) -> tuple[int, int]:
        """Numbers that change while the client reads or sends."""
        return self._received, self._transport.get_write_buffer_size()

    def _look(self) -> None:
        """Drop the client if it made no progress, or if it has its answer and still sends after a long time."""
        progress, loop = self._progress(), asyncio.get_running_loop()
        _, unsent = progress
        if progress == self._seen or (not unsent and loop.time() >= self._ends_at):
            self.drop()
            return
        self._seen = progress
        self._timer = loop.call_later(LINGER_S, self._look)

    def drop(self) -> None:
        """End the connection now."""
        self._timer.cancel()
        self._clients.pop(self, None)
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self._bytes_max:
            self.drop()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._clients.pop(self, None)
