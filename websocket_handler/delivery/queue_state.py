"""What the node knows of the updates queue: its fault, and how long to wait before it is asked again."""

import asyncio
from typing import Final

from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.update_source import SourceUnavailable, SourceUnusable
from websocket_handler.telemetry.events import Report

OPERATORS_PAUSE_S: Final = 3.0
"""How often a queue is asked that only an operator can make usable."""


class QueueState:
    """Its fault, if it has one. Receiving and deleting share it: both pause while the queue does not answer."""

    def __init__(self, backoff: Backoff, report: Report) -> None:
        self._backoff = backoff
        self._report = report
        self._failures = 0
        self.fault: str | None = None
        """Why the queue could not be used; None since it last gave messages."""
        self.deletion_fault: str | None = None
        """Why nothing could be deleted; None since it last could. The right may be missing for deletions alone."""
        self.is_looked_up = False
        """True once the queue was looked up, and is there."""
        self.has_answered = asyncio.Event()
        """Set by the first answer of the queue: from then on it is known how long it hides a message."""

    def failure(self) -> str | None:
        """Why updates do not come in at the moment, for `/ready`."""
        return self.fault or self.deletion_fault or (None if self.is_looked_up else "not looked up yet")

    def answered(self) -> None:
        """The queue was asked for messages, and answered."""
        self._failures, self.fault = 0, None
        self.has_answered.set()

    def deleted(self) -> None:
        """The queue was asked to delete messages, and did so."""
        self.deletion_fault = None

    async def back_off(self, fault: SourceUnavailable, *, is_deletion: bool = False) -> None:
        """The queue failed: tell so at the first failure in a row, and wait."""
        known = self.deletion_fault if is_deletion else None
        if self.fault is None and known is None:
            self._report("updates.unavailable", {"reason": str(fault)})
        self.fault = str(fault)
        if is_deletion:
            self.deletion_fault = self.fault
        self._failures += 1
        is_operators = isinstance(fault, SourceUnusable)
        await asyncio.sleep(OPERATORS_PAUSE_S if is_operators else self._backoff.delay_s(self._failures))
