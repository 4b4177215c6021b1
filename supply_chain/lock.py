"""Hashed locks: each names packages, their versions, and the digests of their files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOCK_BYTES_MAX: Final = 4 * 1024 * 1024
_SEPARATORS: Final = re.compile(r"[-_.]+")
_PIN: Final = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?)(?:\[[a-z0-9,_-]+\])?=="
    r"(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]{0,62})"
    r"(?: ; (?P<marker>[^;#\\]+?))?(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


class LockProblem(Exception):
    """A lock does not pin everything by version and digest, so nothing follows from it."""


@dataclass(frozen=True, order=True, slots=True)
class Pin:
    """One package of a lock. `name` is normalised (PEP 503). `marker` says where it is installed; empty means
    everywhere. `hashes` are the SHA-256 digests of the files that are allowed."""

    name: str
    version: str
    marker: str = ""
    hashes: tuple[str, ...] = ()


def normalised(name: str) -> str:
    """The one spelling of a package's name (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


def read_lock(path: Path) -> list[Pin]:
    """The pins of a requirements file with hashes, in its order. Raises LockProblem."""
    try:
        if path.stat().st_size > LOCK_BYTES_MAX:
            raise LockProblem(f"{path}: larger than {LOCK_BYTES_MAX} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise LockProblem(f"{path}: cannot be read: {fault}") from fault
    pins = [_pin(path, number, line) for number, line in _logical_lines(text)]
    if not pins:
        raise LockProblem(f"{path}: pins nothing")
    return pins


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines, each joined with the lines that a backslash continues, with one space between words. The number is that of
    the first line."""
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not parts and line.lstrip().startswith("#"):
            continue
        parts.append(line.removesuffix("\\"))
        if line.endswith("\\"):
            continue
        joined = " ".join(" ".join(parts).split())
        if joined:
            yield number - len(parts) + 1, joined
        parts = []
    if parts:
        yield len(text.splitlines()), " ".join(" ".join(parts).split())


def _pin(path: Path, number: int, line: str) -> Pin:
    found = _PIN.fullmatch(line)
    if found is None:
        raise LockProblem(f"{path}:{number}: not a version and its hashes: {line[:80]!r}")
    hashes = tuple(part.removeprefix("--hash=sha256:") for part in found["hashes"].split())
    return Pin(normalised(found["name"]), found["version"], (found["marker"] or "").strip(), hashes)
