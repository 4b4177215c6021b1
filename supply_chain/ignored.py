"""Advisories that do not concern us. Each has its reason, and a day on which somebody has to think about it again."""

from __future__ import annotations

import datetime
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from supply_chain.lock import normalised

LIFE_DAYS_MAX: Final = 180
"""How many days ahead an entry may reach, because "for ever" is not a decision."""
REASON_CHARACTERS_MIN: Final = 20
ADVISORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_FIELDS: Final = {"advisory", "package", "reason", "until"}


class IgnoredProblem(Exception):
    """The list cannot be used."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An advisory, by its id or one of its aliases, for one package. It is valid up to and including a day."""

    advisory: str
    package: str
    reason: str
    until: datetime.date

    def holds(self, today: datetime.date) -> bool:
        """True if the entry is still valid."""
        return today <= self.until


def read_ignored(path: Path, today: datetime.date) -> list[Ignored]:
    """The entries of a list, with those that have expired. Raises IgnoredProblem."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise IgnoredProblem(f"{path}: cannot be read: {fault}") from fault
    entries = document.pop("ignored", [])
    if document or not isinstance(entries, list):
        raise IgnoredProblem(f"{path}: has [[ignored]] entries and nothing else")
    return [_entry(path, number, entry, today) for number, entry in enumerate(entries, 1)]


def _entry(path: Path, number: int, entry: object, today: datetime.date) -> Ignored:
    where = f"{path}: entry {number}"
    if not isinstance(entry, dict) or entry.keys() != _FIELDS:
        raise IgnoredProblem(f"{where}: has exactly {', '.join(sorted(_FIELDS))}")
    advisory, package, reason, until = (entry[name] for name in ("advisory", "package", "reason", "until"))
    if not isinstance(advisory, str) or ADVISORY.fullmatch(advisory) is None:
        raise IgnoredProblem(f"{where}: advisory is an id such as GHSA-xxxx-xxxx-xxxx")
    if not isinstance(package, str) or not package:
        raise IgnoredProblem(f"{where}: package is a package's name")
    if not isinstance(reason, str) or len(reason.strip()) < REASON_CHARACTERS_MIN:
        raise IgnoredProblem(f"{where}: reason is a sentence that a stranger accepts")
    if type(until) is not datetime.date:
        raise IgnoredProblem(f"{where}: until is a date, such as {today.isoformat()}")
    if until > today + datetime.timedelta(days=LIFE_DAYS_MAX):
        raise IgnoredProblem(f"{where}: until is at most {LIFE_DAYS_MAX} days ahead")
    return Ignored(advisory, normalised(package), reason.strip(), until)
