"""Tries calls of AWS again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from websocket_handler.adapters.aws.errors import AwsError, Fault

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a random wait below a ceiling that doubles with every failure."""

    base_s: float = 0.05
    max_s: float = 1.0
    random: Random = field(default_factory=Random)

    def delay_s(self, failures: int) -> float:
        """How long to wait after that many failures in a row."""
        return self.random.uniform(0, min(self.max_s, self.base_s * 2 ** min(failures, 16)))


async def retried(attempt: Callable[[], Awaitable[Answer]], timeout_s: float, backoff: Backoff) -> Answer:
    """Repeat `attempt` while its fault is transient, for `timeout_s` seconds in total.

    Raises the last attempt's AwsError. Safe to cancel where `attempt` is.
    """
    last = AwsError(Fault.TRANSIENT, "Timeout", f"no answer in {timeout_s:g} s")
    failures = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await attempt()
                except AwsError as error:
                    if error.fault is not Fault.TRANSIENT:
                        raise
                    last = error
                await asyncio.sleep(backoff.delay_s(failures))
                failures += 1
    except TimeoutError:
        raise last from None
