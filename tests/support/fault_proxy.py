"""A TCP proxy that hurts what goes through it: stalls, resets and refuses, as it is told."""

import asyncio
import socket
import struct
from enum import Enum, auto
from typing import Self


class Mode(Enum):
    """What happens to bytes and connections."""

    PASS = auto()
    STALL = auto()
    """Connections are accepted and bytes are kept back, in both directions, until the mode changes."""
    RESET = auto()
    """Every connection, old or new, is reset (RST)."""
    LOSE_ANSWERS = auto()
    """Requests go through; the connection is reset in place of the answer."""


class FaultProxy:
    """Listens on a loopback port in front of a server on another one."""

    def __init__(self, target_url: str) -> None:
        host, _, port = target_url.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._mode = Mode.PASS
        self._changed = asyncio.Event()
        self._links: dict[asyncio.StreamWriter, None] = {}
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], None] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.set(Mode.RESET)
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def lead_to(self, port: int) -> None:
        """From now on new connections go to another port of this machine. The old ones stay."""
        self._target = ("127.0.0.1", port)

    def set(self, mode: Mode) -> None:
        """From now on do this to everything."""
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()
        if mode is Mode.RESET:
            for writer in list(self._links):
                _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = None
        try:
            await self._pass_on(reader, writer)
        finally:
            del self._serving[task]

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.RESET:
            _reset(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        self._links.update({writer: None, server_writer: None})
        requests = asyncio.create_task(self._pump(reader, server_writer))
        answers = asyncio.create_task(self._pump(server_reader, writer, are_answers=True))
        await asyncio.wait({requests, answers}, return_when=asyncio.FIRST_COMPLETED)
        for task in (requests, answers):
            task.cancel()
        await asyncio.gather(requests, answers, return_exceptions=True)
        for side in (writer, server_writer):
            self._links.pop(side, None)
            side.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, are_answers: bool = False
    ) -> None:
        while data := await reader.read(65536):
            while self._mode is Mode.STALL:
                await self._changed.wait()
            if self._mode is Mode.LOSE_ANSWERS and are_answers:
                _reset(writer)
                return
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset: SO_LINGER with zero seconds."""
    plain = writer.get_extra_info("socket")
    if plain is not None and not writer.transport.is_closing():
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
