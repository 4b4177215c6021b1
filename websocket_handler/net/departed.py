"""Clients that left before their handshake was answered.

A client that waited too long hangs up and comes again. If the node greets it and reads logs for it all the same, the
clients that are still there wait even longer, and leave, too. The kernel knows who has left before the event loop
comes to the socket.
"""

import asyncio
import select
from collections.abc import Callable
from enum import Enum
from typing import Final

DOUBT_S: Final = 0.25
"""How long a client that sends no more has to answer our first bytes with a reset. That takes one round trip."""

_SENDS_NO_MORE: Final[int] = getattr(select, "POLLRDHUP", 0)
"""Only Linux tells it. Elsewhere a client counts as present until its connection is reset."""
_GONE: Final = select.POLLERR | select.POLLHUP
_POLL: Final = select.poll()


class End(Enum):
    """How far a client has ended its connection."""

    OPEN = "open"
    SENDS_NO_MORE = "sends no more"
    """It closed its sending side. TCP does not tell if it still reads."""
    GONE = "gone"
    """Nothing that is written reaches it."""


_OPEN: Final = End.OPEN  # a lookup in an Enum costs more than a call


def end_of(transport: asyncio.Transport) -> End:
    """What the kernel knows of the client's end. No byte is read, so bytes that wait stay where they are."""
    socket = transport.get_extra_info("socket")
    if socket is None:
        return End.OPEN
    descriptor = socket.fileno()
    _POLL.register(descriptor, _SENDS_NO_MORE)
    events = _POLL.poll(0)
    _POLL.unregister(descriptor)
    if not events:
        return _OPEN
    return End.GONE if events[0][1] & _GONE else End.SENDS_NO_MORE


EndOf = Callable[[asyncio.Transport], End]


class Doubt(asyncio.Protocol):
    """A socket whose client sends no more and may be gone. It was just sent its first bytes. A client that has left
    answers them with a reset, and one that still reads does not."""

    __slots__ = ("_end_of", "_left", "_socket", "_stays", "_timer")

    def __init__(
        self, socket: asyncio.Transport, end_of: EndOf, stays: Callable[[], None], left: Callable[[], None]
    ) -> None:
        """Takes the socket. `stays` gets it back if no reset comes; it is not being read then. Otherwise `left` is
        called."""
        self._socket = socket
        self._end_of = end_of
        self._stays = stays
        self._left = left
        self._timer = asyncio.get_running_loop().call_later(DOUBT_S, self._look)
        socket.set_protocol(self)
        socket.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._left()

    def _look(self) -> None:
        """The time is over. The loop may not have come to the reset yet, so the kernel is asked."""
        if self._end_of(self._socket) is End.GONE:
            self._socket.abort()
        else:
            self._stays()
