"""How a socket ends whose client may still be sending: after the last answer the gateway takes the rest, and drops it.

A socket that is closed with unread bytes is reset, and then the client may lose the answer (RFC 9112 section 9.6).
"""

import asyncio
from typing import Final

LINGER_S: Final = 2.0
"""How long the gateway takes what a client still sends, at most."""
LINGER_BYTES: Final = 8_388_608
"""How much it takes of one client, at most; the largest body with the default settings fits."""
SOCKETS_MAX: Final = 256
"""How many sockets may linger at a time. Beyond, a socket is closed at once: a flood must not fill the node."""


class Lingering:
    """The sockets of one node that were answered for the last time."""

    def __init__(self, sockets_max: int = SOCKETS_MAX) -> None:
        self._sockets_max = sockets_max
        self._clients: dict[_Lingerer, None] = {}

    def end(self, transport: asyncio.Transport) -> None:
        """Say that nothing more is sent, and close the socket when its client has done so too, or after the bounds.
        What waits to be written leaves first. The socket's protocol hears of it no more."""
        if transport.is_closing():
            return
        if len(self._clients) >= self._sockets_max or not transport.can_write_eof():
            transport.close()
            return
        client = _Lingerer(transport, self._clients)
        self._clients[client] = None
        transport.set_protocol(client)
        transport.write_eof()
        transport.resume_reading()


class _Lingerer(asyncio.Protocol):
    """Drops what a client still sends."""

    def __init__(self, transport: asyncio.Transport, clients: "dict[_Lingerer, None]") -> None:
        self._transport = transport
        self._clients = clients
        self._bytes = 0
        self._timer = asyncio.get_running_loop().call_later(LINGER_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > LINGER_BYTES:
            self._transport.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._clients.pop(self, None)
