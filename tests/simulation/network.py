"""The way between a client and a node: bytes in order in both directions, slow, stalled or cut, without sockets."""

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from types import SimpleNamespace
from typing import Any, Protocol, cast

from tests.simulation.loop import SimulationLoop
from websocket_handler.net.departed import End
from websocket_handler.ports.transport import SendToAll, Transport
from websocket_handler.protocol.frames import RSV1


class Process(Protocol):
    """The node behind a link."""

    context: Context
    descriptors: "Descriptors"
    is_frozen: bool

    def may_act(self) -> bool:
        """True if an effect still leaves the process. Each call counts towards a planned crash."""
        ...


class Peer(Protocol):
    """The client behind a link."""

    def received(self, link: "Link", data: bytes) -> None:
        """Bytes of the node arrive."""
        ...

    def lost(self, link: "Link") -> None:
        """The connection is gone."""
        ...


class Watcher(Protocol):
    """Watches what the node writes to a link."""

    def wrote(self, data: bytes, *, is_over_mark: bool) -> None:
        """The node wrote this. `is_over_mark` is true if its outbox was over its limit before."""
        ...

    def unsent(self, data: bytes) -> None:
        """The node wrote this to a link that is gone; the node does not know that yet."""
        ...

    def overtook(self) -> None:
        """The node sent bytes past bytes that wait, and so broke their order."""
        ...

    def ended(self) -> None:
        """The node has heard that the link is gone."""
        ...


def frames_in(data: bytes) -> Iterator[tuple[int, bool, bytes, int]]:
    """The complete frames of the server: opcode, True if it is compressed, payload after decompression, length on the
    wire."""
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
        if is_compressed:  # a new inflater each time, because no message may refer back to another
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        yield first & 15, is_compressed, payload, header + size
        start += header + size


