"""How badly the world behaves, and when."""

from dataclasses import dataclass, field
from random import Random


@dataclass(slots=True)
class Rates:
    """Chances of one AWS call's fates; the rest arrive and are answered."""

    throttled: float = 0.0
    """Refused before it had an effect."""
    unanswered: float = 0.0
    """It had its effect, but the answer is lost: the caller waits until its timeout."""
    broken: float = 0.0
    """It had its effect, and the caller is told that it failed."""
    dropped: float = 0.0
    """It never arrives."""
    late: float = 0.0
    """It arrives after its caller gave up on it."""
    partial: float = 0.0
    """Each entry of a batch fails on its own."""
    slow: float = 0.0
    """It takes long, but is answered in time."""
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
    """What goes wrong until `end_s`; afterwards nothing does."""

    end_s: float
    rates: dict[str, Rates] = field(default_factory=dict)
    outages: list[Outage] = field(default_factory=list)
    page_bytes: int = 1_048_576
    """What one DynamoDB query reads at most; the real limit is 1 MiB, small logs need a smaller one."""
    duplicates: float = 0.0
    """Chance that a received message of a standard queue stays visible to others."""

    def outage(self, service: str, now: float) -> Outage | None:
        """The outage that hits this call."""
        for outage in self.outages:
            if outage.service == service and outage.begin_s <= now < outage.end_s:
                return outage
        return None


def seeded_rates(random: Random, level: float) -> Rates:
    """Rates of a service: `level` 0 is calm, 1 is a bad day."""

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
