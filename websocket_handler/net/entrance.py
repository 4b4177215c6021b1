"""Where every socket comes in: WebSocket handshakes go to the gateway, every other request to the HTTP server."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from websocket_handler.net.departed import Doubt, End, EndOf, end_of
from websocket_handler.net.echo import ECHO_PATH, EchoWebSocket
from websocket_handler.net.handshake import Handshake, accepted, read_handshake
from websocket_handler.net.shared import Shared
from websocket_handler.net.websocket import WebSocket
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.deflate import DeflateFraming
from websocket_handler.protocol.frames import PLAIN, Framing, close_frame
from websocket_handler.protocol.http_errors import last_response
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.request_head import HeadReader, RequestHead

GiveBack = Callable[[asyncio.Transport, bytes], None]
HttpProtocolFactory = Callable[[GiveBack], asyncio.Protocol]
"""Makes the protocol of a socket that does not ask for a WebSocket. If a later request on it asks for one, the protocol
gives back the socket and the bytes from that request on."""
EndSocket = Callable[[asyncio.Transport], None]
"""Closes a socket after its last answer."""
_OPEN: Final = End.OPEN
_GONE: Final = End.GONE
"""Looking up a member of an Enum costs more than a call, and every handshake needs these."""


@dataclass(frozen=True, slots=True)
class EntranceOptions:
    """The limits of a socket until its first request is complete, and what a request may ask for."""

    path: str = "/ws"
    head_bytes: int = 32_768
    """The size of the largest request head."""
    handshake_timeout_s: float = 10.0
    entries: int = 4096
    """How many sockets may wait whose first request is not complete; then the oldest of them is dropped. So many more
    may wait until it is known if their client is still there; then the next one is dropped."""
    has_echo: bool = False
    """True if conformance suites may use `/__echo`."""
    has_compression: bool = False
    """True if permessage-deflate is agreed on with clients that offer it."""


class Entrance:
    """The sockets of one node whose first request is not complete. It decides what each of them becomes."""

    def __init__(
        self,
        options: EntranceOptions,
        shared: Shared,
        http: HttpProtocolFactory,
        end_socket: EndSocket,
        end_of: EndOf = end_of,
    ) -> None:
        """`end_socket` closes the socket of a client that is refused, and `end_of` says how far a client has ended its
        connection."""
        self.end_of = end_of
        self.end_socket = end_socket
        self.options = options
        self.shared = shared
        self.http = http
        self.paths = (options.path, ECHO_PATH) if options.has_echo else (options.path,)
        self._deflate: Framing = DeflateFraming() if options.has_compression else PLAIN
        self._entries: dict[_Entry, float] = {}
        """The sockets whose first request is not complete, oldest first, and until when each may wait."""
        self.doubts = 0
        """How many sockets wait until it is known if their client is still there."""
        self._timer: asyncio.TimerHandle | None = None

    def protocol(self) -> asyncio.Protocol:
        """Make the first protocol of a new socket."""
        return _Entry(self)

    def enter(self, entry: "_Entry") -> None:
        """Take note of a new socket. If there are too many, the oldest one whose request is not complete is dropped. An
        honest client finishes its request long before that happens to it."""
        while len(self._entries) >= self.options.entries:
            self.shared.counters.handshakes_refused["dropped"] += 1
            next(iter(self._entries)).drop()
        loop = asyncio.get_running_loop()
        timeout_s = self.options.handshake_timeout_s
        self._entries[entry] = loop.time() + timeout_s
        if self._timer is None:  # one timer for all of them: a timer for each would cost every handshake
            self._timer = loop.call_later(timeout_s, self._end_late)

    def leave(self, entry: "_Entry") -> None:
        """Forget a socket whose request is complete, or that is gone."""
        self._entries.pop(entry, None)

    def take_back(self, transport: asyncio.Transport, data: bytes) -> None:
        """A later request of an HTTP connection asks for a WebSocket. It passes the same checks as a first request.
        `data` begins with it."""
        entry = _Entry(self)
        transport.set_protocol(entry)
        entry.connection_made(transport)
        entry.data_received(data)

    def _end_late(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._entries:
            entry, deadline = next(iter(self._entries.items()))
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._end_late)
                return
            entry.too_late()

    def admit(self, handshake: Handshake, peer: str) -> str:
        """Check everything that does not depend on who the client is. Returns the address for which the connection
        counts. Raises CommandError unless one more connection may come in."""
        self.shared.server.check_room(len(handshake.subscriptions))
        return self.shared.admission.check(peer, handshake)

    def framing(self, extensions: str) -> Framing:
        """The framing of a connection that agreed on these extensions."""
        return self._deflate if extensions else PLAIN


class _Entry(asyncio.Protocol):
    """A new socket until its first request head is complete. It has a limited number of bytes and a limited time."""

    __slots__ = (
        "_end_seen",
        "_entrance",
        "_is_half_closed",
        "_is_identifying",
        "_is_over",
        "_origin",
        "_reader",
        "_rest",
        "_socket",
    )

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._reader = HeadReader(entrance.options.head_bytes)
        self._rest = b""
        """Frames that came in one packet with the handshake."""
        self._origin: str | None = None
        """The web page that asks for a WebSocket, once its handshake has been read."""
        self._end_seen: End | None = None
        """How far the client had ended the connection at this very moment; None at a later one."""
        self._is_half_closed = False
        self._is_identifying = False
        self._is_over = False
        self._socket: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.Transport, transport)
        self._entrance.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def _leave(self) -> None:
        self._is_over = True
        self._entrance.leave(self)

    def drop(self) -> None:
        """Drop this socket to make room for others."""
        self._leave()
        self._socket.abort()

    def data_received(self, data: bytes) -> None:
        if self._is_identifying:
            self._rest += data
            return
        try:
            head = self._reader.receive(data)
            if head is None:
                return
            if head.wants_websocket:
                self._become_websocket(head)
                return
        except CommandError as fault:
            self._refuse(fault)
            return
        self._become_http()

    def _become_http(self) -> None:
        self._leave()
        protocol = self._entrance.http(self._entrance.take_back)
        self._socket.set_protocol(protocol)
        protocol.connection_made(self._socket)
        protocol.data_received(self._reader.data)

    def _become_websocket(self, head: RequestHead) -> None:
        """Take a handshake in, or begin to find out who its client is. Raises CommandError."""
        self._rest = self._reader.rest
        end = self._end()
        if end is _GONE:
            self._give_up()
            return
        has_compression = self._entrance.options.has_compression
        handshake = read_handshake(head, self._entrance.paths, has_compression=has_compression)
        self._origin = handshake.origin
        address = self._entrance.admit(handshake, self._peer())
        self._is_identifying, self._end_seen = True, end
        self._entrance.shared.admission.identify(handshake, partial(self._identified, handshake, address))
        self._end_seen = None
        if self._is_identifying:  # a key has to be fetched first
            self._socket.pause_reading()

    def _peer(self) -> str:
        peer = self._socket.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    def _identified(self, handshake: Handshake, address: str, answer: Identity | CommandError | None) -> None:
        """The gateway knows who the client is: accept the handshake if there is still room."""
        if self._is_over:
            return
        self._is_identifying = False
        try:
            if isinstance(answer, CommandError):
                raise answer
            is_at_once = self._end_seen is not None
            if not is_at_once:  # a key was fetched, and others may have come in meanwhile
                self._entrance.shared.server.check_room(len(handshake.subscriptions))
            self._entrance.shared.admission.enter(address, answer, is_at_once=is_at_once)
        except CommandError as fault:
            self._refuse(fault)
            return
        self._leave()
        accept = accepted(
            handshake.key,
            with_bearer=handshake.offers_bearer,
            extensions=handshake.extensions,
            date=self._entrance.shared.date(),
        )
        end = self._end_seen or self._end()
        if end is _OPEN:
            self._begin(handshake, address, answer, accept)
        elif end is _GONE:
            self._entrance.shared.admission.leave(address)
            self._give_up()
        else:
            self._doubt(handshake, address, answer, accept)

    def _begin(self, handshake: Handshake, address: str, identity: Identity | None, accept: bytes) -> None:
        """The socket becomes a WebSocket. `accept` is the answer to its handshake, unless that was sent before. Raises
        CommandError if the node cannot take it in any more."""
        kind = EchoWebSocket if handshake.path == ECHO_PATH else WebSocket
        framing = self._entrance.framing(handshake.extensions)
        was_paused = not self._socket.is_reading()
        websocket = kind(self._entrance.shared, self._socket, handshake.subscriptions, identity, address, framing)
        self._socket.set_protocol(websocket)
        websocket.begin(accept)
        if was_paused:
            self._socket.resume_reading()
        if self._rest:
            websocket.data_received(self._rest)
        if self._is_half_closed:
            websocket.eof_received()

    # A client that may be gone

    def _end(self) -> End:
        """How far the client has ended the connection. One that sent commands behind its handshake counts as present:
        they are carried out, whoever reads the answers."""
        return _OPEN if self._rest else self._entrance.end_of(self._socket)

    def _doubt(self, handshake: Handshake, address: str, identity: Identity | None, accept: bytes) -> None:
        """Send the answer to the handshake alone. What costs more follows once it is known that the client is there."""
        entrance = self._entrance

        def stays() -> None:
            entrance.doubts -= 1
            try:
                self._begin(handshake, address, identity, b"")
            except CommandError as fault:
                self._socket.write(close_frame(CloseCode.TRY_AGAIN_LATER, fault.message))
                self._socket.close()

        def left() -> None:
            entrance.doubts -= 1
            entrance.shared.admission.leave(address)
            entrance.shared.counters.handshakes_refused["gone"] += 1

        if entrance.doubts >= entrance.options.entries:
            entrance.shared.admission.leave(address)
            entrance.shared.counters.handshakes_refused["dropped"] += 1
            self._socket.abort()
            return
        entrance.doubts += 1
        self._socket.write(accept)
        Doubt(self._socket, entrance.end_of, stays, left)

    def _give_up(self) -> None:
        """The client is gone: do nothing more for it."""
        self._leave()
        self._entrance.shared.counters.handshakes_refused["gone"] += 1
        self._socket.abort()

    def eof_received(self) -> bool:
        """The client sends no more. A complete handshake is still answered. For an incomplete request the client gets
        the reason why it is refused."""
        self._is_half_closed = True
        if not self._is_identifying and self._reader.data:
            self._refuse(CommandError(ErrorCode.INVALID_FIELD, "the request ends before its head is complete"))
        return self._is_identifying

    def _refuse(self, fault: CommandError, status: int | None = None) -> None:
        self._leave()
        self._entrance.shared.refusals.handshake(fault, self._peer(), self._origin)
        self._entrance.shared.counters.handshakes_refused[fault.code.value] += 1
        date, method = self._entrance.shared.date(), self._reader.method
        self._socket.write(last_response(fault, status, date=date, method=method))
        self._entrance.end_socket(self._socket)

    def too_late(self) -> None:
        """The time is over. The client gets the reason, if it has sent anything."""
        if self._is_identifying:
            self._refuse(_late(ErrorCode.AUTHENTICATION_UNAVAILABLE, "the credential took too long to verify"))
        elif self._reader.data:
            self._refuse(_late(ErrorCode.INVALID_FIELD, "the request head did not come in time"), status=408)
        else:
            self.drop()


def _late(code: ErrorCode, reason: str) -> CommandError:
    return CommandError(code, reason, setting="HANDSHAKE_TIMEOUT_S")
