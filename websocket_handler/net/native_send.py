"""Fan-out through one compiled loop, where it was built: `websocket_handler/net/_send.c`.

A level transport has nothing waiting, so what goes straight to its socket stays in order. Its descriptor is its own
until `connection_lost` returned (asyncio and uvloop close a socket only then), and by then it is in no group any more.
"""

from array import array
from collections.abc import Sequence

from websocket_handler.ports.transport import SendToAll, Transport

try:
    from websocket_handler.net._send import send_to_all
except ImportError:  # not built: no compiler, or a system without it
    IS_BUILT = False
else:
    IS_BUILT = True


def natively(transports: Sequence[Transport]) -> SendToAll:
    """The compiled counterpart of `ports.transport.one_by_one`. Only where it `IS_BUILT`."""
    return _Group(transports)


class _Group:
    """Level transports. What a socket does not take at once, its transport sends when it does."""

    __slots__ = ("_descriptors", "_incomplete", "_writes")

    def __init__(self, transports: Sequence[Transport]) -> None:
        self._descriptors = array("i", [transport.descriptor for transport in transports])
        self._incomplete = array("i", bytes(2 * self._descriptors.itemsize * len(transports)))
        self._writes = [transport.write for transport in transports]

    def __call__(self, data: bytes) -> None:
        count = send_to_all(self._descriptors, data, self._incomplete)
        if count:
            rests = self._incomplete[: 2 * count].tolist()
            for place, sent in zip(rests[::2], rests[1::2], strict=True):
                self._writes[place](data[sent:])
