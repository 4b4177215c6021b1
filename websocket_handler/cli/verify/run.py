"""What all clients of a run have in common: the plan, the ledgers, the counts, and when it ends."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Final

from websocket_handler.cli.verify.ledger import Ledger
from websocket_handler.cli.verify.links import DENIED, DO_NOT_RECONNECT, FINAL, RefusedError
from websocket_handler.cli.verify.plan import Plan
from websocket_handler.cli.verify.witness import Counts

RETRY_S: Final = 0.1
RETRY_MAX_S: Final = 2.0
REFUSALS_MAX: Final = 50
"""So many kinds of refusals are counted. The rest counts as `other`."""
RECOVERIES_MAX: Final = 100_000
"""So many recovery times are kept: the newest."""


class Run:
    """One run, seen by its clients."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.ledgers = {project_id: Ledger() for project_id in plan.project_ids}
        self.counts = Counts()
        self.refusals: Counter[str] = Counter()
        self.recoveries_s: deque[float] = deque(maxlen=RECOVERIES_MAX)
        self.retries = 0
        """How many times a publisher sent a publication again, with its key."""
        self.unusable = ""
        """Why the run cannot go on: the deployment does not let it do its work."""
        self.is_over = asyncio.Event()
        """Set when publishers begin nothing more."""
        self.random = Random()  # noqa: S311 - it spreads attempts
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Something happened to somebody."""
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, or the run cannot go on."""
        while not condition() and not self.unusable:
            self._changed.clear()
            await self._changed.wait()

    def give_up(self, reason: str) -> None:
        """The run cannot go on."""
        self.unusable = self.unusable or reason
        self.is_over.set()
        self.changed()

    def refused(self, refusal: RefusedError, *, ever_worked: bool) -> None:
        """Count what a client was told. Gives up if no repetition helps."""
        known = refusal.reason in self.refusals or len(self.refusals) < REFUSALS_MAX
        self.refusals[refusal.reason if known else "other"] += 1
        status = refusal.status
        if status in DENIED or (status in FINAL and not ever_worked) or status in DO_NOT_RECONNECT:
            self.give_up(f"{refusal.reason}: no repetition will help")

    async def pause(self, failures: int, wait_s: float | None = None) -> None:
        """Wait before the next attempt, after so many failures in a row: as long as the gateway said, else exponential
        back-off with full jitter."""
        if wait_s is None:
            wait_s = self.random.uniform(0, min(RETRY_MAX_S, RETRY_S * 2 ** min(failures, 10)))
        await asyncio.sleep(wait_s)

    @property
    def confirmed(self) -> int:
        """How many publications are confirmed."""
        return sum(len(ledger.confirmed) for ledger in self.ledgers.values())
