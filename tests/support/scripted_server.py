"""An HTTP server that answers each request as the test says, in order."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from enum import Enum, auto


class Deed(Enum):
    """What the server does instead of answering."""

    CLOSE = auto()
    RESET = auto()
    STALL = auto()


def http_answer(body: bytes, status: int = 200, **headers: str) -> bytes:
    """The bytes of an answer. In `headers`, `x_amzn_query_error` stands for `x-amzn-query-error`."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return b"HTTP/1.1 %d Word\r\n%bContent-Length: %d\r\n\r\n%b" % (status, lines.encode(), len(body), body)


TAKEN = http_answer(b'{"Successful":[{"Id":"0","MessageId":"receipt","MD5OfMessageBody":"x"}]}')

Act = bytes | Deed
"""An answer, or a deed."""


@dataclass
class Request:
    """One request as it arrived."""

    connection: int
    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return dict(message_from_bytes(self.head.split(b"\r\n", 1)[1]).items())


@dataclass
class ScriptedServer:
    """`script` has the acts for each request. Its last entry serves all further requests."""

    script: Sequence[Sequence[Act]]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    open_max: int = 0
    port: int = 0
    is_tls: bool = False
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released for each request."""
    ended: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released for each connection that has ended."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """A server that stalls waits for this event."""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://localhost:{self.port}"

    def hang_up(self) -> None:
        """End the last connection at once. The other side has received the end, but has not read it."""
        self.writers[-1].get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        self.open_now += 1
        self.open_max = max(self.open_max, self.open_now)
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(message_from_bytes(head.split(b"\r\n", 1)[1])["Content-Length"] or 0)
                self.requests.append(Request(number, head, await reader.readexactly(length)))
                self.arrived.release()
                for act in self.script[min(len(self.requests), len(self.script)) - 1]:
                    await self._do(act, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self.open_now -= 1
            self.ended.release()

    async def _do(self, act: Act, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(act, bytes):
            writer.write(act)
            await writer.drain()
            return
        if act is Deed.STALL:
            waiting = asyncio.create_task(self.go_on.wait())
            gone = asyncio.create_task(reader.read(1))
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if gone.done():
                raise ConnectionResetError
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            return
        if act is Deed.RESET:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
        raise ConnectionResetError


@asynccontextmanager
async def scripted_server(*script: Sequence[Act], tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """A running server on loopback."""
    scripted = ScriptedServer(script or [[TAKEN]], is_tls=tls is not None)
    server = await asyncio.start_server(scripted.serve, "localhost", family=socket.AF_INET, ssl=tls)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        for writer in scripted.writers:
            writer.transport.abort()
        while scripted.open_now:
            await scripted.ended.acquire()
