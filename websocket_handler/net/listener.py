"""The node's one port: WebSocket handshakes go to the gateway, every other request to the HTTP server."""

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from websocket_handler.net.echo import ECHO_PATH, EchoWebSocket
from websocket_handler.net.gate import Gate
from websocket_handler.net.handshake import Handshake, Refused, accepted, read_handshake, wants_upgrade
from websocket_handler.net.websocket import WebSocket
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.http_errors import last_response
from websocket_handler.protocol.identity import Identity

HttpProtocolFactory = Callable[[], asyncio.Protocol]
UNSENT_BYTES: Final = 131_072
_END_OF_HEAD: Final = b"\r\n\r\n"


class _Entry(asyncio.Protocol):
    """A fresh socket until its first request head is complete: bounded in bytes and time."""

    __slots__ = ("_gate", "_head", "_http", "_is_identifying", "_is_over", "_listener", "_socket")

    def __init__(self, listener: "Listener", gate: Gate, http: HttpProtocolFactory) -> None:
        self._listener = listener
        self._gate = gate
        self._http = http
        self._head = b""
        self._is_identifying = False
        self._is_over = False
        self._socket: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.Transport, transport)
        self._listener.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def _leave(self) -> None:
        self._is_over = True
        self._listener.entries.pop(self, None)

    def drop(self) -> None:
        """Make room for others."""
        self._leave()
        self._socket.abort()

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._is_identifying:
            return
        end = self._head.find(_END_OF_HEAD)
        if end < 0:
            if len(self._head) > self._gate.options.head_bytes:
                self._refuse(CommandError(ErrorCode.MESSAGE_TOO_LARGE, "the request head is too large"), status=431)
            return
        end += len(_END_OF_HEAD)
        if end > self._gate.options.head_bytes:
            self._refuse(CommandError(ErrorCode.MESSAGE_TOO_LARGE, "the request head is too large"), status=431)
        elif wants_upgrade(self._head[:end]):
            self._become_websocket(self._head[:end], self._head[end:])
        else:
            self._become_http()

    def _become_http(self) -> None:
        self._leave()
        protocol = self._http()
        self._socket.set_protocol(protocol)
        protocol.connection_made(self._socket)
        protocol.data_received(self._head)

    def _become_websocket(self, head: bytes, rest: bytes) -> None:
        try:
            has_compression = self._gate.deflate is not None
            handshake = read_handshake(head, self._listener.paths, has_compression=has_compression)
            address = self._listener.admit(handshake, self._peer())
        except Refused as refusal:
            self._refuse(refusal.fault)
            return
        except CommandError as fault:
            self._refuse(fault)
            return
        self._head = rest  # frames that came in one packet with the handshake
        self._is_identifying = True
        self._gate.admission.identify(handshake, partial(self._identified, handshake, address))
        if self._is_identifying:  # a key has to be fetched first
            self._socket.pause_reading()

    def _peer(self) -> str:
        peer = self._socket.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    def _identified(self, handshake: Handshake, address: str, answer: Identity | CommandError | None) -> None:
        """It is known whose handshake this is: accept it, if there is still room."""
        if self._is_over:
            return
        was_paused = not self._socket.is_reading()
        self._is_identifying = False
        try:
            if isinstance(answer, CommandError):
                raise answer
            self._listener.admit_identified(handshake, address, answer)
        except CommandError as fault:
            self._refuse(fault)
            return
        self._leave()
        kind = EchoWebSocket if handshake.path == ECHO_PATH else WebSocket
        framing = self._gate.framing(handshake.extensions)
        websocket = kind(self._gate, self._socket, handshake.subscriptions, answer, address, framing)
        self._socket.set_protocol(websocket)
        websocket.begin(accepted(handshake.key, with_bearer=handshake.offers_bearer, extensions=handshake.extensions))
        if was_paused:
            self._socket.resume_reading()
        if self._head:
            websocket.data_received(self._head)

    def _refuse(self, fault: CommandError, status: int | None = None) -> None:
        self._leave()
        self._gate.server.node.engine.counters.handshakes_refused[fault.code.value] += 1
        self._socket.write(last_response(fault, status))
        self._socket.close()

    def too_late(self) -> None:
        """End what took too long, with the reason where something was asked."""
        if self._is_identifying:
            self._refuse(CommandError(ErrorCode.AUTHENTICATION_UNAVAILABLE, "the credential took too long to verify"))
        elif self._head:
            self._refuse(CommandError(ErrorCode.INVALID_FIELD, "the request head did not come in time"), status=408)
        else:
            self.drop()


class Listener:
    """Accepts sockets until it is told to stop."""

    def __init__(self, gate: Gate, http: HttpProtocolFactory) -> None:
        self._gate = gate
        self._http = http
        self._servers: list[asyncio.Server] = []
        self.paths = (gate.options.path, ECHO_PATH) if gate.options.has_echo else (gate.options.path,)
        self.entries: dict[_Entry, float] = {}
        """Sockets that have not said what they want, oldest first, and until when they may."""
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, entry: _Entry) -> None:
        """Take note of a fresh socket. The oldest that has not said what it wants makes room: others finish theirs
        long before it is their turn."""
        while len(self.entries) >= self._gate.options.entries:
            self._gate.server.node.engine.counters.handshakes_refused["dropped"] += 1
            next(iter(self.entries)).drop()
        loop = asyncio.get_running_loop()
        timeout_s = self._gate.options.handshake_timeout_s
        self.entries[entry] = loop.time() + timeout_s
        if self._timer is None:  # one for all of them: a timer for each would cost every handshake
            self._timer = loop.call_later(timeout_s, self._end_late)

    def _end_late(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self.entries:
            entry, deadline = next(iter(self.entries.items()))
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._end_late)
                return
            entry.too_late()

    def admit(self, handshake: Handshake, peer: str) -> str:
        """Check what can be checked before it is known who the client is. Returns the address that the connection
        counts for. Raises CommandError unless one more connection may come in."""
        self._check_room(len(handshake.subscriptions))
        return self._gate.admission.check(peer, handshake)

    def admit_identified(self, handshake: Handshake, address: str, identity: Identity | None) -> None:
        """Take in a connection for good. What may have changed since `admit` is checked again. Raises CommandError."""
        self._check_room(len(handshake.subscriptions))
        self._gate.admission.enter(address, identity)

    def _check_room(self, subscriptions: int) -> None:
        server = self._gate.server
        if server.is_draining:
            raise CommandError(ErrorCode.DRAINING, "this node is going away; connect again")
        if server.node.is_full:
            raise CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "this node holds as many connections as it can")
        if 0 < server.node.limits.subscriptions < subscriptions:
            reason = f"a connection follows at most {server.node.limits.subscriptions} projects"
            raise CommandError(ErrorCode.TOO_MANY_SUBSCRIPTIONS, reason)

    async def listen(self, host: str, port: int) -> int:
        """Accept on `host` and `port` (0: any free one); the port. Raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Entry(self, self._gate, self._http), host, port, backlog=self._gate.options.backlog
        )
        self._servers.append(server)
        for listening in server.sockets:
            _bound_unsent_bytes(listening.fileno())
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()


def _bound_unsent_bytes(descriptor: int) -> None:
    """Let the kernel hold little more for a client than what is on its way: what waits then counts against the
    client's outbox, not against megabytes of socket buffer that no limit of ours sees. Accepted sockets inherit it."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        with socket.socket(fileno=os.dup(descriptor)) as listening:
            listening.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
