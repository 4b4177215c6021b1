"""A lock, a list of ignored advisories, and the audit of both as the command runs it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import pytest

from supply_chain.__main__ import main
from tests.supply_chain.vulnerability_service import VulnerabilityService

HASH = "a" * 64
LOCK = f"""\
alpha==1.0 \\
    --hash=sha256:{HASH} \\
    --hash=sha256:{"b" * 64}
beta==2.0 ; os_name == 'nt' \\
    --hash=sha256:{HASH}
"""
TODAY = datetime.datetime.now(datetime.UTC).date()
ADVISORY = "GHSA-aaaa-bbbb-cccc"


@dataclass
class Outcome:
    """What an audit printed, and its exit code."""

    code: int
    out: str
    err: str

    def check_could_not_run(self, *words: str) -> None:
        """It says so, with the reason, and nothing that sounds like a result."""
        assert (self.code, self.out) == (2, "")
        assert self.err.startswith("could not run: "), self.err
        assert "Nothing is known" in self.err
        for word in words:
            assert word in self.err


class Project:
    """A lock and a list of ignored advisories in a folder."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.lock = folder / "lock.txt"
        self.ignored = folder / "ignored.toml"
        self._capture = capture
        self.lock.write_text(LOCK)
        self.ignored.write_text("")

    def ignore(self, **changes: object) -> None:
        """Write a list with one entry."""
        entry = {
            "advisory": f'"{ADVISORY}"',
            "package": '"alpha"',
            "reason": '"The part that has it is never loaded."',
            "until": TODAY.isoformat(),
        } | changes
        lines = [f"{name} = {value}" for name, value in entry.items() if value is not None]
        self.ignored.write_text("\n".join(["[[ignored]]", *lines]))

    def audit(self, service: VulnerabilityService | str) -> Outcome:
        """Run it."""
        url = service if isinstance(service, str) else service.url
        code = main([str(self.lock), "--ignored", str(self.ignored), "--service", url])
        return Outcome(code, *self._capture.readouterr())
