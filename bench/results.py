"""What was measured: samples by cell and server, their medians, and ratios of neighbours in one round."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from bench.measurement import Sample

Figure = Callable[[Sample], float]


def deliveries_per_second(sample: Sample) -> float:
    """Fan-out throughput."""
    return sample.per_second(sample.deliveries)


def cpu_us_per_delivery(sample: Sample) -> float:
    """What one delivery costs the server."""
    return sample.cpu_us(sample.deliveries)


def answers_per_second(sample: Sample) -> float:
    """Round trips, or confirmed forwards."""
    return sample.per_second(sample.answers)


def cpu_us_per_answer(sample: Sample) -> float:
    """What one command costs the server."""
    return sample.cpu_us(sample.answers)


def joined_per_second(sample: Sample) -> float:
    """Handshakes with their subscription and greeting."""
    return sample.per_second(sample.joined)


def cpu_us_per_join(sample: Sample) -> float:
    """What one handshake costs the server, its end included."""
    return sample.cpu_us(sample.joined)


def p99_ms(sample: Sample) -> float:
    """The latency that 1 % of the deliveries exceed."""
    return sample.p99_ms


@dataclass
class Results:
    """Everything one run found. Rounds count from 0."""

    samples: dict[tuple[str, str], dict[int, Sample]] = field(default_factory=lambda: defaultdict(dict))
    idle_bytes: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    base_rss_kib: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def value(self, cell: str, server: str, figure: Figure) -> float | None:
        """The median of a figure over the rounds; None when it was not measured."""
        rounds = self.samples.get((cell, server))
        return median(figure(sample) for sample in rounds.values()) if rounds else None

    def idle_value(self, server: str) -> float | None:
        """The median of the bytes per idle connection."""
        rounds = self.idle_bytes.get(server)
        return median(rounds.values()) if rounds else None

    def ratio(self, cell: str, server: str, other: str, figure: Figure) -> float | None:
        """The median over the rounds of `server`'s figure divided by `other`'s in the same round."""
        ours, theirs = self.samples.get((cell, server), {}), self.samples.get((cell, other), {})
        pairs = [(figure(ours[number]), figure(theirs[number])) for number in ours if number in theirs]
        ratios = [one / two for one, two in pairs if two]
        return median(ratios) if ratios else None
