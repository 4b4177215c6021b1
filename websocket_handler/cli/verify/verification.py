"""One run from its first handshake to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from websocket_handler.cli.verify.links import Dial, dialing
from websocket_handler.cli.verify.plan import Plan
from websocket_handler.cli.verify.publisher import Publisher
from websocket_handler.cli.verify.report import Report, recovery_of, row
from websocket_handler.cli.verify.run import Run
from websocket_handler.cli.verify.subscriber import Subscriber
from websocket_handler.cli.verify.witness import Counts

PUBLISHERS_PER_PROJECT: Final = 2
"""Two on different URLs, if there are several: so that two nodes write the same log at the same time."""


class Verification:
    """A run. `show` gets a line of the live table every `show_every_s` seconds."""

    def __init__(self, plan: Plan, show: Callable[[str], None], show_every_s: float) -> None:
        self.state = Run(plan)
        self._plan = plan
        self._show = show
        self._show_every_s = show_every_s
        self._subscribers: list[Subscriber] = []
        self._publishers: list[Publisher] = []
        self._began_at = 0.0

    def stop(self) -> None:
        """Begin no further publication. `run` returns once every client has everything, or its time is over."""
        self.state.is_over.set()
        self.state.changed()

    @property
    def live(self) -> int:
        """How many subscribers have a confirmed subscription, and what was confirmed before it was."""
        return sum(subscriber.is_live for subscriber in self._subscribers)

    @property
    def is_level(self) -> bool:
        """True while every subscriber has everything that is confirmed."""
        return bool(self._subscribers) and all(each.is_live and each.is_level for each in self._subscribers)

    def findings(self) -> Counts:
        """What was counted up to now. What a subscriber has not got yet counts as lost as long as it is not level."""
        found = Counts()
        found.add(self.state.counts)
        for subscriber in self._subscribers:
            found.add(subscriber.witness.conclude())
        return found

    async def run(self) -> Report:
        """Subscribe, publish, wait for the last delivery, and judge."""
        self._began_at = self._now()
        async with dialing() as dial, asyncio.TaskGroup() as tasks:
            self._subscribers = [Subscriber(self.state, dial, index) for index in range(self._plan.clients)]
            following = [tasks.create_task(subscriber.run()) for subscriber in self._subscribers]
            following.append(tasks.create_task(self._show_rows()))
            await self._subscribe()
            if not self.state.unusable:
                await self._publish(dial, tasks)
            if not self.state.unusable:
                await self._settle()
            for task in following:
                task.cancel()
        return self._report()

    async def _subscribe(self) -> None:
        """Wait until every subscriber is there: from then on it is owed every publication."""
        try:
            async with asyncio.timeout(self._plan.settle_s):
                await self.state.until(lambda: self.live == self._plan.clients)
        except TimeoutError:
            told = ", ".join(f"{reason} ({count})" for reason, count in self.state.refusals.items())
            self.state.give_up(
                f"{self.live} of {self._plan.clients} clients were subscribed after {self._plan.settle_s:g} s. "
                f"The others were told: {told or 'nothing'}."
            )

    async def _publish(self, dial: Dial, tasks: asyncio.TaskGroup) -> None:
        """Publish for as long as the plan says, or until `stop`, and wait for the last confirmations."""
        count, rate, now = PUBLISHERS_PER_PROJECT * self._plan.projects, self._plan.rate, self._now()
        self._publishers = [
            Publisher(self.state, dial, index, count / rate, now + index / rate) for index in range(count)
        ]
        publishing = [tasks.create_task(publisher.run()) for publisher in self._publishers]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.duration_s):
                await self.state.is_over.wait()
        self.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.settle_s):
                await self.state.until(lambda: not any(publisher.waits for publisher in self._publishers))
        for task in publishing:
            task.cancel()
        await asyncio.wait(publishing)
        for publisher in self._publishers:
            publisher.abandon()

    async def _settle(self) -> None:
        """Wait until every subscriber has everything. Who has not when the time is over has lost it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.settle_s):
                await self.state.until(lambda: all(subscriber.is_level for subscriber in self._subscribers))
        if not self.state.confirmed:
            self.state.give_up("No publication was confirmed.")

    async def _show_rows(self) -> None:
        while True:
            self._show(self.row())
            await asyncio.sleep(self._show_every_s)

    def row(self) -> str:
        """A line of the live table."""
        state = self.state
        behind = sum(subscriber.witness.behind for subscriber in self._subscribers)
        seconds = self._now() - self._began_at
        return row(seconds, self.live, state.confirmed, state.retries, behind, self._forked, state.counts)

    @property
    def _forked(self) -> int:
        return sum(ledger.forked for ledger in self.state.ledgers.values())

    def _report(self) -> Report:
        state, counts = self.state, self.state.counts
        if not state.unusable:
            for subscriber in self._subscribers:
                counts.add(subscriber.witness.conclude())
        return Report(
            seconds=self._now() - self._began_at,
            urls=len(self._plan.urls),
            clients=self._plan.clients,
            projects=self._plan.projects,
            confirmed=state.confirmed,
            retries=state.retries,
            unconfirmed=sum(publisher.unconfirmed for publisher in self._publishers),
            deliveries=counts.deliveries,
            reconnects=counts.reconnects,
            resets=counts.resets,
            skipped=counts.skipped,
            lost=counts.lost,
            doubled=counts.doubled,
            reordered=counts.reordered,
            forked=self._forked,
            false_recoveries=counts.false_recoveries,
            recovery=recovery_of(state.recoveries_s),
            refusals=dict(state.refusals),
            unusable=state.unusable,
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
