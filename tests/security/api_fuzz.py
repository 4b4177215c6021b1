"""Every operation of `spec/openapi.yaml` against real gateways over real sockets, as users with different rights.

Schemathesis makes requests that keep to the description and requests that break it, and compares what comes back.
`python -m tests.security.api_fuzz [--examples N] [--seed N]` runs the long way.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.support.gateway import REPOSITORY, Gateway, clean_environment, running_gateway
from tests.support.tokens import ALL_RIGHTS, ISSUER, SECRET, token

OPENAPI: Final = REPOSITORY / "spec" / "openapi.yaml"
CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")
RUN_TIMEOUT_S: Final = 3600.0
SETTINGS: Final = {"LOG_STORE": "memory", "COMMANDS_PER_SECOND": "0", "HANDSHAKES_PER_SECOND": "0"}
GUARD: Final = {
    "AUTH_MODE": "jwt",
    "JWT_SECRETS": SECRET,
    "JWT_ALGORITHMS": "HS256",
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": "websocket-gateway",
}


@dataclass(frozen=True)
class User:
    """Who sends the requests. Without `claims` they bring no token."""

    claims: Mapping[str, Any] | None = None
    guarded: bool = True
    """True if the gateway asks who they are."""

    def may(self, right: str, is_of_project: bool) -> bool:
        """True if they have a right, on every project where it is a project's."""
        if not self.guarded:
            return True
        if self.claims is None or (is_of_project and not self.claims["projects"]):
            return False
        return not right or right in self.claims["rights"]

    def authorization(self) -> str | None:
        """The header's value."""
        return None if self.claims is None else f"Bearer {token(exp=int(time.time()) + 86_400, **self.claims)}"


USERS: Final = {
    "operator": User({"sub": "operator-of-this-run", "projects": ["*"], "rights": list(ALL_RIGHTS)}),
    "subscriber": User({"sub": "subscriber-of-this-run", "projects": ["*"], "rights": ["subscribe"]}),
    "foreigner": User({"sub": "foreigner-of-this-run", "projects": [], "rights": list(ALL_RIGHTS)}),
    "stranger": User(),
    "anybody": User(guarded=False),
}


def run(gateway: Gateway, name: str, examples: int, seed: int) -> tuple[dict[str, Any], str]:
    """One run as one of the USERS, with so many random requests for each operation at most: its report, and what it
    printed. Raises AssertionError with that for a violation; and when the gateway is gone, or logged a fault."""
    authorization = USERS[name].authorization()
    environment = {"PYTHONPATH": str(REPOSITORY), "API_FUZZ_USER": name}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "--no-color", "run"),
                *(str(OPENAPI), "--url", gateway.base_url, "--max-examples", str(examples), "--seed", str(seed)),
                *(("--header", f"Authorization: {authorization}") if authorization else ()),
                *("--report", "json", "--report-json-path", str(report)),
            ],
            cwd=folder,
            env=clean_environment(environment | ({"API_FUZZ_AUTHORIZATION": authorization} if authorization else {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        summary: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    assert gateway.process.poll() is None
    gateway.check_log()
    return summary, done.stdout


def main() -> int:
    """The long run, as every user."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=1000, help="random requests for each operation, at most")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}")  # noqa: T201
    with running_emulator() as emulator:
        resources = create_resources(emulator.url)
        for name, user in USERS.items():
            with running_gateway(resources, **SETTINGS, **(GUARD if user.guarded else {})) as gateway:
                summary, _ = run(gateway, name, options.examples, options.seed)
            cases, operations = summary["test_cases"]["generated"], summary["operations"]["tested"]
            print(f"{name:12} {operations} operations, {cases:6} requests, no violation")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