class Socket(asyncio.Transport):
    """The node's end of a link. Bytes that the node wrote and the client has not read wait here. The kernel holds the
    first `kernel_bytes` of them, and the process does not know about those."""

    def __init__(self, link: "Link", kernel_bytes: int) -> None:
        super().__init__()
        self._link = link
        self._kernel_bytes = kernel_bytes
        self._high, self._low = 65536, 16384
        self._rest_bytes = 0
        self.is_over_mark = False
        self.descriptor = link.process.descriptors.open(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        assert low is not None
        self._high, self._low = high, low

    def write(self, data: Any) -> None:
        link = self._link
        if link.is_closed or link.is_finishing or not link.process.may_act():
            if not link.process.is_frozen:
                link.watcher.unsent(data)
            return
        if len(data) != self._rest_bytes:  # `send` has already shown all of it to the watcher
            link.watcher.wrote(data, is_over_mark=self.is_over_mark)
        self._rest_bytes = 0
        self._put(data)
        if self.get_write_buffer_size() > self._high and not self.is_over_mark:
            self.is_over_mark = True
            link.protocol.pause_writing()

    def send(self, data: bytes) -> int:
        """send(2) on the descriptor. Returns how many bytes the kernel took."""
        link = self._link
        if link.is_closed or link.is_finishing or not link.process.may_act():
            return 0
        link.watcher.wrote(data, is_over_mark=self.is_over_mark)
        if self.get_write_buffer_size():
            link.watcher.overtook()
        taken = min(len(data), max(0, self._kernel_bytes - link.outbox_bytes))
        self._rest_bytes = len(data) - taken
        if taken:
            self._put(data[:taken])
        return taken

    def _put(self, data: bytes) -> None:
        self._link.outbox.append(data)
        self._link.outbox_bytes += len(data)
        self._link.transfer_soon()

    def drained(self) -> None:
        """The client has read something."""
        if self.is_over_mark and self.get_write_buffer_size() <= self._low:
            self.is_over_mark = False
            self._link.in_process(self._link.protocol.resume_writing)

    def get_write_buffer_size(self) -> int:
        return max(0, self._link.outbox_bytes - self._kernel_bytes)

    def pause_reading(self) -> None:
        self._link.is_read = False

    def resume_reading(self) -> None:
        self._link.is_read = True
        self._link.arrived()

    def is_reading(self) -> bool:
        return self._link.is_read

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._link.protocol = cast("asyncio.Protocol", protocol)

    def close(self) -> None:
        self._link.finish()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The node sends no more. The client closes its side as soon as it has read everything."""
        self._link.finish()

    def abort(self) -> None:
        if self._link.process.may_act():
            self._link.end()

    @property
    def is_gone(self) -> bool:
        """True once nothing that is written reaches the client."""
        return self._link.is_closed

    def is_closing(self) -> bool:
        return self._link.is_closed or self._link.is_finishing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {
            "socket": SimpleNamespace(fileno=lambda: self.descriptor),
            "peername": (self._link.peer_address, 50_000),
        }
        return known.get(name, default)


class Descriptors:
    """The sockets of a process. As in a kernel, the lowest free number is used next."""

    def __init__(self) -> None:
        self._open: dict[int, Socket] = {}

    def open(self, socket: Socket) -> int:
        """A number for a socket."""
        number = next(number for number in range(len(self._open) + 1) if number not in self._open)
        self._open[number] = socket
        return number

    def close(self, socket: Socket) -> None:
        """The socket's number is free again."""
        del self._open[socket.descriptor]

    def group(self, transports: Sequence[Transport]) -> SendToAll:
        """`net.native_send.natively`, with these sockets in the kernel's place."""
        numbers = [transport.descriptor for transport in transports]
        writes = [transport.write for transport in transports]

        def send(data: bytes) -> None:
            taken = [self._open[number].send(data) if number in self._open else 0 for number in numbers]
            for write, count in zip(writes, taken, strict=True):
                if count < len(data):
                    write(data[count:])

        return send


class Link:
    """One connection. `speed` is how many bytes per second the client reads; 0 is a client that reads everything at
    once. `peer_address` is the address from which the node sees it come."""

    watcher: Watcher
    protocol: asyncio.Protocol
    """The object with which the node reads it: first an entry, then a WebSocket."""

    def __init__(
        self,
        loop: SimulationLoop,
        process: Process,
        peer: Peer,
        peer_address: str,
        latency_s: float,
        kernel_bytes: int,
    ) -> None:
        """`watcher` is set before the node sees the link."""
        self._loop = loop
        self.process = process
        self.peer = peer
        self.peer_address = peer_address
        self.latency_s = latency_s
        self.speed = 0.0
        self.is_stalled = False
        self.socket = Socket(self, kernel_bytes)
        self.outbox: deque[bytes] = deque()
        self.outbox_bytes = 0
        self.in_flight: deque[bytes] = deque()
        self.inbox: deque[bytes] = deque()
        self.is_read = True
        self.is_closed = False
        self.is_finishing = False
        self.is_cut = False
        """The client or the network ended it."""
        self._is_transferring = False
        self._pace = 0
        self._sent_at = 0.0

    def in_process(self, callback: Callable[..., object], *args: object) -> None:
        """Call `callback` in the node, in its own turn of the loop."""
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
        """Give the node the bytes that arrived, as far as it reads."""
        if self.is_read:
            for _ in self.inbox:
                self.in_process(self._read)

    def _read(self) -> None:
        """In the node: the next bytes go to the protocol that reads now, if there is one."""
        if self.inbox and self.is_read and not self.is_closed and not self.is_finishing:
            self.protocol.data_received(self.inbox.popleft())

    # Node to client

    def transfer_soon(self) -> None:
        """The client reads the bytes that wait, at its speed."""
        if self._is_transferring or self.is_stalled or not self.outbox or self.is_closed:
            return
        self._is_transferring = True
        first = len(self.outbox[0]) / self.speed if self.speed else 0.0
        self._loop.later(self.latency_s + first, self._transfer, self._pace)

    def _transfer(self, pace: int) -> None:
        if pace != self._pace:
            return  # the client reads differently meanwhile
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
        """The node closes the link; bytes that wait are sent first."""
        if self.is_closed or self.is_finishing or not self.process.may_act():
            return
        self.is_finishing = True
        if not self.outbox:
            self._loop.later(self.latency_s, self.end)

    def cut(self, told_s: float, noticed_s: float = 0.0) -> None:
        """The client or the network ends the link."""
        self.is_cut = self.is_cut or not self.is_closed
        self.end(told_s, noticed_s)

    def end(self, told_s: float = 0.0, noticed_s: float = 0.0) -> None:
        """The link breaks: the node learns it after `told_s`, the client after `noticed_s`."""
        if self.is_closed:
            return
        self.is_closed = True
        self.outbox.clear()
        self.outbox_bytes = 0
        self.inbox.clear()
        self._loop.later(told_s, lambda: self.in_process(self._lost))
        self._loop.later(noticed_s, self.peer.lost, self)

    def _lost(self) -> None:
        """The node learns of the end. Only then another connection can get the descriptor."""
        self.protocol.connection_lost(None)
        self.process.descriptors.close(self.socket)
        if not self.process.is_frozen:
            self.watcher.ended()

    def crash(self, *, keeps_outbox: bool) -> None:
        """The node died. The bytes in its kernel may still reach the client."""
        if self.is_closed:
            return
        left = b"".join(self.outbox)
        if keeps_outbox and left and not self.is_stalled:
            self.peer.received(self, left)
        self.end(noticed_s=self.latency_s)


def end_of(transport: asyncio.Transport) -> End:
    """What the kernel knows of the client's end."""
    return End.GONE if cast("Socket", transport).is_gone else End.OPEN


def as_transport(socket: Socket) -> asyncio.Transport:
    """The socket with the type that `WebSocket` expects."""
    return cast("asyncio.Transport", socket)
