"""Makes of a seed what happens at the nodes' doors: who has to show a token, which limits hold, and what goes wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

FOREIGN_ORIGIN: Final = "https://evil.example"
OWN_ORIGIN: Final = "https://console.example"
"""A page that the operator has named, if the operator names pages."""
HOST: Final = "gateway.example"
MEMORY_LIMIT_BYTES: Final = 100
CALM_S: Final = 3.0
"""Nothing new happens at the doors in the last seconds before the faults end, because some visitors stay for a
while."""
LONG_S: Final = 100_000.0
"""A token that does not end within a schedule."""


@dataclass(frozen=True, slots=True)
class DoorEvent:
    """Something happens at the door of a node.

    `revoke`: a user's tokens are revoked. `outage`: nobody can fetch keys, for `lasts_s`. `rotation`: every node has to
    fetch the keys again. `shortage`: a node has no memory for new clients, for `lasts_s`. `storm`: `count` visitors
    come at once.
    """

    at_s: float
    kind: str
    lasts_s: float = 0.0
    count: int = 0


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """The rules of one schedule. 0 means no limit."""

    has_tokens: bool
    users: int
    addresses: int
    per_user: int
    per_address: int
    handshakes_per_second: float
    entries: int
    """How many sockets may wait whose first request is not complete."""
    proxy_hops: int
    """With 1, the nodes see the load balancer's address, and read the client's address in a header."""
    allowed_origins: str
    handshake_timeout_s: float
    authentication_timeout_s: float
    token_lives_s: tuple[float, ...]
    """How many seconds the clients' tokens live."""
    narrow: float
    """The chance that a client's token allows only some projects."""
    streams: int
    """The number of readers of event streams."""
    polls: int
    """The number of readers that poll."""
    events: tuple[DoorEvent, ...]


def door_plan(seed: int, active_s: float, drains_s: Sequence[float] = (), *, may_revoke: bool = False) -> DoorPlan:
    """The door of a schedule in which nodes drain at `drains_s`. Nobody is revoked if the wall clock jumps, because a
    clock that is turned back makes new tokens older than the revocation."""
    random = Random(f"door {seed}")
    has_tokens = random.random() < 0.6
    return DoorPlan(
        has_tokens=has_tokens,
        users=random.choice((2, 3, 6)),
        addresses=random.choice((2, 3, 8)),
        per_user=random.choice((0, 5, 8)),
        per_address=random.choice((0, 5, 8)),
        handshakes_per_second=random.choice((0.0, 0.0, 0.0, 6.0, 15.0)),
        entries=random.choice((4096, 4096, 6)),
        proxy_hops=random.choice((0, 1)),
        allowed_origins=random.choice(("", OWN_ORIGIN)),
        handshake_timeout_s=random.choice((2.0, 5.0)),
        authentication_timeout_s=random.choice((1.0, 3.0)),
        token_lives_s=random.choice(((LONG_S,), (3.0, 8.0, LONG_S), (1.5, 5.0))),
        narrow=random.choice((0.0, 0.3)),
        streams=random.choice((0, 1, 2)),
        polls=random.choice((0, 0, 1)),
        events=_events(random, active_s, has_tokens=has_tokens, may_revoke=may_revoke)
        + _rushes(seed, active_s, drains_s),
    )


def _events(random: Random, active_s: float, *, has_tokens: bool, may_revoke: bool) -> tuple[DoorEvent, ...]:
    events: list[DoorEvent] = []
    kinds = ["storm", "storm", "shortage"]
    if has_tokens:
        kinds += ["outage", "rotation"] + (["revoke", "revoke"] if may_revoke else [])
    while random.random() < 0.6 and len(events) < 4:
        kind, at_s = random.choice(kinds), random.uniform(0.3, active_s - CALM_S)
        lasts_s = min(active_s - CALM_S - at_s, random.choice((0.5, 2.0, 6.0)))
        events.append(DoorEvent(at_s, kind, lasts_s, random.choice((5, 15, 30))))
    return tuple(events)


def _rushes(seed: int, active_s: float, drains_s: Sequence[float]) -> tuple[DoorEvent, ...]:
    """Storms of visitors that meet a node while it goes away."""
    random = Random(f"rushes {seed}")
    met = [at_s + random.uniform(-0.2, 0.3) for at_s in drains_s if random.random() < 0.5]
    return tuple(DoorEvent(at_s, "storm", count=15) for at_s in met if 0 < at_s < active_s - CALM_S)
