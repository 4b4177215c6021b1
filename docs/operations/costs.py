"""Writes costs.md from prices.json: `python docs/operations/costs.py`. A test compares the two.

Prices change, and differ by region: write current prices and their date into prices.json, then run this script again.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DAYS = 365 / 12
SECONDS = DAYS * 86_400
METRIC_BYTES_PER_MINUTE = 7_000
"""The gateway writes nineteen lines of embedded metrics per minute when there are no errors."""
LOG_BYTES_PER_CONNECTION = 350
POLL_S = 20
PROBE_S = 3
ANNOUNCE_S = 10
METRICS = 27
"""Nine for the node, sixteen for forwards by agent and outcome, two for recoveries; each error code adds one."""
ALARMS = 13
VALKEY_GB_MIN = 0.1
"""ElastiCache Serverless asks for at least this much storage."""
WIRE_BYTES = 300
"""One publication sent to one client, with all headers."""


@dataclass(frozen=True)
class Size:
    """One example of use. `connects`, `publications` and `forwards` are per day."""

    name: str
    vcpu: float
    memory_gb: float
    connections: int
    connects: int
    publications: int
    receivers: int
    forwards: int


SIZES = (
    Size("a team", 0.25, 0.5, 100, 1_000, 5_000, 10, 1_000),
    Size("a company", 0.25, 0.5, 1_000, 10_000, 100_000, 20, 20_000),
    Size("a product", 1.0, 2.0, 4_000, 50_000, 1_000_000, 20, 200_000),
)


def lines(size: Size, price: Mapping[str, float], hours: float) -> dict[str, float]:
    """What each part costs in a month."""
    connects, publications, forwards = (DAYS * count for count in (size.connects, size.publications, size.forwards))
    compute = size.vcpu * price["fargate_x86_vcpu_hour"] + size.memory_gb * price["fargate_x86_gb_hour"]
    sent_gb = publications * size.receivers * WIRE_BYTES / 1e9
    units = max(size.connections / 3_000, connects / SECONDS / 25, sent_gb / hours)
    log_gb = (SECONDS / 60 * METRIC_BYTES_PER_MINUTE + connects * LOG_BYTES_PER_CONNECTION) / 1e9
    writes = publications + 6 * connects + 3 * size.connections * 4 * DAYS + SECONDS / ANNOUNCE_S
    reads = SECONDS / PROBE_S + SECONDS / ANNOUNCE_S + connects
    stored_gb = publications / DAYS * 500 / 1e9
    return {
        "Fargate task (x86)": hours * compute,
        "Load balancer": hours * price["balancer_hour"],
        "Load balancer, capacity units": hours * units * price["balancer_unit_hour"],
        "Public IPv4 addresses (3)": 3 * hours * price["public_ipv4_hour"],
        "Logs": log_gb * price["log_gb"],
        "Metrics": METRICS * price["metric_month"],
        "Alarms": ALARMS * price["alarm_month"],
        "SQS, sending work": forwards / 1e6 * price["sqs_fair_million"],
        "SQS, polling for updates": SECONDS / POLL_S / 1e6 * price["sqs_million"],
        "DynamoDB, writes": writes / 1e6 * price["dynamodb_write_million"],
        "DynamoDB, reads": reads / 1e6 * price["dynamodb_read_million"],
        "DynamoDB, storage and recovery": stored_gb
        * (price["dynamodb_gb_month"] + price["dynamodb_recovery_gb_month"]),
        "Data transfer out": sent_gb * price["transfer_gb"],
    }


def backplane_commands(size: Size, tasks: int) -> float:
    """What so many tasks ask of Valkey in a month, in processing units: each publication tells each task, a task looks
    around every ten seconds, and writes every second who is connected."""
    return DAYS * size.publications * (1 + tasks) + tasks * SECONDS * (3 / ANNOUNCE_S + 2)


@dataclass(frozen=True)
class Linger:
    """One load, with and without a linger of so many milliseconds: how many calls a second it costs."""

    load: str
    setting: str
    linger_ms: int
    per_second: float
    hours_per_day: int
    logs_or_queues: int
    price: str

    @property
    def calls_per_s(self) -> tuple[float, float]:
        """Calls a second without and with the linger. With it, a log or a queue gets one at most every `linger_ms`."""
        return self.per_second, min(self.per_second, self.logs_or_queues * 1000 / self.linger_ms)

    def row(self, price: Mapping[str, float]) -> str:
        """A row of the page."""
        before, after = self.calls_per_s
        month = DAYS * self.hours_per_day * 3600 / 1e6 * price[self.price]
        return (
            f"| {self.load} | `{self.setting}={self.linger_ms}` | {before:,.0f} | {after:,.0f} | "
            f"{before * month:,.2f} | {after * month:,.2f} |"
        )


LINGERS = (
    Linger("an agent that streams 30 tokens/s, 8 hours a day, on DynamoDB", "COMMIT_LINGER_MS", 100, 30, 8, 1,
           "dynamodb_write_million"),
    Linger("20 of these agents, each in its own project", "COMMIT_LINGER_MS", 100, 600, 8, 20,
           "dynamodb_write_million"),
    Linger("250 forwards/s of 50 clients to one agent, 8 hours a day", "FORWARD_LINGER_MS", 20, 250, 8, 1,
           "sqs_fair_million"),
    Linger("the same to four agents", "FORWARD_LINGER_MS", 80, 250, 8, 4, "sqs_fair_million"),
)  # fmt: skip


def sheet() -> str:
    """The whole page."""
    table = json.loads((FOLDER / "prices.json").read_text(encoding="utf-8"))
    price = {name: entry["price"] for name, entry in table["prices"].items()}
    hours = table["hours_per_month"]
    costs = [lines(size, price, hours) for size in SIZES]
    arm = hours * (0.25 * price["fargate_arm_vcpu_hour"] + 0.5 * price["fargate_arm_gb_hour"])
    rows = [
        "| part | " + " | ".join(size.name for size in SIZES) + " |",
        "|---|" + "---:|" * len(SIZES),
        *(f"| {part} | " + " | ".join(f"{cost[part]:.2f}" for cost in costs) + " |" for part in costs[0]),
        "| **sum** | " + " | ".join(f"**{sum(cost.values()):.2f}**" for cost in costs) + " |",
    ]
    uses = [
        f"| {size.name} | {size.vcpu:g} vCPU, {size.memory_gb:g} GB | {size.connections:,} | {size.connects:,} | "
        f"{size.publications:,} to {size.receivers} clients each | {size.forwards:,} |"
        for size in SIZES
    ]
    private = 10 * hours * price["endpoint_hour"]
    backplane = hours * VALKEY_GB_MIN * price["valkey_serverless_gb_hour"]
    commands = backplane_commands(SIZES[-1], tasks=3) / 1e6 * price["valkey_serverless_million"]
    firewall = price["firewall_month"] + 3 * price["firewall_rule_month"]
    return "\n".join(
        [
            "# What it costs",
            "",
            f"`costs.py` writes this page from `prices.json`: {table['region']}, {table['date']}. It is in",
            f"{table['currency']} per month of {hours} hours, without taxes.",
            "We did not look up the prices that are marked as from memory.",
            "",
            "**Fargate has no permanent free tier.** People often quote 750 free hours; these belong to small EC2",
            "machines of new accounts. The load balancer and the public addresses cost more than the container.",
            "This page subtracts no free allowance.",
            "",
            *rows,
            "",
            "The sizes. Everything but the connections at once is per day:",
            "",
            "| size | task | connections at once | new connections | publications | forwards |",
            "|---|---|---:|---:|---|---:|",
            *uses,
            "",
            f"With ARM64 (`CpuArchitecture`) the smallest task costs {arm:.2f};",
            f"with x86 it costs {costs[0]['Fargate task (x86)']:.2f}.",
            "",
            "Parameters that cost extra:",
            "",
            f"* `PrivateSubnets`: five interface endpoints in two zones, {private:.2f}. It saves one public address.",
            f"* `Waf`: {firewall:.2f}, plus a price per request.",
            f"* `Alarms`: {ALARMS * price['alarm_month']:.2f}; the first dashboards of an account are free.",
            f"* `Backplane=valkey`: from {backplane:.2f} for the cache, one more alarm, and each further task. The",
            f"  commands of {SIZES[-1].name} on three tasks cost {commands:.2f} more.",
            "* `ContainerInsights`: it writes its own metrics and logs.",
            "",
            "## What gathering saves",
            "",
            "DynamoDB has a price per write, SQS one per request. With `COMMIT_LINGER_MS` and `FORWARD_LINGER_MS` (0",
            "by default, at most 500) a project's log is written, and an agent's queue is asked, at most once in that",
            "time; what comes meanwhile goes together. What comes after a quiet time still leaves at once. It costs",
            "time: a publication, or the confirmation of a forward, comes later by that time at most.",
            "",
            "| load | setting | calls/s before | calls/s after | a month before | a month after |",
            "|---|---|---:|---:|---:|---:|",
            *(linger.row(price) for linger in LINGERS),
            "",
            "These rows assume that what is written together has at most 1 KB, which costs one write unit, and what is",
            "sent together at most 64 KB, which costs one request. A segment has at most 500 publications, and a",
            "request at most ten forwards; a full one does not wait.",
            "",
            "## What the numbers assume",
            "",
            "* One DynamoDB write unit per publication, and one SQS request per forward, with both lingers at 0. It is",
            "  less when many arrive at once, because what was waiting goes together; it is more for publications",
            "  larger than 1 KB.",
            "* Six write units per connection, and three more every six hours to keep its record alive.",
            "* One poll of the updates queue every 20 s. The calls of the agents themselves are not included.",
            f"* {METRICS} metrics. Every error code that occurs adds one.",
            "",
            "| price | value | source |",
            "|---|---:|---|",
            *(f"| {name} | {entry['price']} | {entry['source']} |" for name, entry in table["prices"].items()),
            "",
        ]
    )


if __name__ == "__main__":
    (FOLDER / "costs.md").write_text(sheet(), encoding="utf-8")
    sys.stdout.write("costs.md written\n")
