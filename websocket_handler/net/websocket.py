"""One WebSocket on a real socket. It owns the bytes of a connection in both directions.

Nothing here waits: bytes come in through callbacks and go out in one write. An idle connection has no task and no
buffer.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from websocket_handler.delivery.connection import Connection
from websocket_handler.net.pongs import Pongs
from websocket_handler.net.shared import Shared
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.deflate import inflated
from websocket_handler.protocol.frame_decoder import Event, FrameDecoder, ProtocolViolation
from websocket_handler.protocol.frames import PLAIN, Framing, close_frame, ping_frame
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.messages import Subscribe

CLOSE_TIMEOUT_S: Final = 5.0
"""How long the closing handshake may take before the connection is dropped."""
FAIL_TIMEOUT_S: Final = 0.5
"""How long a connection stays after its client broke the protocol."""
GREETING_BYTES_MAX: Final = 4096
"""How many bytes may be joined to the handshake's answer. A client that resumes gets the rest in further writes."""
ABNORMAL: Final = 1006
"""The code of a connection that ended without a close frame (RFC 6455 section 7.1.5). It is never sent."""

_NO_STATUS: Final = 1005
_PING: Final = ping_frame()


class WebSocket(asyncio.Protocol):
    """A transport (ports.transport) and the reader of its other direction."""

    __slots__ = (
        "_address",
        "_close_timer",
        "_decoder",
        "_deferred",
        "_framing",
        "_greeting",
        "_has_failed",
        "_identity",
        "_is_half_closed",
        "_pongs",
        "_shared",
        "_socket",
        "_subscriptions",
        "close_code",
        "connection",
        "descriptor",
        "heard",
        "is_closing",
        "write",
    )

    def __init__(
        self,
        shared: Shared,
        socket: asyncio.Transport,
        subscriptions: tuple[Subscribe, ...],
        identity: Identity | None,
        address: str,
        framing: Framing = PLAIN,
    ) -> None:
        """`address` is the client address that the connection counts for; `framing` is what the handshake agreed on."""
        self._shared = shared
        self._identity = identity
        self._address = address
        self._socket = socket
        self._subscriptions = subscriptions
        self._decoder = FrameDecoder(shared.message_bytes, inflates=framing is not PLAIN)
        self._framing = framing
        self._deferred: deque[tuple[Event, bytes]] | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._pongs: Pongs | None = None
        self.write: Callable[[bytes], None] = socket.write
        self._greeting = b""
        self._has_failed = False
        """True once the client broke the protocol: nothing that it sends is read any more."""
        self._is_half_closed = False
        """True once the client sends no more."""
        self.connection: Connection | None = None
        self.heard = True
        """True if anything has arrived since the last ping."""
        self.is_closing = False
        self.close_code = ABNORMAL
        self.descriptor = _descriptor(socket)

    def begin(self, answer: bytes) -> None:
        """Answer the handshake: from now on frames flow. The answer, the greeting and the confirmations leave in one
        write. Raises CommandError when the node is full."""
        self.pause_when_behind()
        self._greeting = answer
        self.write = self._write_greeting
        self.connection = self._shared.server.register_connection(self, self._identity, self._framing)
        self._shared.keepalive.add(self)
        self._shared.server.begin(self.connection, self._subscriptions)
        self._subscriptions = ()
        self._greet()

    def _write_greeting(self, data: bytes) -> None:
        self._greeting += data
        if len(self._greeting) > GREETING_BYTES_MAX:
            self._greet()

    def _greet(self) -> None:
        """Send the bytes that were joined. From now on every write goes directly to the socket."""
        if self._greeting:
            self.write = self._socket.write
            if self.connection is not None:
                self.connection.write_with(self.write)
            greeting, self._greeting = self._greeting, b""
            self.write(greeting)

    def pause_when_behind(self) -> None:
        """From now on the client is behind as soon as the kernel does not take everything at once. Then only answers go
        into its outbox, and publications wait in the log."""
        self._socket.set_write_buffer_limits(high=0, low=0)

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        self.heard = True
        if self._has_failed:
            return
        try:
            events = self._decoder.receive(data)
        except ProtocolViolation as violation:
            self._take(violation.events)
            self._fail(violation)
            return
        self._take(events)

    def _take(self, events: list[tuple[Event, bytes]]) -> None:
        if self._deferred is not None:
            self._deferred.extend(events)
        elif len(events) == 1:
            self._handle_one(*events[0])
        else:
            self._handle(deque(events))

    def _handle(self, pending: deque[tuple[Event, bytes]]) -> None:
        """Handle events until the client's outbox is full. The rest waits until the client has read its answers."""
        while pending:
            event, payload = pending.popleft()
            self._handle_one(event, payload)
            if self.connection is not None and self.connection.is_paused and pending:
                self._deferred = pending
                return

    def _handle_one(self, event: Event, payload: bytes) -> None:
        if event is Event.CLOSE:
            self._answer_close(payload)
        elif self.is_closing:
            return  # RFC 6455 section 1.4: after a close frame nothing further is processed
        elif event is Event.PING:
            self._answer_ping(payload)
        elif event is Event.TEXT:
            if self.connection is not None:
                self._handle_text(self.connection, payload)
        elif event is Event.DEFLATED_TEXT or event is Event.DEFLATED_BINARY:
            self._handle_deflated(event, payload)
        elif self.connection is None:
            return
        elif event is Event.BINARY:
            fault = CommandError(ErrorCode.BINARY_NOT_SUPPORTED, "binary messages are not supported; send text")
            self._shared.server.refuse(self.connection, fault)
        elif event is Event.OVERSIZE:
            self._shared.server.refuse(self.connection, self.connection.session.too_large())

    def _handle_deflated(self, event: Event, payload: bytes) -> None:
        """Decompress a message when its turn comes, unless its sender exceeds its rate anyway."""
        try:
            if self.connection is not None:
                self.connection.session.check_rate(self._shared.now())
            message = inflated(event, payload, self._shared.message_bytes)
        except CommandError as fault:
            assert self.connection is not None
            self._shared.server.refuse(self.connection, fault)
        except ProtocolViolation as violation:
            self._fail(violation)
        else:
            self._handle_one(*message)

    def _answer_ping(self, payload: bytes) -> None:
        if self._pongs is None:
            self._pongs = Pongs(self._shared.now())
        if not self._pongs.answer(self, payload, self._shared.now()):
            self._shared.counters.pings_deferred += 1

    def _handle_text(self, connection: Connection, payload: bytes) -> None:
        try:
            self._shared.handle_message(connection, payload)
        except Exception as fault:
            self._shared.log.exception("connection.failed", fault, connection_id=connection.connection_id)
            self.close(CloseCode.INTERNAL_ERROR, "internal error")

    def pause_writing(self) -> None:
        if self.connection is not None:
            self._shared.counters.slow_pauses += 1
            self.connection.pause()
            self._shared.keepalive.add_slow(self)
            if not self.is_closing:
                self._socket.pause_reading()

    def resume_writing(self) -> None:
        if self.connection is None:
            return
        self._shared.keepalive.remove_slow(self)
        self.heard = True
        if self.is_closing:
            return
        self.connection.resume()
        if self._deferred is not None and not self.connection.is_paused:
            deferred, self._deferred = self._deferred, None
            self._handle(deferred)
        if self._is_half_closed:
            self._end_if_answered()
        elif not self.connection.is_paused and not self.is_closing:
            self._socket.resume_reading()

    def eof_received(self) -> bool:
        """The client sends no more. Its commands are answered first. Each command has a deadline, so the connection
        ends with the longest one at the latest."""
        if self.connection is None or self.is_closing:
            return False
        self._is_half_closed = True
        self._end_after(self._shared.keepalive.answers_timeout_s, self._socket.close)
        asyncio.get_running_loop().call_soon(self._end_if_answered)  # this turn's answers leave first
        return True

    def _end_if_answered(self) -> None:
        """End a half-closed connection if all its commands are answered; else do so after the last answer."""
        if self.connection is None or self.is_closing or self._deferred is not None:
            return
        if self.connection.in_flight.is_empty:
            self._socket.close()
        else:
            self.connection.in_flight.when_empty(self._answered)

    def _answered(self) -> None:
        asyncio.get_running_loop().call_soon(self._end_if_answered)

    def _end_after(self, delay_s: float, end: Callable[[], None]) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._close_timer = asyncio.get_running_loop().call_later(delay_s, end)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        self.is_closing = True
        self._shared.keepalive.remove(self)
        self._shared.admission.leave(self._address)
        if self.connection is not None:
            self._ended(self.connection)

    def _ended(self, connection: Connection) -> None:
        """Forget the connection, and write the one log line that every connection gets."""
        self._shared.server.unregister_connection(connection)
        self._shared.counters.connection_closed(self.close_code)
        self._shared.log.emit(
            "connection.closed",
            connection_id=connection.connection_id,
            close_code=self.close_code,
            duration_s=round(self._shared.now() - connection.opened_at, 3),
            commands=connection.received,
            projects=len(connection.subscriptions),
        )

    # ports.transport.Transport

    def buffered_bytes(self) -> int:
        """How many bytes wait to be sent."""
        return self._socket.get_write_buffer_size()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame after what was written, and wait a few seconds for the client's. There is no wait for a
        client that sends no more."""
        if self.is_closing:
            return
        self._greet()
        self._start_closing(code)
        self._socket.write(close_frame(code, reason))
        if self._is_half_closed:
            self._socket.close()

    def _fail(self, violation: ProtocolViolation) -> None:
        """The client broke the protocol: send a close frame, and end the connection without waiting for the client's
        (RFC 6455 section 7.1.7). For a moment the socket stays open and drops what still comes: if it were closed with
        unread bytes, the kernel would reset it, and the client might never read the reason."""
        self._has_failed = True
        self.close(violation.close_code, violation.reason)
        self._end_after(FAIL_TIMEOUT_S, self.abort)

    def _start_closing(self, code: int) -> None:
        self.is_closing = True
        self.close_code = code
        self._deferred = None
        if self.connection is not None:
            self._shared.server.unregister_connection(self.connection)
        self._end_after(CLOSE_TIMEOUT_S, self.abort)
        self._socket.resume_reading()  # the client's close frame may come after bytes that nobody has read yet

    def _answer_close(self, payload: bytes) -> None:
        """The client starts the closing handshake, or answers ours: RFC 6455 section 5.5.1."""
        if not self.is_closing:
            code = int.from_bytes(payload[:2]) if payload else _NO_STATUS
            self._start_closing(code)
            self._socket.write(close_frame(code) if payload else b"\x88\x00")
        self._socket.close()

    def abort(self) -> None:
        """Drop the connection with everything that waits."""
        self._socket.abort()

    def ping(self) -> None:
        """Ask if the client is still there, unless it has said that it sends no more."""
        if self._is_half_closed:
            return
        self.heard = False
        self.write(_PING)


def _descriptor(transport: asyncio.Transport) -> int:
    """The descriptor of the transport's socket; -1 if the socket carries other bytes than those that are written
    (TLS)."""
    socket = transport.get_extra_info("socket")
    return -1 if socket is None or transport.get_extra_info("sslcontext") is not None else int(socket.fileno())
