"""`/__echo`, for conformance suites. It is the gateway's own code for frames, UTF-8, closing and limits; only the
commands are replaced. It is off unless `DIAG_ECHO=1`."""

from typing import Final

from websocket_handler.net.incoming import Incoming
from websocket_handler.net.websocket import WebSocket
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.frame_decoder import Event, ProtocolViolation

ECHO_PATH: Final = "/__echo"


class EchoedMessages(Incoming):
    """Sends every message back, in place of carrying it out."""

    __slots__ = ()

    def _handle_one(self, event: Event, payload: bytes) -> None:
        if self.is_closing or event not in (Event.TEXT, Event.BINARY, Event.OVERSIZE):
            super()._handle_one(event, payload)
        elif event is Event.OVERSIZE:
            self._fail(ProtocolViolation(CloseCode.TOO_BIG, "message too big"))
        else:
            self.write(self._framing.text(payload) if event is Event.TEXT else self._framing.binary(payload))


class EchoWebSocket(WebSocket):
    """The node does not know it as a connection, so it can follow nothing and do nothing else."""

    __slots__ = ()

    reads_with = EchoedMessages

    def begin(self, answer: bytes) -> None:
        """Answer the handshake and watch the socket. There is no greeting."""
        self.pause_when_behind()
        self._socket.write(answer)
        self._shared.keepalive.add(self)

    def pause_writing(self) -> None:
        self._shared.keepalive.add_slow(self)
        if not self.is_closing:
            self._socket.pause_reading()

    def resume_writing(self) -> None:
        self._shared.keepalive.remove_slow(self)
        self._socket.resume_reading()
