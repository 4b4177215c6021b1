"""The node's one port: every socket that it accepts goes to the entrance."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final

BACKLOG: Final = 2048
UNSENT_BYTES: Final = 131_072


class Listener:
    """Accepts sockets from `start` to `stop`."""

    def __init__(self, host: str, port: int, protocol: Callable[[], asyncio.Protocol]) -> None:
        """`port` 0 takes any free one. `protocol` makes the first protocol of each socket."""
        self.host = host
        self.port = port
        """The port it listens on, once it does."""
        self._protocol = protocol
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to accept. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self.host, self.port, backlog=BACKLOG)
        for listening in self._server.sockets:
            _bound_unsent_bytes(listening.fileno())
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Accept no more."""
        if self._server is not None:
            self._server.close()


def _bound_unsent_bytes(descriptor: int) -> None:
    """Let the kernel hold little more for a client than the bytes that are on their way. Then the rest waits in the
    client's outbox, which we limit, and not in megabytes of socket buffer that we do not see. Accepted sockets inherit
    the option."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        with socket.socket(fileno=os.dup(descriptor)) as listening:
            listening.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
