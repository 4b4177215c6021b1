"""The results as Markdown: the targets first, then the tables behind them."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench import folding, many_projects, scenarios, targets, ways_in
from bench.chart import write_chart
from bench.folding import LateJoin
from bench.machine import Machine
from bench.many_projects import Pairs
from bench.results import (
    Figure,
    Results,
    answers_per_second,
    cpu_us_per_answer,
    cpu_us_per_delivery,
    cpu_us_per_join,
    deliveries_per_second,
    joined_per_second,
    p99_ms,
)
from bench.scenarios import FORWARD, HANDSHAKE, PING, RATE, fan_out_key
from bench.servers import BEFORE, GATEWAY, LIMIT, LIMIT_COALESCED, Server
from bench.small_container import SmallContainer

NOT_MEASURED = "-"


def write_report(
    folder: Path,
    results: Results,
    machine: Machine,
    servers: Sequence[Server],
    rounds: int,
    container: SmallContainer | None,
    many: Sequence[Pairs],
    ways: Sequence[Pairs],
    note: str,
    *,
    late: Sequence[LateJoin],
) -> None:
    """Write RESULTS.md and RESULTS.svg into `folder`."""
    sections = [
        _head(machine, rounds, note),
        targets.table(results, container),
        "![Fan-out compared](RESULTS.svg)\n",
        _before(results),
        _overview(results, servers),
        _fan_out(results, servers),
        _generator(results),
        _forwards(results),
        _many_projects(many),
        _ways_in(ways),
        late_joiners(late),
        _growth(results),
        _container(container),
        _servers(results, servers),
        _failures(results),
        _method(),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text("\n".join(section for section in sections if section), encoding="utf-8")
    write_chart(folder / "RESULTS.svg", results, servers)


def _head(machine: Machine, rounds: int, note: str) -> str:
    count = f"{rounds} {'round' if rounds == 1 else 'rounds'}"
    return f"""# Benchmark results

{note + chr(10) + chr(10) if note else ""}Taken {machine.date} with `{machine.command}` on
{machine.cores} cores of {machine.processor},
{machine.memory_gib:.0f} GiB, Linux {machine.kernel}, Python {machine.python}; load average at the start
{machine.load_average:.2f}. Medians of {count}. Every figure is of one core
over loopback. A ratio compares two measurements that are close in time in one round: trust the ratios more than the
absolute figures.
"""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [f"| {' | '.join(header)} |", "|" + "|".join(["---"] + ["---:"] * (len(header) - 1)) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _shown(value: float | None, form: str = ",.0f") -> str:
    return NOT_MEASURED if value is None else format(value, form)


def _thousands(value: float | None) -> str:
    if value is None:
        return NOT_MEASURED
    return f"{value / 1000:,.0f}k" if value >= 10_000 else f"{value / 1000:,.1f}k"


def _overview(results: Results, servers: Sequence[Server]) -> str:
    header = ["server", "W=1 deliveries/s", "W=16", "W=256", "µs CPU per delivery W=1 / W=16",
              "p50 / p99 / p99.9 ms at 100/s x 500", "KB per idle connection", "handshakes/s", "µs CPU each",
              "round trips/s", "µs CPU each"]  # fmt: skip
    rows = []
    for server in servers:
        name = server.name

        def value(cell: str, figure: Figure, name: str = name) -> float | None:
            return results.value(cell, name, figure)

        cells = [fan_out_key(1000, 128, in_flight) for in_flight in (1, 16, 256)]
        latency = [value(RATE, figure) for figure in (lambda s: s.p50_ms, p99_ms, lambda s: s.p999_ms)]
        idle = results.idle_value(name)
        rows.append([
            _bold(server),
            *(_thousands(value(cell, deliveries_per_second)) for cell in cells),
            " / ".join(_shown(value(cell, cpu_us_per_delivery), ".2f") for cell in cells[:2]),
            " / ".join(_shown(part, ".1f") for part in latency),
            _shown(idle / 1024 if idle is not None else None, ".1f"),
            _thousands(value(HANDSHAKE, joined_per_second)),
            _shown(value(HANDSHAKE, cpu_us_per_join)),
            _thousands(value(PING, answers_per_second)),
            _shown(value(PING, cpu_us_per_answer), ".1f"),
        ])  # fmt: skip
    return f"## All servers, 1,000 subscribers x 128 bytes\n\n{table(header, rows)}"


def _before(results: Results) -> str:
    """Each load of both builds; empty unless an earlier build was measured beside this one."""
    rows = []
    for key, name in results.samples:
        if name != BEFORE:
            continue
        figure = p99_ms if key == RATE else {PING: cpu_us_per_answer, FORWARD: cpu_us_per_answer,
                                             HANDSHAKE: cpu_us_per_join}.get(key, cpu_us_per_delivery)  # fmt: skip
        values = [results.value(key, server, figure) for server in (GATEWAY, BEFORE)]
        ratio = results.ratio(key, BEFORE, GATEWAY, figure)
        rows.append([key, *(_shown(value, ".2f") for value in values), _shown(ratio, ".2f")])
    if not rows:
        return ""
    header = ["load", "this build", "the build before", "speed against it"]
    text = f"µs of CPU for each delivery, answer or join; p99 in ms for the {RATE}. Above 1 this build is faster."
    return f"## Against the build before\n\n{text}\n\n{table(header, rows)}"


def _bold(server: Server) -> str:
    return f"**{server.title}**" if server.name == GATEWAY else server.title


def _fan_out(results: Results, servers: Sequence[Server]) -> str:
    shapes = [(connections, size) for connections in (100, 1000, 5000) for size in (128, 1024)]
    if results.value(fan_out_key(5000, 128, 1), GATEWAY, deliveries_per_second) is None:
        return ""
    text = "## Fan-out at full speed\n\nDeliveries per second; in brackets: the gateway's divided by this server's.\n"
    for in_flight in (1, 16):
        header = ["server", *(f"{connections:,} x {size} B" for connections, size in shapes)]
        rows = []
        for server in servers:
            row = [_bold(server)]
            for connections, size in shapes:
                key = fan_out_key(connections, size, in_flight)
                ratio = results.ratio(key, GATEWAY, server.name, deliveries_per_second)
                row.append(
                    f"{_thousands(results.value(key, server.name, deliveries_per_second))} ({_shown(ratio, '.2f')})"
                )
            rows.append(row)
        text += f"\n### W={in_flight}: {_W[in_flight]}\n\n{table(header, rows)}"
    return text


_W = {1: "one message at a time", 16: "up to sixteen messages in flight"}


def _generator(results: Results) -> str:
    """How busy the load generator was: near 100 % it was the limit, not the server."""
    names = {server for _, server in results.samples}
    rows = []
    for key in (fan_out_key(1000, 128, 1), fan_out_key(1000, 128, 16), RATE, PING, HANDSHAKE, FORWARD):
        busy = {name: results.value(key, name, lambda sample: sample.generator_busy) for name in names}
        known = {name: value for name, value in busy.items() if value is not None}
        if not known:
            continue
        busiest = max(known, key=lambda name: known[name])
        ours = known.get(GATEWAY)
        rows.append([key, _shown(ours, ".0%"), f"{known[busiest]:.0%} ({busiest})"])
    return f"## How busy the load generator was\n\n{table(['load', 'against the gateway', 'at most'], rows)}"


def _forwards(results: Results) -> str:
    rate = results.value(FORWARD, GATEWAY, answers_per_second)
    if rate is None:
        return ""
    cpu = results.value(FORWARD, GATEWAY, cpu_us_per_answer)
    p50 = results.value(FORWARD, GATEWAY, lambda sample: sample.p50_ms)
    p99 = results.value(FORWARD, GATEWAY, p99_ms)
    return f"""## Forwards

