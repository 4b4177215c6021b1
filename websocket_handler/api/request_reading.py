"""How far the request has come that a socket is sending, and the bounds of everything in it that is not its body."""

from collections.abc import Callable
from enum import Enum
from typing import Final

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.request_head import HeadTooLarge

FRAMING_BYTES_EACH: Final = 8
"""How many bytes of framing each byte of a chunked body may have; a chunk of one byte has five. A client may send as
much as a head in addition (RFC 9112 section 7.1.1: extensions are limited)."""


_EMPTY_LINE: Final = b"\r\n\r\n"


class Part(Enum):
    """The part of a request that comes next. The value is its name in an error."""

    NONE = "none"
    HEAD = "head"
    BODY = "body"


class RequestReading:
    """Counts the bytes of the newest request of one socket. A parser reports where its parts begin and end."""

    __slots__ = ("_begun", "_body_bytes", "_framing_bytes", "_head_bytes", "_head_bytes_max", "part")

    def __init__(self, head_bytes_max: int) -> None:
        self._head_bytes_max = head_bytes_max
        self.part = Part.NONE
        self._begun = 0
        """How many requests began in the bytes that came last."""
        self._head_bytes = 0
        self._body_bytes = 0
        self._framing_bytes = 0
        """Sizes and extensions of chunks, and the part after the last chunk."""

    def feed(self, data: bytes, parse: Callable[[bytes], None]) -> None:
        """Let `parse` read what came, and count it. Raises CommandError when a head, or the framing of a body, is
        larger than its bound."""
        part, body_bytes = self.part, self._body_bytes
        self._begun = 0
        parse(data)
        if part is self.part is Part.BODY and not self._begun:
            self._framing_bytes += len(data) - (self._body_bytes - body_bytes)
            if self._framing_bytes > self._head_bytes_max + FRAMING_BYTES_EACH * self._body_bytes:
                raise CommandError(ErrorCode.MESSAGE_TOO_LARGE, "too much around the chunks of the body")
        is_start_known = self._begun == 0 or (self._begun == 1 and part is Part.NONE)
        if self.part is Part.HEAD and is_start_known:
            self._head_bytes += len(data)
            if self._head_bytes > self._head_bytes_max:
                raise HeadTooLarge(self._head_bytes_max)

    def begin(self) -> None:
        """A request begins."""
        self.part = Part.HEAD
        self._begun += 1
        self._head_bytes = 0

    def begin_body(self, head_bytes: int) -> None:
        """The head is complete and has this size. Raises HeadTooLarge if it is beyond its bound."""
        if head_bytes > self._head_bytes_max:
            raise HeadTooLarge(self._head_bytes_max)
        self.part = Part.BODY
        self._body_bytes = self._framing_bytes = 0

    def add_body(self, count: int) -> None:
        """So many bytes of the body came."""
        self._body_bytes += count

    def complete(self) -> None:
        """The request is whole, or nobody reads it any more."""
        self.part = Part.NONE


class HeadEnds:
    """Finds where a head can end in the bytes of one socket: behind an empty line."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = b""
        """The last bytes that came before: an empty line may have begun there."""

    def next(self, data: bytes, start: int) -> int:
        """The first place in `data` after `start` where a head can end; the end of `data` if there is none."""
        if start == 0 and self._before:
            found = (self._before + data[: len(_EMPTY_LINE) - 1]).find(_EMPTY_LINE)
            if found >= 0:
                return found + len(_EMPTY_LINE) - len(self._before)
        found = data.find(_EMPTY_LINE, start)
        return len(data) if found < 0 else found + len(_EMPTY_LINE)

    def passed(self, data: bytes) -> None:
        """These bytes were read."""
        last = data[-len(_EMPTY_LINE) + 1 :]
        self._before = (self._before + last)[-len(_EMPTY_LINE) + 1 :]
