"""One connection to a Valkey server: bytes in and out, and which reply belongs to which call.

hiredis packs and parses. The server answers in the order in which it was asked, so a call waits in a queue until its
replies have come. A call is never taken out of that queue: whoever waits no longer ignores the answer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, cast

import hiredis

Part = str | bytes | int
Reply = object
"""What hiredis makes of a reply: bytes, int, list, dict, None, or a `hiredis.ReplyError`."""
Done = Callable[[Sequence[Reply]], None]
Pushed = Callable[[list[Reply]], None]
REPLY_BYTES_MAX: Final = 67_108_864
"""The most that may wait for the end of one reply. A server that sends more is not one of ours."""
_INCOMPLETE: Final = object()


def packed(*parts: Part) -> bytes:
    """The bytes of one command."""
    return bytes(hiredis.pack_command(parts))  # type: ignore[arg-type] # its stub means a tuple of one


class Connection(asyncio.Protocol):
    """A connection that is open, or was. It has no deadlines and no maxima: see `link.py`."""

    def __init__(
        self,
        now: Callable[[], float],
        pushed: Pushed,
        lost: Callable[[str], None],
        reply_bytes_max: int = REPLY_BYTES_MAX,
    ) -> None:
        """`pushed` gets what the server sends unasked. `lost` is called once, with the reason, when the connection has
        ended."""
        self.heard_at = now()
        """When the server sent something last."""
        self._now = now
        self._pushed = pushed
        self._lost = lost
        self._reply_bytes_max = reply_bytes_max
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._transport: asyncio.Transport | None = None
        self._unwritten: list[bytes] = []
        self._waiting: deque[tuple[int, Done]] = deque()
        """How many replies each call gets, oldest first."""
        self._replies: list[Reply] = []
        """The replies that the oldest call has so far."""
        self._reason = "the server closed the connection"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none, and has its methods

    def send(self, commands: bytes, count: int, done: Done) -> None:
        """Send `count` packed commands. `done` is called with their replies, or never if the connection is lost before
        the last of them came. All that is sent in one turn of the loop leaves in one write."""
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._write)
        self._unwritten.append(commands)
        if not self._waiting:
            self.heard_at = self._now()  # silence counts from when something is waited for
        self._waiting.append((count, done))

    def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(unwritten))

    @property
    def is_awaited(self) -> bool:
        """True while a reply is missing."""
        return bool(self._waiting)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._now()
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _INCOMPLETE:
                self._take(reply)
        except hiredis.ProtocolError as error:
            self.abort(f"the server does not speak RESP: {error}")
            return
        if reader.len() > self._reply_bytes_max:
            self.abort(f"a reply has more than {self._reply_bytes_max} bytes")

    def _take(self, reply: Reply) -> None:
        if isinstance(reply, hiredis.PushNotification):
            self._pushed(reply)
            return
        if not self._waiting:
            self.abort("the server answered what nobody asked")
            return
        self._replies.append(reply)
        count, done = self._waiting[0]
        if len(self._replies) == count:
            self._waiting.popleft()
            replies, self._replies = self._replies, []
            done(replies)

    def abort(self, reason: str) -> None:
        """End the connection at once. `lost` is called soon."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        reason = self._reason if exc is None else f"{self._reason}: {exc}"
        self._waiting.clear()
        self._lost(reason)