Confirmed forwards of 32 clients with 32 in flight each, envelopes of about 400 bytes, to the sink of `bench/sink`
(it keeps nothing, and is not SQS): **{rate:,.0f} per second**, {_shown(cpu)} µs CPU each, p50 {_shown(p50, ".0f")} ms,
p99 {_shown(p99, ".0f")} ms.
"""


def _many_projects(many: Sequence[Pairs]) -> str:
    if not many:
        return ""
    size, in_flight, publishers = many_projects.PAYLOAD_BYTES, many_projects.IN_FLIGHT, many_projects.PUBLISHERS
    text = f"""CPU µs per confirmed publication of {size} bytes, its deliveries included. {publishers} publishers on
WebSockets, each with projects of its own and {in_flight} publications unconfirmed; memory store. Medians of the
pairs, with the lowest and the highest value.
"""
    return (
        f"## Many projects, few subscribers\n\n{text}\n{table(many_projects.HEADER, [pairs.row() for pairs in many])}"
    )


def late_joiners(late: Sequence[LateJoin]) -> str:
    """What late joiners of a long run get."""
    if not late:
        return ""
    text = f"""A run of {folding.DELTAS:,} deltas of six letters: 200 seconds at 30 a second. Bytes on the wire, without
compression, and the time that the node works for one joiner: the best of {folding.ROUNDS} rounds. The first reader
pays for what the next ones share.
"""
    return f"## A late joiner of a long run\n\n{text}\n{table(folding.HEADER, [each.row() for each in late])}"


def _ways_in(ways: Sequence[Pairs]) -> str:
    if not ways:
        return ""
    text = """CPU µs per publication; the sink stands in for AWS. An update from the queue counts when its subscriber
