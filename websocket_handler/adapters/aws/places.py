"""So many places, and a line of those who wait for one. asyncio's semaphore has no way to take a place by a plain
call."""

import asyncio
from collections import deque


class Places:
    """`most` places. Who finds none waits: first come, first served."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        """Whoever gave up waiting stays in it until its turn comes."""

    def take(self) -> bool:
        """Take a place if one is free. A place that somebody waits for is never free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """Give a place to the next one who waits, or free it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def __aenter__(self) -> None:
        """Wait for a place. Safe to cancel."""
        if self.take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place came in the moment when its owner gave up
                self.give_back()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.give_back()
