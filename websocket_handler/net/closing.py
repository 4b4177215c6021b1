"""How one WebSocket ends: the closing handshake (RFC 6455 section 7), and the deadlines after which the socket is
dropped all the same."""

import asyncio
from collections.abc import Callable
from typing import Final

from websocket_handler.protocol.frame_decoder import ProtocolViolation
from websocket_handler.protocol.frames import close_frame

CLOSE_TIMEOUT_S: Final = 5.0
"""How long the closing handshake may take before the connection is dropped."""
FAIL_TIMEOUT_S: Final = 0.5
"""How long a connection stays after its client broke the protocol."""
ABNORMAL: Final = 1006
"""The code of a connection that ended without a close frame (RFC 6455 section 7.1.5). It is never sent."""

_NO_STATUS: Final = 1005
_WITHOUT_STATUS: Final = b"\x88\x00"
"""A close frame without a code."""


def _nobody_is_told() -> None:
    pass


class Closing:
    """The end of one connection. It begins once, and whoever began it first says the code."""

    __slots__ = ("_begins", "_socket", "_timer", "code", "has_begun", "is_half_closed")

    def __init__(self, socket: asyncio.Transport, begins: Callable[[], None]) -> None:
        """`begins` is called when the end begins, before the close frame is written."""
        self._socket = socket
        self._begins = begins
        self._timer: asyncio.TimerHandle | None = None
        self.has_begun = False
        """True once a close frame was sent or received, or the connection was lost."""
        self.code = ABNORMAL
        self.is_half_closed = False
        """True once the client sends no more."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame after what was written, and wait a few seconds for the client's. There is no wait for a
        client that sends no more."""
        if self.has_begun:
            return
        self._begin(code)
        self._end_after(CLOSE_TIMEOUT_S, self._socket.abort)
        self._socket.write(close_frame(code, reason))
        if self.is_half_closed:
            self._socket.close()

    def fail(self, violation: ProtocolViolation) -> None:
        """The client broke the protocol: send a close frame, and end the connection without waiting for the client's
        (RFC 6455 section 7.1.7). For a moment the socket stays open and drops what still comes: if it were closed with
        unread bytes, the kernel would reset it, and the client might never read the reason."""
        self.close(violation.close_code, violation.reason)
        self._end_after(FAIL_TIMEOUT_S, self._socket.abort)

    def answer(self, payload: bytes) -> None:
        """The client starts the closing handshake, or answers ours: RFC 6455 section 5.5.1."""
        if not self.has_begun:
            code = int.from_bytes(payload[:2]) if payload else _NO_STATUS
            self._begin(code)
            self._socket.write(close_frame(code) if payload else _WITHOUT_STATUS)
            if self._socket.get_write_buffer_size():  # if nothing waits, the socket is closed at once
                self._end_after(CLOSE_TIMEOUT_S, self._socket.abort)
        self._socket.close()

    def half_close(self, answers_timeout_s: float) -> None:
        """The client sends no more: close the socket after this time, if nothing closes it before."""
        self.is_half_closed = True
        self._end_after(answers_timeout_s, self._socket.close)

    def end(self) -> None:
        """Close the socket after what was written, without a close frame."""
        self._socket.close()

    def lost(self) -> None:
        """The connection is lost. Nothing has to be dropped any more, and nobody has to be told."""
        self.has_begun = True
        self._begins = _nobody_is_told
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self, code: int) -> None:
        self.has_begun = True
        self.code = code
        self._begins()
        self._socket.resume_reading()  # the client's close frame may come after bytes that nobody has read yet

    def _end_after(self, delay_s: float, end: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay_s, end)