has it and its message was deleted.
"""
    return f"## Other ways in\n\n{text}\n{table(ways_in.HEADER, [ways_in.row(pairs) for pairs in ways])}"


def _growth(results: Results) -> str:
    if results.value(scenarios.growth_key(100, 1), GATEWAY, cpu_us_per_delivery) is None:
        return ""
    text = "## Growth of the cost\n\nCPU µs per delivery.\n\n"
    header = ["connections", *(f"{count:,}" for count in scenarios.GROWTH_CONNECTIONS)]
    rows = [
        [f"{name}, W={in_flight}", *_row(results, name, lambda count, w=in_flight: scenarios.growth_key(count, w))]  # type: ignore[misc]
        for in_flight, limit in ((1, LIMIT), (16, LIMIT_COALESCED))
        for name in (GATEWAY, limit)
    ]
    text += table(header, rows)
    header = ["projects, one subscriber each, W=1", *(f"{count:,}" for count in scenarios.PROJECT_COUNTS)]
    costs = [
        _shown(results.value(scenarios.projects_key(count), GATEWAY, cpu_us_per_delivery), ".1f")
        for count in scenarios.PROJECT_COUNTS
    ]
    text += "\n" + table(header, [["gateway, CPU µs per publication with its delivery and its confirmation", *costs]])
    header = ["history", "on, deliveries/s", "off, deliveries/s", "ratio"]
    rows = []
    for in_flight in (1, 16):
        key = scenarios.history_key(in_flight)
        on = results.value(key, scenarios.WITH_HISTORY, deliveries_per_second)
        off = results.value(key, scenarios.WITHOUT_HISTORY, deliveries_per_second)
        ratio = results.ratio(key, *scenarios.COMPARED, deliveries_per_second)
        rows.append([f"W={in_flight}", _thousands(on), _thousands(off), _shown(ratio, ".2f")])
    return text + "\n" + table(header, rows)


def _row(results: Results, name: str, key: Callable[[int], str]) -> list[str]:
    return [
        _shown(results.value(key(count), name, cpu_us_per_delivery), ".2f") for count in scenarios.GROWTH_CONNECTIONS
    ]


def _container(container: SmallContainer | None) -> str:
    if container is None:
        return ""
    if container.reason:
        return f"## 0.25 of a core, 512 MB\n\nNot measured: {container.reason}\n"
    rows = []
    for step in container.steps:
        sample = step.sample
        done = sample.per_second(sample.deliveries or sample.answers) if sample else None
        p50, p99 = (sample.p50_ms, sample.p99_ms) if sample else (None, None)
        verdict = "yes" if step.is_held else f"no {step.note}".strip()
        rows.append([step.what, f"{step.per_second:,.0f}", _shown(done), _shown(p50), _shown(p99), verdict])
    held = table(["with 5,000 connections", "offered/s", "done/s", "p50 ms", "p99 ms", "held"], rows)
    memory = [[f"{count:,}", f"{used:.0f} MiB of 512"] for count, used in container.memory_mib.items()]
    memory += [[f"{count:,}", reason] for count, reason in container.failed_connections.items()]
    return f"""## 0.25 of a core, 512 MB

One process in control groups with this CPU quota (100 ms periods) and memory limit. It accepts connections
{container.start_s:.1f} s after its start. Deliveries go to 50 projects with 100 subscribers each. The gateway holds a
rate if it does 97 % of it and p99 stays below 250 ms.

{held}
{table(["idle subscribed connections", "memory, as the kernel counts it"], memory)}"""


def _servers(results: Results, servers: Sequence[Server]) -> str:
    rows = [
        [server.title, server.find_version(), server.publishing,
         _shown(_base_mib(results, server.name), ".0f")]
        for server in servers
    ]  # fmt: skip
    absent = "".join(f"* {name}: {reason}\n" for name, reason in results.absent.items())
    head = ["server", "version", "how the load publishes", "MiB before any connection"]
    return f"## What was measured\n\n{table(head, rows)}\nAbsent:\n\n{absent}"


def _base_mib(results: Results, name: str) -> float | None:
    rounds = results.base_rss_kib.get(name)
    return min(rounds.values()) / 1024 if rounds else None


def _failures(results: Results) -> str:
    if not results.failures:
        return ""
    lines = "".join(f"* {server}, {cell}: {reason}\n" for (cell, server), reason in sorted(results.failures.items()))
    return f"## What failed\n\n{lines}"


def _method() -> str:
    return """## How to read this

* Several nodes on Valkey are in [CLUSTER.md](CLUSTER.md).
* The server runs on core 0, the load generator (`bench/load`, C) on core 1, over loopback. In one round all servers
  run, one of them under load at a time; each load runs against all servers, one after the other, before the next load
  starts.
* W is the number of messages in flight: a message is in flight until every subscriber has it. W=1 shows the cost of a
  single message, W=16 the gain of sending several at once.
* The generator polls and never sleeps during a measurement; "busy" is the time in which polling found something. To
  wake a sleeping generator on another virtual core would cost the server 50 µs per send, which no network card costs.
* CPU is user and kernel time of all processes of the server (`/proc/PID/stat`), memory the growth of `VmRSS`.
* A handshake is: connect, upgrade, subscription by URL, the `connected` push (with the gateway also
  `subscription_confirmed`, with NATS, MQTT and Socket.IO their own exchange), and the end of the connection.
* A round trip is the application's ping and its pong, with one in flight for each of 100 clients.
* The limits in C keep no history, parse no JSON, have no rule for slow clients, and promise nothing.
"""
