"""Fan-out through one compiled loop, if it was built: `websocket_handler/net/_send.c`.

A level transport has no bytes waiting. So bytes that are sent directly to its socket stay in order. Its descriptor
belongs to it until `connection_lost` returned, because asyncio and uvloop close a socket only after that. By then the
transport is in no group any more.
"""

from array import array
from collections.abc import Sequence

from websocket_handler.ports.transport import SendToAll, Transport

try:
    from websocket_handler.net._send import send_to_all
except ImportError:  # not built: there was no compiler, or the system lacks what the loop needs
    IS_BUILT = False
else:
    IS_BUILT = True


def natively(transports: Sequence[Transport]) -> SendToAll:
    """The compiled counterpart of `ports.transport.one_by_one`. Call it only if `IS_BUILT` is true."""
    return _Group(transports)


class _Group:
    """A group of level transports. What a socket does not take at once, its transport sends later."""

    __slots__ = ("_descriptors", "_incomplete", "_writes")

    def __init__(self, transports: Sequence[Transport]) -> None:
        self._descriptors = array("i", [transport.descriptor for transport in transports])
        self._incomplete = array("i", bytes(2 * self._descriptors.itemsize * len(transports)))
        self._writes = [transport.write for transport in transports]

    def __call__(self, data: bytes) -> None:
        count = send_to_all(self._descriptors, data, self._incomplete)
        if count:
            rests = self._incomplete[: 2 * count].tolist()
            for index, sent in zip(rests[::2], rests[1::2], strict=True):
                self._writes[index](data[sent:])
