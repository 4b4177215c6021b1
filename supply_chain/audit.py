"""Makes a verdict of locks and advisories: clean, vulnerable, or unknown."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from supply_chain.ignored import Ignored, IgnoredProblem, read_ignored
from supply_chain.lock import LockProblem, Pin, read_lock
from supply_chain.osv import Advisory, Unavailable

CLEAN: Final = 0
VULNERABLE: Final = 1
COULD_NOT_RUN: Final = 2
TEXT_CHARACTERS_MAX: Final = 160


class Service(Protocol):
    """The service that knows advisories."""

    def advisories(self, pins: Sequence[Pin]) -> dict[Pin, list[Advisory]]:
        """The known advisories of every pin. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A locked version with a known vulnerability. `expired` is an entry of the list that excused it until its day."""

    pin: Pin
    advisory: Advisory
    locks: tuple[str, ...]
    expired: Ignored | None = None

    def __str__(self) -> str:
        aliases = f" ({', '.join(printable(name) for name in sorted(self.advisory.aliases))})"
        fixed = ", ".join(printable(version) for version in self.advisory.fixed.get(self.pin.name, ()))
        lines = [
            f"{self.pin.name} {self.pin.version}: {self.advisory.advisory}{aliases if self.advisory.aliases else ''}",
            f"    {printable(self.advisory.summary)}",
            f"    fixed in {fixed or 'no version that is known'}; locked by {', '.join(self.locks)}",
        ]
        if self.expired is not None:
            lines.append(f"    was ignored until {self.expired.until}: {printable(self.expired.reason)}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit that ran. `excused` are findings that an entry of the list covers today."""

    packages: int
    locks: int
    findings: tuple[Finding, ...]
    excused: tuple[tuple[Finding, Ignored], ...]
    unused: tuple[Ignored, ...]

    @property
    def code(self) -> int:
        """The exit code."""
        return VULNERABLE if self.findings else CLEAN

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.findings]
        lines += [
            f"ignored until {entry.until}: {finding.pin.name} {finding.pin.version} {finding.advisory.advisory}: "
            f"{printable(entry.reason)}"
            for finding, entry in self.excused
        ]
        lines += [f"no longer needed in the list: {entry.package} {entry.advisory}" for entry in self.unused]
        verdict = f"{len(self.findings)} known vulnerabilities" if self.findings else "no known vulnerabilities"
        excused = f", {len(self.excused)} ignored" if self.excused else ""
        return "\n".join([*lines, f"{verdict}{excused} in {self.packages} packages of {self.locks} locks"])


def printable(text: str) -> str:
    """Foreign text for a terminal: one line of limited length, without characters that control the terminal."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= TEXT_CHARACTERS_MAX else f"{shown[: TEXT_CHARACTERS_MAX - 1]}…"


def audit(locks: Sequence[Path], ignored: Path, service: Service, today: datetime.date) -> Report:
    """Look up every package of every lock. Raises LockProblem, IgnoredProblem, Unavailable; then nothing is known."""
    entries = read_ignored(ignored, today)
    places: dict[Pin, list[str]] = {}
    for path in locks:
        for pin in read_lock(path):
            places.setdefault(Pin(pin.name, pin.version), []).append(str(path))
    known = service.advisories(list(places))
    if known.keys() != places.keys():
        raise Unavailable("not every package was looked up")
    findings, excused, used = [], [], set()
    for finding in _findings(known, places):
        matching = [entry for entry in entries if _covers(entry, finding)]
        used.update(matching)
        valid = next((entry for entry in matching if entry.holds(today)), None)
        if valid is None:
            findings.append(replace(finding, expired=max(matching, key=lambda entry: entry.until, default=None)))
        else:
            excused.append((finding, valid))
    unused = tuple(entry for entry in entries if entry not in used)
    return Report(len(places), len(locks), tuple(findings), tuple(excused), unused)


def _findings(known: Mapping[Pin, Sequence[Advisory]], places: Mapping[Pin, Sequence[str]]) -> list[Finding]:
    """One finding per vulnerability, even if several databases have it under different names."""
    findings = []
    for pin in sorted(known):
        merged: list[Advisory] = []
        for advisory in known[pin]:
            if advisory.is_withdrawn:
                continue
            same = next((index for index, other in enumerate(merged) if other.names & advisory.names), None)
            if same is None:
                merged.append(advisory)
            else:
                first = merged[same]
                merged[same] = replace(first, aliases=(first.names | advisory.names) - {first.advisory})
        findings += [Finding(pin, advisory, tuple(places[pin])) for advisory in merged]
    return findings


def _covers(entry: Ignored, finding: Finding) -> bool:
    return entry.package == finding.pin.name and entry.advisory in finding.advisory.names


PROBLEMS: Final = (LockProblem, IgnoredProblem, Unavailable)
"""The reasons why an audit could not run."""
