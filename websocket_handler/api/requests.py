"""The HTTP requests of one node that are being answered, and how they end when the node ends.

If a task is cancelled together with the event loop, that is logged as a fault, and its client gets half an answer. So
the node answers first. If a client delays the end of a request, because it does not send its body or does not read its
answer, the request is dropped then.
"""

import asyncio
from typing import Final, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

ANSWERS_S: Final = 1.0
"""How many seconds the last answers may take. Answers that wait for a store or a queue were waited for before."""


class Connected(Protocol):
    """An HTTP socket."""

    def hang_up(self) -> None:
        """End the connection now."""
        ...


class Requests:
    """Each node has one. The HTTP server keeps both sets."""

    def __init__(self) -> None:
        self.running: set[asyncio.Future[None]] = set()
        self.connections: set[Connected] = set()
        self._is_over = False

    async def start(self) -> None:
        """Nothing has to be begun."""

    async def stop(self) -> None:
        """Wait for the last answers, for at most `ANSWERS_S`, and drop the rest."""
        if self.running:
            await asyncio.wait(set(self.running), timeout=ANSWERS_S)
        self._is_over = True
        for connection in list(self.connections):
            connection.hang_up()
        dropped = set(self.running)
        for task in dropped:
            task.cancel()
        await asyncio.gather(*dropped, return_exceptions=True)

    def ended_quietly(self, application: ASGIApp) -> ASGIApp:
        """Wrap an application. A request that `stop` drops is no fault of it."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await application(scope, receive, send)
            except asyncio.CancelledError:
                if not self._is_over:
                    raise

        return answer
