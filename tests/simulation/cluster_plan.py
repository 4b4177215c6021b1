"""Makes of a seed a schedule for a cluster: its servers, its nodes, its clients, and what goes wrong when."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

from tests.simulation.door_plan import LONG_S, DoorPlan
from tests.simulation.faults import FaultPlan, Rates
from tests.simulation.scenario import MANNERS, Scenario, scenario

NODES: Final = 3
Commit = Literal["auto", "primary", "replica"]
PAIR_EVENTS: Final = (
    "graceful", "graceful", "crash", "crash", "split", "split", "stall replication", "lose replica", "restart", "stop",
)  # fmt: skip
ALONE_EVENTS: Final = ("restart", "restart", "restart", "stop")
SERVER_EVENTS: Final = ("fill up", "flush")
NODES_END: Final = ("roll", "node crash", "fuse")
NODE_EVENTS: Final = ("cut off", "cut off", "deaf", "deaf", "reset", "roll", "node crash", "fuse")


@dataclass(frozen=True, slots=True)
class Event:
    """Something happens. `lasts_s` is for how long; `manner` is how, for those that have several ways."""

    at_s: float
    kind: str
    lasts_s: float
    manner: str = ""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """One schedule."""

    seed: int
    scenario: Scenario
    has_logs: bool
    """True if the logs are in Valkey; else they are in a table, and Valkey only carries messages."""
    servers: int
    commit: Commit
    lag_s: float
    has_address: bool
    """True if nodes find the primary at one address, which leads to it; else through Sentinels."""
    events: tuple[Event, ...]
    clients: int
    users: int
    keyed: float
    """The chance that a publication has an idempotency key."""

    @property
    def may_lose(self) -> bool:
        """True if the servers may lose what they have confirmed: nothing but the primary has to have it, or a restart
        takes it from both."""
        is_emptied = any(event.kind == "restart" and event.manner != "everything" for event in self.events)
        return self.has_logs and (self.commit != "replica" or self.servers == 1 or is_emptied)

    @property
    def may_forget(self) -> bool:
        """True if servers may lose publications, and nodes that have seen these may end before the servers are back.
        Then nobody knows that something is missing: docs/operations/nodes.md says so."""
        return self.may_lose and any(event.kind in NODES_END for event in self.events)

    @property
    def is_heard_at_once(self) -> bool:
        """True unless a connection may stay that tells nothing more. A node finds that out later."""
        return not any(event.kind == "split" or event.manner in ("deaf", "silent") for event in self.events)


def cluster_plan(seed: int) -> ClusterPlan:
    """The schedule of a seed."""
    random = Random(f"cluster {seed}")
    has_logs = random.random() < 0.8
    servers = random.choice((2, 2, 2, 1))
    commit: Commit = random.choice(("replica", "replica", "auto", "primary")) if servers == 2 else "auto"
    active_s = random.uniform(4, 10)
    door = _door()
    return ClusterPlan(
        seed=seed,
        has_logs=has_logs,
        scenario=replace(
            scenario(seed),
            store="dynamodb",
            active_s=active_s,
            actions_per_s=random.choice((4.0, 9.0)),
            clients=0,
            projects=tuple(f"p{index}" for index in range(random.randint(1, 3))),
            faults=FaultPlan(0.0, {"dynamodb": Rates(), "sqs": Rates()}),
            node_events=(),
            clock_jumps=(),
            has_updates=False,
            has_compression=False,
            ring_messages=random.choice((10, 1000, 1000)),
            ring_bytes=1_048_576,
            outbox_bytes=262_144,
            padding=0,
            sleeps_s=0.0,
            commit_linger_s=0.0,
            forward_linger_s=0.0,
            door=door,
        ),
        servers=servers,
        commit=commit,
        lag_s=random.choice((0.0005, 0.003, 0.05)),
        has_address=Random(f"address {seed}").random() < 0.5,
        events=_events(random, active_s, servers),
        clients=random.randint(3, 5),
        users=4,
        keyed=random.choice((0.3, 0.7, 1.0)),
    )


def _events(random: Random, active_s: float, servers: int) -> tuple[Event, ...]:
    events: list[Event] = []
    own = PAIR_EVENTS if servers == 2 else ALONE_EVENTS
    for _ in range(random.choice((1, 2, 2, 3))):
        kind = random.choice((*own, random.choice(SERVER_EVENTS)))
        events.append(Event(random.uniform(0.5, active_s), kind, random.choice((0.3, 1.5, 4.0)), _manner(random, kind)))
    for _ in range(random.choice((0, 1, 2, 3))):
        kind = random.choice(NODE_EVENTS)
        events.append(Event(random.uniform(0.5, active_s), kind, random.choice((0.5, 3.0, 7.0)), _manner(random, kind)))
    return tuple(sorted(events, key=lambda event: event.at_s))


def _manner(random: Random, kind: str) -> str:
    manners: dict[str, tuple[str, ...]] = {
        "graceful": ("sunsubscribe", "kill", "deaf"),
        "crash": ("killed", "silent"),
        "split": ("noticed", "unnoticed"),
        "restart": ("everything", "everything", "most", "nothing"),
        "roll": MANNERS,
    }
    return random.choice(manners.get(kind, ("",)))


def _door() -> DoorPlan:
    """Everybody shows a token, and nothing is limited."""
    return DoorPlan(
        has_tokens=True,
        users=4,
        addresses=4,
        per_user=0,
        per_address=0,
        handshakes_per_second=0.0,
        entries=4096,
        proxy_hops=0,
        allowed_origins="",
        handshake_timeout_s=5.0,
        authentication_timeout_s=3.0,
        token_lives_s=(LONG_S,),
        narrow=0.0,
        streams=0,
        polls=0,
        events=(),
    )
