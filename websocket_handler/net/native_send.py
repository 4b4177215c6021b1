"""Fan-out through one compiled loop, if it was built: `websocket_handler/net/_send.c`.

A level transport has no bytes waiting. So bytes that are sent directly to its socket stay in order. Its descriptor
belongs to it until `connection_lost` returned, because asyncio and uvloop close a socket only after that. By then the
transport is in no group any more.
"""

from array import array
from collections.abc import Sequence
from functools import partial
from typing import Final

from websocket_handler.ports.transport import SendToAll, Transport

try:
    from websocket_handler.net._send import send_to_all
except ImportError:  # not built: there was no compiler, or the system lacks what the loop needs
    IS_BUILT = False
else:
    IS_BUILT = True


def natively(transports: Sequence[Transport]) -> SendToAll:
    """The compiled counterpart of `ports.transport.one_by_one`. Call it only if `IS_BUILT` is true."""
    missing = 2 * len(transports) - len(_incomplete)
    if missing > 0:
        _incomplete.extend([0] * missing)
    descriptors = array("i", [transport.descriptor for transport in transports]).tobytes()
    return partial(_send, descriptors, transports)


_incomplete: Final = array("i")
"""Which sockets did not take everything, and how much they took: of the one call that is under way, for all groups."""


def _send(descriptors: bytes, transports: Sequence[Transport], data: bytes) -> None:
    """Send to a group of level transports. What a socket does not take at once, its transport sends later."""
    count = send_to_all(descriptors, data, _incomplete)
    if count:
        rests = _incomplete[: 2 * count].tolist()  # a copy, because a transport may send to another group
        for index, sent in zip(rests[::2], rests[1::2], strict=True):
            transports[index].write(data[sent:])
