"""A WebSocket on asyncio. The test writes and reads every byte of it."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, Self

from tests.support.frames import ACCEPT, handshake_head
from tests.support.patience import PATIENCE_S

Message = dict[str, Any]
FIRST_TEXT = 0x81


class RawSocket:
    """A connection to the gateway whose handshake was accepted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls,
        port: int,
        path: str = "/ws",
        after_head: bytes = b"",
        receive_buffer_bytes: int | None = None,
        **headers: str | None,
    ) -> Self:
        """Connect. The test may choose other headers, send frames in the packet of the handshake, and ask for a small
        receive buffer."""
        plain = socket.socket()
        if receive_buffer_bytes is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=plain, limit=receive_buffer_bytes or 65_536)
        writer.write(handshake_head(path, **headers) + after_head)
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert f"sec-websocket-accept: {ACCEPT}".encode().lower() in head.lower()  # proxies change the case of names
        return cls(reader, writer)

    async def frame(self) -> tuple[int, bytes]:
        """Read the next frame: its first byte and its payload."""
        async with asyncio.timeout(PATIENCE_S):
            first, size = await self.reader.readexactly(2)
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
            return first, await self.reader.readexactly(size)

    async def message(self) -> Message:
        """Read the next text message, and skip pings."""
        while True:
            first, payload = await self.frame()
            if first == FIRST_TEXT:
                message: Message = json.loads(payload)
                return message

    async def rest(self) -> bytes:
        """Read everything until the gateway ends the connection."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def close(self) -> None:
        """End the connection without a close frame."""
        self.writer.close()
        await self.writer.wait_closed()


def close_at_once(transport: asyncio.Transport) -> None:
    """Close a socket without waiting for what its client still sends. For tests whose loop ends with the answer."""
    transport.close()
