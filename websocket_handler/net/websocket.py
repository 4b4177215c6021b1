"""One WebSocket on a real socket. It joins the parts of a connection: `incoming` reads what the client sends, `closing`
is how it ends, and what goes out is written here.

Nothing here waits: bytes come in through callbacks and go out in one write. An idle connection has no task and no
buffer.
"""

import asyncio
from typing import ClassVar, Final

from websocket_handler.delivery.connection import Connection
from websocket_handler.net.closing import Closing
from websocket_handler.net.incoming import Incoming, Write
from websocket_handler.net.last_answers import LastAnswers
from websocket_handler.net.shared import Shared
from websocket_handler.protocol.frames import PLAIN, Framing, ping_frame
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.messages import Subscribe

GREETING_BYTES_MAX: Final = 4096
"""How many bytes may be joined to the handshake's answer. A client that resumes gets the rest in further writes."""

_PING: Final = ping_frame()


class WebSocket(asyncio.Protocol):
    """A transport (ports.transport) and the reader of its other direction."""

    __slots__ = (
        "_address",
        "_closing",
        "_framing",
        "_greeting",
        "_identity",
        "_incoming",
        "_last_answers",
        "_shared",
        "_socket",
        "_subscriptions",
        "connection",
        "descriptor",
        "heard",
        "write",
    )

    reads_with: ClassVar[type[Incoming]] = Incoming

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
        self._framing = framing
        self._closing = Closing(socket, self._closing_begins)
        self.write: Write = socket.write
        self._incoming = self.reads_with(shared, self.write, self._closing, framing)
        self._last_answers: LastAnswers | None = None
        """Set once the client sends no more."""
        self._greeting = b""
        self.connection: Connection | None = None
        self.heard = True
        """True if anything has arrived since the last ping."""
        self.descriptor = _descriptor(socket)

    def begin(self, answer: bytes) -> None:
        """Answer the handshake: from now on frames flow. The answer, the greeting and the confirmations leave in one
        write. Raises CommandError when the node is full."""
        self.pause_when_behind()
        self._greeting = answer
        self.write = self._write_greeting
        self.connection = self._shared.server.register_connection(self, self._identity, self._framing)
        self._incoming.serve(self.connection)
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
            self.write = self._incoming.write
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
        self._incoming.receive(data)

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
        self._incoming.resume()
        if self._last_answers is not None:
            self._last_answers.look()
        elif not self.connection.is_paused and not self.is_closing:
            self._socket.resume_reading()

    def eof_received(self) -> bool:
        """The client sends no more. Its commands are answered first."""
        if self.connection is None or self.is_closing:
            return False
        self._closing.half_close(self._shared.keepalive.answers_timeout_s)
        self._last_answers = LastAnswers(self.connection.in_flight, self._incoming, self._closing)
        self._last_answers.look_soon()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing.lost()
        self._shared.keepalive.remove(self)
        self._shared.admission.leave(self._address)
        if self.connection is not None:
            self._ended(self.connection)
            self.connection.lost()

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
        """Start the closing handshake after what was written."""
        self._closing.close(code, reason)

    def _closing_begins(self) -> None:
        """The connection is about to end: what was joined leaves, and the node forgets the client."""
        self._greet()
        self._incoming.drop()
        if self.connection is not None:
            self._shared.server.unregister_connection(self.connection)

    def abort(self) -> None:
        """Drop the connection with everything that waits."""
        self._socket.abort()

    # net.keepalive.Watched

    @property
    def is_closing(self) -> bool:
        """True once a close frame was sent or received, or the connection was lost."""
        return self._closing.has_begun

    @property
    def close_code(self) -> int:
        """The code with which the connection ends."""
        return self._closing.code

    def ping(self) -> None:
        """Ask if the client is still there, unless it has said that it sends no more."""
        if self._last_answers is not None:
            return
        self.heard = False
        self.write(_PING)


def _descriptor(transport: asyncio.Transport) -> int:
    """The descriptor of the transport's socket; -1 if the socket carries other bytes than those that are written
    (TLS)."""
    socket = transport.get_extra_info("socket")
    return -1 if socket is None or transport.get_extra_info("sslcontext") is not None else int(socket.fileno())
