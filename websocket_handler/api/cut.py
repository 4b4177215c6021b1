"""Ends a connection in the middle of an answer. A client then knows that something is missing, which a clean end would
hide from it (RFC 9112 section 8)."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final

from starlette.requests import Request

CUT: Final = "cut"
"""The entry of a request's state that ends its connection at once."""

_RESET: Final = struct.pack("ii", 1, 0)


def cut(transport: asyncio.Transport) -> None:
    """End a connection so that even a client of HTTP/1.0 notices, for which every end but a reset is the end of the
    answer."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def cut_of(request: Request) -> Callable[[], None]:
    """The function that ends the connection of a request."""
    found: Callable[[], None] = request.scope["state"][CUT]
    return found
