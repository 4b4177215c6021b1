"""Failures on demand, for `websocket-handler dev --chaos`, and the witnesses who count what they cost.

The witnesses are the clients of `verify`: they publish and follow a project of their own through the same proxy as
everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from websocket_handler.cli.dev.proxy import Proxy
from websocket_handler.cli.verify.plan import DURATION_MAX_S, Plan
from websocket_handler.cli.verify.verification import Verification

PROJECT_PREFIX: Final = "chaos-"
CLIENTS: Final = 3
RATE: Final = 5.0
SETTLE_S: Final = 60.0
SECONDS: Final = 3.0
SECONDS_MAX: Final = 600.0
RESTART: Final = "restart"
LASTING: Final = frozenset({"stall", "slow", "twice"})
"""The verbs that take some time."""
VERBS: Final = {
    "cut": "end every connection",
    "stall": "keep all bytes back for 3 s (stall 10: for ten)",
    "slow": "let every piece of the network wait for 3 s",
    "twice": "let the queues give every message twice for 3 s",
    "agent": "kill all demo agents in the middle of their work, and start them again",
    RESTART: "kill the gateway; its log in memory is gone, and its clients are told",
}
"""What can fail, and what that means."""


def new_verification(url: str) -> Verification:
    """The witnesses, on a gateway."""
    plan = Plan(
        urls=[url],
        duration_s=DURATION_MAX_S,
        clients=CLIENTS,
        projects=1,
        rate=RATE,
        settle_s=SETTLE_S,
        project_prefix=PROJECT_PREFIX,
    )
    return Verification(plan, lambda _row: None, SETTLE_S)


class Chaos:
    """Carries out the verbs but `restart`, which is its starter's."""

    def __init__(
        self,
        proxy: Proxy,
        verification: Verification,
        give_twice: Callable[[float], None],
        kill_agents: Callable[[], None],
    ) -> None:
        self._verification = verification
        self._deeds: Mapping[str, Callable[[float], None]] = {
            "cut": lambda _seconds: proxy.cut(),
            "stall": proxy.stall,
            "slow": proxy.slow,
            "twice": give_twice,
            "agent": lambda _seconds: kill_agents(),
        }

    def do(self, verb: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Let something fail, or do nothing for `status`. Returns the state. Raises ValueError."""
        if not 0 < seconds <= SECONDS_MAX:
            raise ValueError(f"the seconds must be more than 0 and at most {SECONDS_MAX:g}")
        if verb != "status":
            if verb not in self._deeds:
                raise ValueError(f"{verb!r} is none of {', '.join(self._deeds)}")
            self._deeds[verb](seconds)
        return self.status()

    def status(self) -> dict[str, Any]:
        """What the witnesses have seen. `is_level` is false while one of them has not got everything."""
        found = self._verification.findings()
        return {
            "is_level": self._verification.is_level,
            "deliveries": found.deliveries,
            "reconnects": found.reconnects,
            "resets": found.resets,
            "lost": found.lost,
            "doubled": found.doubled,
            "reordered": found.reordered,
            "unusable": self._verification.state.unusable,
        }


def row(status: Mapping[str, Any]) -> str:
    """The state in a line."""
    if status["unusable"]:
        return f"no witness: {status['unusable']}"
    lost = f"lost {status['lost']} · doubled {status['doubled']} · out of order {status['reordered']}"
    return (
        f"{lost}   ({status['deliveries']} deliveries, {status['reconnects']} reconnects, {status['resets']} new logs)"
    )
