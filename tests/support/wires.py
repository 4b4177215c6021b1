"""Sockets without a network: a transport in memory, and a node whose sockets they are."""

import asyncio
import json
from typing import Any

from tests.support.frames import TEXT, client_frame, handshake_head
from tests.support.nodes import core_options, memory_ports
from tests.support.server_frames import read_back
from websocket_handler.assembly import Core, assemble
from websocket_handler.delivery.connection import Connection
from websocket_handler.net.entrance import Entrance, EntranceOptions, GiveBack
from websocket_handler.net.lingering import Lingering
from websocket_handler.net.websocket import WebSocket


class Wire(asyncio.Transport):
    """A socket with a client at its other end. It takes every byte at once until it is told that it is full."""

    def __init__(self, address: str = "203.0.113.7", *, can_write_eof: bool = True) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed: str | None = None
        """How the node ended it: closed, or aborted."""
        self.is_full = False
        self.has_said_goodbye = False
        """True once the node has closed its half."""
        self._address = address
        self._can_write_eof = can_write_eof
        self._buffered = 0
        self._is_reading = True
        self._protocol: asyncio.Protocol

    # asyncio.Transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.Protocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._address, 50_000) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closed is not None:
            return
        assert not self.has_said_goodbye, "nothing is written behind the end"
        self.writes.append(bytes(data))
        if self.is_full:
            was_empty = not self._buffered
            self._buffered += len(data)
            if was_empty:
                self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The protocol pauses as soon as one byte waits."""

    def get_write_buffer_size(self) -> int:
        return self._buffered

    def can_write_eof(self) -> bool:
        return self._can_write_eof

    def write_eof(self) -> None:
        self.has_said_goodbye = True

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True

    def is_closing(self) -> bool:
        return self.closed is not None

    def close(self) -> None:
        self._end("closed")

    def abort(self) -> None:
        self._end("aborted")

    def _end(self, how: str) -> None:
        if self.closed is None:
            self.closed = how
            asyncio.get_running_loop().call_soon(self._lost)

    def _lost(self) -> None:
        """As every transport, it forgets its protocol behind the last call."""
        protocol, self._protocol = self._protocol, asyncio.Protocol()
        protocol.connection_lost(None)

    # The client's side

    @property
    def written(self) -> bytes:
        """Everything that the node sent."""
        return b"".join(self.writes)

    def open(self, protocol: asyncio.Protocol) -> None:
        """Connect."""
        self.set_protocol(protocol)
        protocol.connection_made(self)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        assert self._is_reading, "a node that does not read gets nothing"
        if self.closed is None:
            self._protocol.data_received(data)

    def command(self, **fields: Any) -> None:
        """Send a command."""
        self.send(client_frame(TEXT, json.dumps(fields).encode()))

    def send_eof(self) -> None:
        """Send no more."""
        if not self._protocol.eof_received():
            self.close()

    def hang_up(self) -> None:
        """Vanish."""
        self._end("lost")

    def drain(self) -> None:
        """Read everything that waits, and go on reading."""
        self.is_full = False
        if self._buffered:
            self._buffered = 0
            self._protocol.resume_writing()

    def frames(self) -> list[tuple[int, bytes]]:
        """The frames that the node sent behind its handshake: opcode and payload."""
        _, end, rest = self.written.partition(b"\r\n\r\n")
        return [(int(frame.opcode), bytes(frame.data)) for frame in read_back(rest if end else self.written)]

    def messages(self) -> list[dict[str, Any]]:
        """The messages among them."""
        return [json.loads(payload) for opcode, payload in self.frames() if opcode == TEXT]

    def forget(self) -> None:
        """Look only at what comes from here on."""
        self.writes.clear()

    @property
    def status(self) -> int:
        """The status of an HTTP answer; 0 if there is none."""
        return int(self.written.split(b" ")[1]) if self.written else 0

    @property
    def code(self) -> str:
        """The code of the error in an HTTP answer."""
        return str(json.loads(self.written.partition(b"\r\n\r\n")[2])["code"])


class HttpSide(asyncio.Protocol):
    """What is in place of the HTTP server: it remembers what it was given."""

    def __init__(self, give_back: GiveBack) -> None:
        self.give_back = give_back
        self.received = b""
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data


class Door:
    """A node's entrance over wires. A loop has to run."""

    def __init__(
        self, *, ports: dict[str, Any] | None = None, entrance: EntranceOptions | None = None, **core: Any
    ) -> None:
        """`ports` and `core` replace some of the defaults."""
        self.core: Core = assemble(memory_ports(**(ports or {})), core_options(**core))
        self.entrance = Entrance(entrance or EntranceOptions(), self.core.sockets, HttpSide, Lingering().end)

    def knock(self, address: str = "203.0.113.7") -> Wire:
        """A fresh socket."""
        wire = Wire(address)
        wire.open(self.entrance.protocol())
        return wire

    def enter(self, path: str = "/ws", /, **headers: str | None) -> Wire:
        """A client whose handshake was accepted; what came with the answer is forgotten."""
        wire = self.knock()
        wire.send(handshake_head(path, **headers))
        assert wire.written.startswith(b"HTTP/1.1 101 "), wire.written
        wire.forget()
        return wire

    def connection_of(self, wire: Wire) -> Connection:
        """The node's connection behind a wire."""
        websocket = wire.get_protocol()
        assert isinstance(websocket, WebSocket)
        assert websocket.connection is not None
        return websocket.connection
