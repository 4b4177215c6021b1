"""Everybody around one project: watchers and publishers at work while a proof hurts what serves them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.proof.witness import RETRY_MAX_S, Pause, Publisher, Urls, Watcher
from tests.support.patience import PATIENCE_S


class Worker(Protocol):
    """Who begins new work until told to stop, and ends what was begun."""

    def stop(self) -> None: ...

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the confirmed publications. `lost` and `misplaced` count each at each watcher; `doubled` also
    counts what was never confirmed."""

    confirmed: int
    lost: int
    doubled: int
    misplaced: int

    def __str__(self) -> str:
        return (
            f"{self.confirmed} confirmed publications: "
            f"lost {self.lost}, doubled {self.doubled}, misplaced {self.misplaced}"
        )


class Crowd:
    """The clients of one project. `urls` may change while they are at work. A client waits for at most `retry_max_s`
    before it tries again."""

    def __init__(
        self,
        project_id: str,
        urls: Urls,
        random: Random,
        *,
        watchers: int,
        publishers: int,
        at_once: int = 16,
        retry_max_s: float = RETRY_MAX_S,
    ) -> None:
        def pause() -> Pause:
            return Pause(Random(random.random()), retry_max_s)

        self.watchers = [Watcher(f"watcher {i}", project_id, urls, pause()) for i in range(watchers)]
        self.publishers = [
            Publisher(project_id, urls, pause(), first, publishers, at_once) for first in range(publishers)
        ]

    @asynccontextmanager
    async def at_work(self, *others: Worker) -> AsyncIterator[None]:
        """All of them, and others, work for the length of the block; what they began then is confirmed, and everybody
        has it."""
        workers: list[Worker] = [*self.publishers, *others]
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(watcher.run()) for watcher in self.watchers]
            await self.subscribed(1)
            working = [tasks.create_task(worker.run()) for worker in workers]
            yield
            for worker in workers:
                worker.stop()
            await asyncio.gather(*working)
            await self.level(self.head)
            for task in watching:
                task.cancel()

    @property
    def head(self) -> int:
        """The highest offset that was confirmed to anybody."""
        places = (place for publisher in self.publishers for place in publisher.confirmed.values())
        return max((offset for _, offset in places), default=0)

    async def advance(self, publications: int) -> None:
        """Wait until so many more publications have come to the first watcher."""
        await self.watchers[0].reached(self.head + publications)

    async def level(self, offset: int) -> None:
        """Wait until everybody has everything up to `offset`."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(watcher.reached(offset) for watcher in self.watchers))

    async def subscribed(self, times: int) -> None:
        """Wait until everybody's subscription was confirmed so many times."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(watcher.subscribed(times) for watcher in self.watchers))

    @property
    def reconnects(self) -> int:
        """How many times anybody had to come back."""
        return sum(watcher.subscriptions - 1 for watcher in self.watchers)

    def delivery(self) -> Delivery:
        """True if every confirmed number was seen exactly once, at its confirmed place, by everyone."""
        confirmed = {number: place for publisher in self.publishers for number, place in publisher.confirmed.items()}
        lost = doubled = misplaced = 0
        for watcher in self.watchers:
            counts = Counter(watcher.seen)
            lost += sum(number not in counts for number in confirmed)
            doubled += sum(count > 1 for count in counts.values())
            misplaced += sum(watcher.place_of(number) != place for number, place in confirmed.items())
        return Delivery(len(confirmed), lost, doubled, misplaced)
