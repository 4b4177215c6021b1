"""The measurement behind docs/decisions/0021: how many calls on a store may be under way. Each rule meets stores of
different kinds, in virtual time, with more work than the store can do. Run: python -m bench.store_limits

A caller waits for at most `TIMEOUT_S`. The store goes on with a call that nobody waits for any more, as real ones do.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import log10, sqrt
from random import Random
from typing import Final, Protocol

from websocket_handler.adapters.overload.limit import AdaptiveLimit, LimitOptions

TIMEOUT_S: Final = 2.0
RUN_S: Final = 120.0
CALLS_MIN: Final = 4
CALLS_MAX: Final = 32


class Rule(Protocol):
    """How many calls may be under way."""

    @property
    def allowed(self) -> int:
        """The limit at this moment."""
        ...

    def answered(self, began: float, now: float, *, is_failed: bool = False) -> None:
        """A call that began at `began` was answered, or failed."""
        ...


class Fixed:
    """The same number for every store."""

    allowed = CALLS_MAX

    def answered(self, began: float, now: float, *, is_failed: bool = False) -> None:
        """Learns nothing."""


class Vegas:
    """Netflix's rule of this name: the shortest latency that was ever seen tells how many calls wait in the store."""

    def __init__(self) -> None:
        self._limit = 8.0
        self._shortest_s = float("inf")

    @property
    def allowed(self) -> int:
        return int(self._limit)

    def answered(self, began: float, now: float, *, is_failed: bool = False) -> None:
        latency_s = max(now - began, 1e-6)
        if is_failed:
            self._limit = max(CALLS_MIN, self._limit - log10(self._limit))
            return
        self._shortest_s = min(self._shortest_s, latency_s)
        queued = self._limit * (1 - self._shortest_s / latency_s)
        step = max(1.0, log10(self._limit))
        if queued < 3 * step:
            self._limit = min(CALLS_MAX, self._limit + step)
        elif queued > 6 * step:
            self._limit = max(CALLS_MIN, self._limit - step)


class Gradient:
    """Netflix's Gradient2: a long average of the latency, against the present one."""

    def __init__(self) -> None:
        self._limit = 8.0
        self._long_s = 0.0

    @property
    def allowed(self) -> int:
        return int(self._limit)

    def answered(self, began: float, now: float, *, is_failed: bool = False) -> None:
        latency_s = max(now - began, 1e-6)
        self._long_s = latency_s if not self._long_s else self._long_s + (latency_s - self._long_s) * 2 / 601
        if self._long_s / latency_s > 2:
            self._long_s *= 0.95
        gradient = max(0.5, min(1.0, 1.5 * self._long_s / latency_s))
        wanted = self._limit * gradient + sqrt(self._limit)
        self._limit = max(CALLS_MIN, min(CALLS_MAX, self._limit * 0.8 + wanted * 0.2))


RULES: Final[dict[str, Callable[[], Rule]]] = {
    "fixed at 32": Fixed,
    "Vegas": Vegas,
    "Gradient2": Gradient,
    "AIMD, 0.5 s": lambda: AdaptiveLimit(LimitOptions(latency_max_s=0.5)),
    "AIMD, 1 s": lambda: AdaptiveLimit(LimitOptions(latency_max_s=1.0)),
}


@dataclass(frozen=True, slots=True)
class Store:
    """A store: how many calls it carries out at once, how long each takes it, and what it refuses."""

    lanes: int
    service_s: Callable[[Random, float], float]
    refused_above_per_s: float = float("inf")
    """Beyond this rate it answers at once that it is asked too much."""


def _steady(seconds: float) -> Callable[[Random, float], float]:
    return lambda random, _now: random.uniform(0.8, 1.2) * seconds


def _mixed(random: Random, _now: float) -> float:
    """One call in five reads a page of a log, and takes twenty times as long."""
    return random.uniform(0.8, 1.2) * (0.16 if random.random() < 0.2 else 0.008)


def _mostly_pages(random: Random, _now: float) -> float:
    """Four calls in five read a page of a log."""
    return random.uniform(0.8, 1.2) * (0.16 if random.random() < 0.8 else 0.008)


def _slowing(random: Random, now: float) -> float:
    """Ten times slower for a while."""
    return random.uniform(0.8, 1.2) * (0.2 if 40 <= now < 80 else 0.02)


STORES: Final = {
    "50 calls/s, one at a time": Store(1, _steady(0.02)),
    "8 calls/s, one at a time": Store(1, _steady(0.125)),
    "one at a time, one call in five is a page": Store(1, _mixed),
    "50 calls/s, 40 s of them 5 calls/s": Store(1, _slowing),
    "any number at once, 5 ms each": Store(1000, _steady(0.005)),
    "any number at once, a page 0.16 s, the others 8 ms": Store(1000, _mostly_pages),
    "any number at once, 0.6 s each": Store(1000, _steady(0.6)),
    "refuses beyond 100 calls/s, 5 ms each": Store(1000, _steady(0.005), 100.0),
}


def run(store: Store, rule: Rule, seed: int = 1) -> tuple[float, float, float]:
    """Answered calls per second, the 95th percentile of their latency in seconds, failed ones per 100 begun."""
    random, order = Random(seed), count()
    lanes = [0.0] * store.lanes
    heapq.heapify(lanes)
    endings: list[tuple[float, int, float, bool]] = []
    now, under_way, tokens, filled_at = 0.0, 0, store.refused_above_per_s, 0.0
    failed, latencies = 0, list[float]()
    while now < RUN_S:
        while under_way < rule.allowed:
            under_way += 1
            tokens = min(store.refused_above_per_s, tokens + (now - filled_at) * store.refused_above_per_s)
            filled_at = now
            if tokens < 1:
                heapq.heappush(endings, (now + 0.005, next(order), now, True))
                continue
            tokens -= 1
            free_at = max(now, heapq.heappop(lanes)) + store.service_s(random, now)
            heapq.heappush(lanes, free_at)
            is_late = free_at - now > TIMEOUT_S
            heapq.heappush(endings, (min(free_at, now + TIMEOUT_S), next(order), now, is_late))
        now, _, began, is_failed = heapq.heappop(endings)
        under_way -= 1
        rule.answered(began, now, is_failed=is_failed)
        failed += is_failed
        if not is_failed:
            latencies.append(now - began)
    latencies.sort()
    late = latencies[int(len(latencies) * 0.95)] if latencies else float("inf")
    return len(latencies) / now, late, 100 * failed / (len(latencies) + failed)


def main() -> None:
    """Print the table."""
    for name, store in STORES.items():
        print(f"\n{name}")
        for rule_name, make in RULES.items():
            rate, late_s, failed = run(store, make())
            print(f"  {rule_name:12} {rate:7.1f}/s   p95 {late_s * 1000:6.0f} ms   {failed:5.1f} % failed")


if __name__ == "__main__":
    main()
