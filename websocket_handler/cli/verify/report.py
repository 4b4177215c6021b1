"""What a run found: its verdicts, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import msgspec

from websocket_handler.cli import EXIT_BROKEN, EXIT_FAILED
from websocket_handler.cli.verify.witness import Counts

PROMISES: Final = ("lost", "doubled", "reordered", "forked", "false_recoveries")
"""The figures of which each must be 0."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long subscribers were without what was confirmed, in seconds: from the end of a connection until they had
    everything that was confirmed when they were let in again."""

    count: int
    p50_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run. `witness.Counts` says what the counts mean."""

    seconds: float
    urls: int
    clients: int
    projects: int
    confirmed: int
    retries: int
    unconfirmed: int
    """Publications whose confirmation never came. Nobody knows if they are in the log, so they count for nothing."""
    deliveries: int
    reconnects: int
    resets: int
    skipped: int
    lost: int
    doubled: int
    reordered: int
    forked: int
    """How many times a place of a log held another publication than before."""
    false_recoveries: int
    recovery: Recovery
    refusals: Mapping[str, int]
    """What clients were told, and how often: error codes, close codes, statuses of handshakes."""
    unusable: str
    """Why the run ended before it could judge. Then `lost` and `skipped` were not counted."""

    @property
    def broken(self) -> list[str]:
        """The promises that were broken."""
        return [name for name in PROMISES if getattr(self, name)]

    @property
    def exit_code(self) -> int:
        """0 if every promise was kept, 6 if one was broken, 1 if the run could not judge."""
        if self.broken:
            return EXIT_BROKEN
        return EXIT_FAILED if self.unusable else 0


def recovery_of(times_s: Iterable[float]) -> Recovery:
    """The percentiles of recovery times; all are 0 if there are none."""
    ordered = sorted(times_s)
    return Recovery(len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.99), ordered[-1] if ordered else 0.0)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the values that this share of them does not exceed; 0 if there are none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0


def as_json(report: Report) -> str:
    """The report as one JSON object, with the field `kept`: true if nothing was broken and the run could judge."""
    fields = msgspec.to_builtins(report) | {"kept": report.exit_code == 0}
    return msgspec.json.format(msgspec.json.encode(fields)).decode()


def as_text(report: Report) -> str:
    """The report for people."""
    recovery = report.recovery
    p50, p99, longest = (f"{time_s:.2f} s" for time_s in (recovery.p50_s, recovery.p99_s, recovery.max_s))
    lines = [
        f"{report.seconds:.0f} s, {report.clients} clients on {report.projects} projects, {report.urls} URLs",
        _line("confirmed", report.confirmed, f"sent again {report.retries:,}, never confirmed {report.unconfirmed:,}"),
        _line("delivered", report.deliveries, f"reconnects {report.reconnects:,}"),
        _line("resets", report.resets, f"told that the log goes on elsewhere; skipped {report.skipped:,}"),
        *(_line(name.replace("_", " "), getattr(report, name), "") for name in PROMISES),
        f"{'recovery':<18}{f'p50 {p50}':>16}   p99 {p99}   max {longest}",
        *(_line("told", count, reason) for reason, count in sorted(report.refusals.items())),
        _verdict(report),
    ]
    return "\n".join(line.rstrip() for line in lines)


def _line(name: str, count: int, more: str) -> str:
    return f"{name:<18}{count:>16,}   {more}"


def _verdict(report: Report) -> str:
    if report.broken:
        return f"BROKEN: {', '.join(name.replace('_', ' ') for name in report.broken)}"
    if report.unusable:
        return f"No verdict. {report.unusable}"
    return "Every promise was kept."


TITLES: Final = (
    "    time   live  reconnects  confirmed    again  delivered   behind  doubled  reordered  forked  false recoveries"
)


def row(seconds: float, live: int, confirmed: int, retries: int, behind: int, forked: int, counts: Counts) -> str:
    """A line of the live table, below TITLES. `behind` counts confirmed publications that have not reached a client."""
    return (
        f"{seconds:>6.0f} s {live:>6} {counts.reconnects:>11} {confirmed:>10} {retries:>8} {counts.deliveries:>10} "
        f"{behind:>8} {counts.doubled:>8} {counts.reordered:>10} {forked:>7} {counts.false_recoveries:>17}"
    )
