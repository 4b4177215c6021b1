"""The limits of HTTP sockets, and what happens to a socket that the HTTP server is done with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

GiveBack = Callable[[asyncio.Transport, bytes], None]
"""Takes a socket and the bytes that it received last: a handshake, and the bytes after it."""
EndSocket = Callable[[asyncio.Transport], None]
"""Closes a socket after its last answer."""

HELD_BYTES_MAX: Final = 65_536
"""If more comes behind a request that is being answered, the socket is not read for the moment."""
KEEP_ALIVE_S: Final = 75
"""Longer than load balancers keep an idle connection (usually 60 s), so that the load balancer closes it first."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The limits of one HTTP socket, and how many HTTP sockets there may be. 0 connections means no limit."""

    head_bytes: int = 32_768
    head_timeout_s: float = 10.0
    slow_client_timeout_s: float = 60.0
    connections: int = 10_000
