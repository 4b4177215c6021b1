"""The way between a client and a node: bytes in order both ways, slow, stalled or cut, without sockets."""

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, Protocol, cast

from tests.simulation.loop import SimulationLoop
from websocket_handler.net.websocket import WebSocket
from websocket_handler.protocol.frames import RSV1


class Process(Protocol):
    """The node behind a link."""

    context: Context
    is_frozen: bool

    def may_act(self) -> bool:
        """Whether an effect still leaves the process; counts towards a planned crash."""
        ...


class Peer(Protocol):
    """The client behind a link."""

    def received(self, link: "Link", data: bytes) -> None:
        """Bytes of the node."""
        ...

    def lost(self, link: "Link") -> None:
        """The connection is gone."""
        ...


def frames_in(data: bytes) -> Iterator[tuple[int, bool, bytes, int]]:
    """The server's whole frames: opcode, whether it came compressed, payload as it is meant, length on the wire."""
    start = 0
    while len(data) - start >= 2:
        first, size, header = data[start], data[start + 1], 2
        if size == 126:
            size, header = int.from_bytes(data[start + 2 : start + 4]), 4
        elif size == 127:
            size, header = int.from_bytes(data[start + 2 : start + 10]), 10
        if len(data) - start < header + size:
            return
        payload = bytes(data[start + header : start + header + size])
        is_compressed = bool(first & RSV1)
        if is_compressed:  # with an inflater of its own: no message may refer back to another
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        yield first & 15, is_compressed, payload, header + size
        start += header + size


class Socket(asyncio.Transport):
    """The node's end: what it wrote and the client has not taken waits here."""

    def __init__(self, link: "Link") -> None:
        super().__init__()
        self._link = link
        self._high, self._low = 65536, 16384
        self.is_over_mark = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        assert low is not None
        self._high, self._low = high, low

    def write(self, data: Any) -> None:
        link = self._link
        if link.is_closed or link.is_finishing or not link.process.may_act():
            return
        link.wrote(data, is_over_mark=self.is_over_mark)
        link.outbox.append(data)
        link.outbox_bytes += len(data)
        if link.outbox_bytes > self._high and not self.is_over_mark:
            self.is_over_mark = True
            link.websocket.pause_writing()
        link.transfer_soon()

    def drained(self) -> None:
        """The client took something."""
        if self.is_over_mark and self._link.outbox_bytes <= self._low:
            self.is_over_mark = False
            self._link.in_process(self._link.websocket.resume_writing)

    def get_write_buffer_size(self) -> int:
        return self._link.outbox_bytes

    def pause_reading(self) -> None:
        self._link.is_read = False

    def resume_reading(self) -> None:
        self._link.is_read = True
        self._link.arrived()

    def close(self) -> None:
        self._link.finish()

    def abort(self) -> None:
        if self._link.process.may_act():
            self._link.end()

    def is_closing(self) -> bool:
        return self._link.is_closed or self._link.is_finishing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


def _unseen(data: bytes, *, is_over_mark: bool) -> None:
    """Nobody watches what is written."""


class Link:
    """One connection. `speed` is what the client takes, in bytes per second; 0 is a client that does not read."""

    websocket: WebSocket

    def __init__(self, loop: SimulationLoop, process: Process, peer: Peer, latency_s: float) -> None:
        self._loop = loop
        self.process = process
        self.peer = peer
        self.latency_s = latency_s
        self.speed = 0.0
        self.is_stalled = False
        self.socket = Socket(self)
        self.outbox: deque[bytes] = deque()
        self.outbox_bytes = 0
        self.in_flight: deque[bytes] = deque()
        self.inbox: deque[bytes] = deque()
        self.is_read = True
        self.is_closed = False
        self.is_finishing = False
        self.wrote: Callable[..., None] = _unseen
        self._is_transferring = False
        self._pace = 0
        self._sent_at = 0.0

    def in_process(self, callback: Callable[..., object], *args: object) -> None:
        """Call in the node, in a turn of its own."""
        self._loop.call_soon(callback, *args, context=self.process.context)

    # Client to node

    def send(self, data: bytes) -> None:
        """The client sends bytes; they arrive in order."""
        when = max(self._loop.time() + self.latency_s, self._sent_at)
        self._sent_at = when
        self.in_flight.append(data)
        self._loop.later(when - self._loop.time(), self._arrive)

    def _arrive(self) -> None:
        data = self.in_flight.popleft()
        if not self.is_closed:
            self.inbox.append(data)
            self.arrived()

    def arrived(self) -> None:
        """Hand over what arrived, as far as the node reads."""
        while self.inbox and self.is_read and not self.is_closed:
            self.in_process(self.websocket.data_received, self.inbox.popleft())

    # Node to client

    def transfer_soon(self) -> None:
        """The client takes what waits, at its speed."""
        if self._is_transferring or self.is_stalled or not self.outbox or self.is_closed:
            return
        self._is_transferring = True
        first = len(self.outbox[0]) / self.speed if self.speed else 0.0
        self._loop.later(self.latency_s + first, self._transfer, self._pace)

    def _transfer(self, pace: int) -> None:
        if pace != self._pace:
            return  # the client changed its ways meanwhile
        self._is_transferring = False
        if self.is_closed or self.is_stalled or not self.outbox:
            return
        if self.speed:
            data = self.outbox.popleft()
        else:
            data = b"".join(self.outbox)
            self.outbox.clear()
        self.outbox_bytes -= len(data)
        self.socket.drained()
        if self.is_finishing and not self.outbox:
            self._loop.later(0, self.end)
        self.transfer_soon()
        self.peer.received(self, data)

    def pace(self, *, speed: float, is_stalled: bool) -> None:
        """Change how the client reads."""
        self.speed, self.is_stalled = speed, is_stalled
        self._pace += 1
        self._is_transferring = False
        self.transfer_soon()

    # Endings

    def finish(self) -> None:
        """The node closes: what waits is sent first."""
        if self.is_closed or self.is_finishing or not self.process.may_act():
            return
        self.is_finishing = True
        if not self.outbox:
            self._loop.later(self.latency_s, self.end)

    def end(self, told_s: float = 0.0, noticed_s: float = 0.0) -> None:
        """It breaks: the node learns `told_s` from now, the client `noticed_s`."""
        if self.is_closed:
            return
        self.is_closed = True
        self.outbox.clear()
        self.outbox_bytes = 0
        self.inbox.clear()
        self._loop.later(told_s, lambda: self.in_process(self.websocket.connection_lost, None))
        self._loop.later(noticed_s, self.peer.lost, self)

    def crash(self, *, keeps_outbox: bool) -> None:
        """The node died. What its kernel held may still reach the client."""
        if self.is_closed:
            return
        left = b"".join(self.outbox)
        if keeps_outbox and left and not self.is_stalled:
            self.peer.received(self, left)
        self.end(noticed_s=self.latency_s)


def as_transport(socket: Socket) -> asyncio.Transport:
    """What `WebSocket` takes."""
    return cast("asyncio.Transport", socket)
