"""A TCP proxy in front of the gateway that hurts what goes through it, as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

CONNECTIONS_MAX: Final = 1000
PIECE_BYTES: Final = 65_536
SLOW_PIECE_S: Final = 0.2
"""How long each piece waits while the network is slow."""


class Proxy:
    """Passes everything on to a port of this machine."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._moves = asyncio.Event()
        self._moves.set()
        self._slow_until = 0.0
        self._writers: dict[asyncio.StreamWriter, None] = {}
        self._serving: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Ends every connection at once, without a word."""
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self, seconds: float) -> None:
        """Keeps everything back for so long."""
        self._moves.clear()
        asyncio.get_running_loop().call_later(seconds, self._moves.set)

    def slow(self, seconds: float) -> None:
        """Lets each piece wait, for so long."""
        self._slow_until = asyncio.get_running_loop().time() + seconds

    @asynccontextmanager
    async def serving(self, hosts: Sequence[str], port: int) -> AsyncIterator[int]:
        """Listens, for the length of a `with` block. Gives the port. Raises OSError."""
        server = await asyncio.start_server(self._serve, list(hosts), port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self._moves.set()
            self.cut()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: both of its directions, until one side ends it."""
        if len(self._writers) >= 2 * CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers[writer] = None
        inner: asyncio.StreamWriter | None = None
        try:
            answers, inner = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers[inner] = None
            await asyncio.gather(self._pass(reader, inner), self._pass(answers, writer))
        except OSError:
            pass  # no gateway, or one side is gone: then the other one is sent away, too
        finally:
            for each in (writer, inner):
                if each is not None:
                    self._writers.pop(each, None)
                    with suppress(OSError):
                        each.close()
                        await each.wait_closed()
            self._serving.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        while piece := await reader.read(PIECE_BYTES):
            await self._moves.wait()
            if now() < self._slow_until:
                await asyncio.sleep(SLOW_PIECE_S)
            if writer.is_closing():
                return
            writer.write(piece)
            await writer.drain()
        if not writer.is_closing():
            writer.write_eof()
