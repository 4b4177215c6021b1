"""Makes of a seed a schedule: how many nodes, clients and projects there are, what they do, and what goes wrong
when."""

from dataclasses import dataclass, replace
from random import Random

from tests.simulation.door_plan import DoorPlan, door_plan
from tests.simulation.faults import FaultPlan, Outage, seeded_rates

MANNERS = ("sigterm", "sigterm", "target", "twice", "impatient")


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """Something happens to the nodes. `start`; `crash`: at once; `fuse`: a crash after some more effects; `drain`: in
    one of the manners that `Process.drain` knows."""

    at_s: float
    kind: str
    effects: int = 0
    manner: str = "sigterm"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One schedule."""

    seed: int
    store: str
    active_s: float
    projects: tuple[str, ...]
    clients: int
    actions_per_s: float
    faults: FaultPlan
    node_events: tuple[NodeEvent, ...]
    clock_jumps: tuple[tuple[float, float], ...]
    """When the wall clock jumps, and by how much."""
    has_updates: bool
    has_fifo: bool
    visibility_s: int
    ring_messages: int
    ring_bytes: int
    outbox_bytes: int
    padding: int
    """How many bytes a large publication has."""
    kernel_bytes: int
    """How many bytes the kernel takes for a client that does not read."""
    is_native: bool
    """True if nodes send directly to the sockets, as `net.native_send` does."""
    has_compression: bool
    """True if every other connection agrees on permessage-deflate."""
    keeps_overlap: bool
    """True if two nodes stay when the faults end. Each then has to follow what the other writes."""
    sleeps_s: float
    """For how many seconds there is no node and time passes: longer than the log is retained."""
    commit_linger_s: float
    """For how many seconds after a write to a log the next one gathers; 0 in most schedules."""
    forward_linger_s: float
    """The same for an agent's queue."""
    door: DoorPlan
    """Who may come in."""


def scenario(seed: int) -> Scenario:
    """The schedule of a seed."""
    random = Random(f"scenario {seed}")
    store = "memory" if random.random() < 0.12 else "dynamodb"
    active_s = random.uniform(4, 16)
    sleeps_s = random.choice((30.0, 26.0)) * 3600 if store == "dynamodb" and random.random() < 0.06 else 0.0
    plan = _scenario(seed, random, store, active_s, sleeps_s)
    has_jumps = bool(plan.clock_jumps or plan.sleeps_s)
    drains_s = [event.at_s for event in plan.node_events if event.kind == "drain"]
    return replace(plan, door=door_plan(seed, active_s, drains_s, may_revoke=not has_jumps))


def _scenario(seed: int, random: Random, store: str, active_s: float, sleeps_s: float) -> Scenario:
    """Everything except the door."""
    return Scenario(
        seed=seed,
        store=store,
        active_s=active_s,
        projects=tuple(f"p{index}" for index in range(random.randint(1, 3))),
        clients=random.randint(2, 6),
        actions_per_s=random.choice((3.0, 8.0, 20.0)),
        faults=_faults(random, active_s),
        node_events=_node_events(random, active_s, store, is_asleep=bool(sleeps_s)),
        clock_jumps=_clock_jumps(random, active_s, store),
        has_updates=random.random() < 0.6,
        has_fifo=random.random() < 0.5,
        visibility_s=random.choice((4, 8, 20)),
        ring_messages=random.choice((3, 10, 1000, 1000)),
        ring_bytes=1_048_576 if store == "memory" else random.choice((2_000, 1_048_576, 1_048_576)),
        outbox_bytes=random.choice((1_000, 6_000, 262_144)),
        padding=random.choice((0, 50, 400, 3_000)),
        kernel_bytes=(2_000, 65_536, 9_000)[seed // 8 % 3],
        is_native=seed // 4 % 2 == 0,
        has_compression=seed % 4 == 3,
        keeps_overlap=random.random() < 0.4,
        sleeps_s=sleeps_s,
        commit_linger_s=_linger_s(seed, 0),
        forward_linger_s=_linger_s(seed, 1),
        door=door_plan(seed, active_s),
    )


def _linger_s(seed: int, shift: int) -> float:
    """Two of ten schedules gather, for as long as settings allow, or shorter. The first schedule, which shows most of
    the planted bugs, does not."""
    return (0.02, 0.1, 0.5)[(seed // 10 + shift) % 3] if seed and seed % 10 in (0, 6) else 0.0


def _faults(random: Random, active_s: float) -> FaultPlan:
    level = random.choice((0.0, 0.3, 1.0, 1.0))
    rates = {service: seeded_rates(random, level) for service in ("dynamodb", "sqs")}
    outages: list[Outage] = []
    while random.random() < 0.35 and len(outages) < 3:
        begin_s = random.uniform(0, active_s)
        end_s = min(active_s, begin_s + random.choice((1.0, 4.0, 12.0)))
        outages.append(Outage(random.choice(("dynamodb", "sqs")), begin_s, end_s, random.random() < 0.5))
    page_bytes = random.choice((500, 4_000, 1_048_576, 1_048_576))
    return FaultPlan(active_s, rates, outages, page_bytes, random.choice((0.0, 0.0, 0.1, 0.4)))


def _node_events(random: Random, active_s: float, store: str, *, is_asleep: bool) -> tuple[NodeEvent, ...]:
    """After a node ends, another one starts. With a shared store two may overlap."""
    events: list[NodeEvent] = []
    for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
        at_s = random.uniform(0.5, active_s)
        kind = random.choice(("crash", "fuse", "fuse", "roll", "overlap"))
        if store == "memory" and kind in ("roll", "overlap"):
            kind = "crash"
        if kind in ("crash", "fuse"):
            events.append(NodeEvent(at_s, kind, random.randint(1, 60)))
        elif kind == "roll":
            events.append(NodeEvent(at_s, "start"))
            manner = random.choice(MANNERS)
            events.append(NodeEvent(min(active_s, at_s + random.uniform(0.5, 6)), "drain", manner=manner))
        else:
            events.append(NodeEvent(at_s, "start"))
            events.append(NodeEvent(min(active_s, at_s + random.uniform(0.5, 10)), random.choice(("crash", "fuse")), 5))
    return tuple(sorted(events, key=lambda event: event.at_s))


def _clock_jumps(random: Random, active_s: float, store: str) -> tuple[tuple[float, float], ...]:
    """With a memory store the clock does not jump forward, because the checker does not follow how its publications
    age."""
    if random.random() >= 0.2:
        return ()
    jumps = (-3600.0, -400.0) if store == "memory" else (-3600.0, 3600.0, -400.0, 400.0)
    return tuple((random.uniform(0, active_s), random.choice(jumps)) for _ in range(random.randint(1, 2)))
