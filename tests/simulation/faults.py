"""How badly the world behaves, and when."""

from dataclasses import dataclass, field
from random import Random


@dataclass(slots=True)
class Rates:
    """The chance of each thing that can go wrong with an AWS call. The other calls arrive and are answered."""

    throttled: float = 0.0
    """The call is refused before it has an effect."""
    unanswered: float = 0.0
    """The call has its effect, but its answer is lost: the caller waits until its timeout."""
    broken: float = 0.0
    """The call has its effect, but the caller is told that it failed."""
    dropped: float = 0.0
    """The call never arrives."""
    late: float = 0.0
    """The call arrives after its caller has given up."""
    partial: float = 0.0
    """Some entries of a batch fail."""
    slow: float = 0.0
    """The call takes long, but is answered in time."""
    latency_s: float = 0.01


@dataclass(slots=True)
class Outage:
    """From `begin_s` to `end_s` a service answers nothing, or only errors."""

    service: str
    begin_s: float
    end_s: float
    is_silent: bool


@dataclass(slots=True)
class FaultPlan:
    """What goes wrong until `end_s`. After that nothing goes wrong."""

    end_s: float
    rates: dict[str, Rates] = field(default_factory=dict)
    outages: list[Outage] = field(default_factory=list)
    page_bytes: int = 1_048_576
    """How many bytes one DynamoDB query reads at most. The real limit is 1 MiB; the small logs here need a smaller
    one."""
    duplicates: float = 0.0
    """The chance that a received message of a standard queue stays visible to other readers."""

    def outage(self, service: str, now: float) -> Outage | None:
        """The outage during which this call is made; None if there is none."""
        for outage in self.outages:
            if outage.service == service and outage.begin_s <= now < outage.end_s:
                return outage
        return None


def seeded_rates(random: Random, level: float) -> Rates:
    """The rates of a service: with `level` 0 nothing goes wrong, with 1 much does."""

    def chance(maximum: float) -> float:
        return random.random() * maximum * level if random.random() < 0.6 else 0.0

    return Rates(
        throttled=chance(0.25),
        unanswered=chance(0.1),
        broken=chance(0.15),
        dropped=chance(0.1),
        late=chance(0.1),
        partial=chance(0.2),
        slow=chance(0.2),
        latency_s=random.choice((0.002, 0.01, 0.04)),
    )
