"""The incoming half of one WebSocket: bytes become frames, and each message is carried out when its turn comes."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from websocket_handler.delivery.connection import Connection
from websocket_handler.net.closing import Closing
from websocket_handler.net.pongs import Pongs
from websocket_handler.net.shared import Shared
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.deflate import inflated
from websocket_handler.protocol.frame_decoder import Event, FrameDecoder, ProtocolViolation
from websocket_handler.protocol.frames import PLAIN, Framing

Write = Callable[[bytes], None]
_TEXT: Final = Event.TEXT


class Incoming:
    """Reads what one client sends. What comes before the client is a connection of the node is no command."""

    __slots__ = (
        "_closing",
        "_connection",
        "_decoder",
        "_deferred",
        "_framing",
        "_has_failed",
        "_pongs",
        "_shared",
        "write",
    )

    def __init__(self, shared: Shared, write: Write, closing: Closing, framing: Framing = PLAIN) -> None:
        """`write` sends the answers to pings; `framing` is what the handshake agreed on."""
        self._shared = shared
        self._closing = closing
        self._connection: Connection | None = None
        self._framing = framing
        self._decoder: FrameDecoder | None = None
        """Made with the first bytes, because most connections only listen."""
        self._deferred: deque[tuple[Event, bytes]] | None = None
        self._pongs: Pongs | None = None
        self._has_failed = False
        """True once the client broke the protocol: nothing that it sends is read any more."""
        self.write = write

    @property
    def is_closing(self) -> bool:
        """True once pings get no answer any more."""
        return self._closing.has_begun

    @property
    def has_waiting(self) -> bool:
        """True while something that the client sent waits, because the client does not read its answers."""
        return self._deferred is not None

    def serve(self, connection: Connection) -> None:
        """From now on the client's messages are commands of this connection."""
        self._connection = connection

    def receive(self, data: bytes) -> None:
        """Handle the frames that are complete with these bytes."""
        if self._has_failed:
            return
        try:
            events = (self._decoder or self._begin()).receive(data)
        except ProtocolViolation as violation:
            self._take(violation.events)
            self._fail(violation)
            return
        if len(events) == 1 and self._deferred is None:
            self._handle_one(*events[0])
        else:
            self._take(events)

    def _begin(self) -> FrameDecoder:
        self._decoder = FrameDecoder(self._shared.message_bytes, inflates=self._framing is not PLAIN)
        return self._decoder

    def resume(self) -> None:
        """The client has read its answers: handle what waits, until the client's outbox is full again."""
        if self._deferred is not None and (self._connection is None or not self._connection.is_paused):
            deferred, self._deferred = self._deferred, None
            self._handle(deferred)

    def drop(self) -> None:
        """The connection ends: what waits is not handled any more."""
        self._deferred = None

    def _take(self, events: list[tuple[Event, bytes]]) -> None:
        if self._deferred is not None:
            self._deferred.extend(events)
        else:
            self._handle(events)

    def _handle(self, events: Sequence[tuple[Event, bytes]]) -> None:
        """Handle events until the client's outbox is full. The rest waits until the client has read its answers."""
        connection, closing = self._connection, self._closing
        for handled, (event, payload) in enumerate(events, 1):
            if event is _TEXT and connection is not None and not closing.has_begun:  # nearly always
                self._handle_text(connection, payload)
            else:
                self._handle_one(event, payload)
            if connection is not None and connection.is_paused and handled < len(events):
                self._deferred = deque(islice(events, handled, None))
                return

    def _handle_one(self, event: Event, payload: bytes) -> None:
        if event is Event.CLOSE:
            self._closing.answer(payload)
        elif self._closing.has_begun:
            return  # RFC 6455 section 1.4: after a close frame nothing further is processed
        elif event is Event.PING:
            self._answer_ping(payload)
        elif event is Event.TEXT:
            if self._connection is not None:
                self._handle_text(self._connection, payload)
        elif event is Event.DEFLATED_TEXT or event is Event.DEFLATED_BINARY:
            self._handle_deflated(event, payload)
        elif self._connection is None:
            return
        elif event is Event.BINARY:
            fault = CommandError(ErrorCode.BINARY_NOT_SUPPORTED, "binary messages are not supported; send text")
            self._shared.server.refuse(self._connection, fault)
        elif event is Event.OVERSIZE:
            self._shared.server.refuse(self._connection, self._connection.session.too_large())

    def _handle_text(self, connection: Connection, payload: bytes) -> None:
        try:
            self._shared.handle_message(connection, payload)
        except Exception as fault:
            self._shared.log.exception("connection.failed", fault, connection_id=connection.connection_id)
            self._closing.close(CloseCode.INTERNAL_ERROR, "internal error")

    def _handle_deflated(self, event: Event, payload: bytes) -> None:
        """Decompress a message when its turn comes, unless its sender exceeds its rate anyway."""
        try:
            if self._connection is not None:
                self._connection.session.check_rate(self._shared.now())
            message = inflated(event, payload, self._shared.message_bytes)
        except CommandError as fault:
            assert self._connection is not None
            self._shared.server.refuse(self._connection, fault)
        except ProtocolViolation as violation:
            self._fail(violation)
        else:
            self._handle_one(*message)

    def _fail(self, violation: ProtocolViolation) -> None:
        self._has_failed = True
        self._closing.fail(violation)

    def _answer_ping(self, payload: bytes) -> None:
        if self._pongs is None:
            self._pongs = Pongs(self._shared.now())
        if not self._pongs.answer(self, payload, self._shared.now()):
            self._shared.counters.pings_deferred += 1
