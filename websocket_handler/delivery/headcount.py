"""Holds the limit on connections per user over all nodes: this node tells the others twice a second how many
connections its users have, and asks how many the others have when a user comes in.

So the limit is exact on one node, and less than a second late over several. While the directory is away, each node
holds it by itself."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Final

from websocket_handler.access.users import UserCount
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.directory import USER_COUNT_S, Directory, DirectoryUnavailable, Unanswered

WRITE_INTERVAL_S: Final = 0.5
REFRESH_ROUNDS: Final = round(USER_COUNT_S / 3 / WRITE_INTERVAL_S)
"""After so many rounds every user is written again, before the directory forgets them."""
RETRY_INTERVAL_MAX_S: Final = 30.0


class Headcount:
    """Each node has one, if its users have a limit and there is a directory."""

    def __init__(
        self,
        directory: Directory,
        node_id: str,
        others: Callable[[], Sequence[str]],
        users: UserCount,
        random: Random,
    ) -> None:
        """`others` gives the ids of the other nodes whose clients count. `users` is shared."""
        self._directory = directory
        self._node_id = node_id
        self._others = others
        self._users = users
        self._backoff = Backoff(random.random, WRITE_INTERVAL_S, RETRY_INTERVAL_MAX_S)
        self._unwritten: dict[str, None] = {}
        """Whose count could not be written."""
        self._written: set[str] = set()
        """The users whom the directory may know. The others need not be taken off, so an outage makes nothing grow."""
        self._is_leaving = False

    def ask(self, user_id: str, done: Callable[[], None]) -> None:
        """Find out how many connections a user has on the other nodes, for `UserCount.check_room`."""
        others = self._others()
        if others:
            self._directory.user(user_id, others, partial(self._asked, user_id, done))
        else:
            self._asked(user_id, done, 0)

    def _asked(self, user_id: str, done: Callable[[], None], answer: int | Unanswered) -> None:
        self._users.note_elsewhere(user_id, 0 if isinstance(answer, Unanswered) else answer)
        done()

    async def run(self) -> None:
        """Write what changed, until cancelled. While writing fails, try less often."""
        failures = rounds = 0
        while True:
            await asyncio.sleep(max(WRITE_INTERVAL_S, self._backoff.delay_s(failures)))
            rounds += 1
            if rounds % REFRESH_ROUNDS == 0:
                self._unwritten.update(dict.fromkeys(self._users.users))
            failures = 0 if await self.write() else failures + 1

    async def write(self) -> bool:
        """Write what changed. Returns False if the directory could not take it."""
        changed = {**self._unwritten, **self._users.take_changed()}
        self._unwritten = {}
        counts = {one: self._count(one) for one in changed}
        counts = {one: count for one, count in counts.items() if count or one in self._written}
        if not counts:
            return True
        self._written.update(counts)
        try:
            await self._directory.write_users(self._node_id, counts)
        except DirectoryUnavailable:
            self._unwritten.update(dict.fromkeys(counts))
            return False
        self._written.difference_update([one for one, count in counts.items() if not count])
        return True

    def _count(self, user_id: str) -> int:
        return 0 if self._is_leaving else self._users.count(user_id)

    async def leave(self) -> None:
        """The clients of this node are about to move: from now on other nodes do not count them. If that cannot be
        written, they see that the node is gone."""
        self._is_leaving = True
        self._unwritten.update(dict.fromkeys(self._written))
        await self.write()
