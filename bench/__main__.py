"""`python -m bench`: measure everything and write RESULTS.md and RESULTS.svg. See bench/README.md."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import folding, install, many_projects, scenarios, small_container, ways_in
from bench.machine import Machine
from bench.measurement import idle_bytes_per_connection, measure
from bench.processes import Failed, Running, end_children_on_signal, raise_file_limit
from bench.report import write_report
from bench.results import Results
from bench.scenarios import Cell
from bench.servers import ABSENT, BEFORE, GATEWAY, WITHOUT_HISTORY, Server, before, gateway, peers, start_sink

ROUNDS = 3
DEADLINE_S = 34 * 60.0
"""The rounds end before this second, and the small container follows. Rounds for which there is no time are left out,
and the report says how many there were."""


def main() -> int:
    """Run the benchmark. Returns 0 if the gateway was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare the gateway with its peers.")
    parser.add_argument("--quick", action="store_true", help="one round of the most important loads, 2 to 3 minutes")
    parser.add_argument("--rounds", type=int, default=0, help=f"rounds (default {ROUNDS}; quick 1)")
    parser.add_argument(
        "--servers", default="", help="only these, by name and separated by commas (gateway is always in)"
    )
    parser.add_argument(
        "--before", type=Path, help="the checkout of another build, with its own .venv: it is measured beside this one"
    )
    parser.add_argument("--cells", default="", help="only cells whose name contains this text")
    parser.add_argument("--no-container", action="store_true", help="leave the small container out")
    parser.add_argument("--note", default="", help="a sentence for the head of the results")
    parser.add_argument("--output", type=Path, default=install.BENCH, help="the folder for RESULTS.md and RESULTS.svg")
    options = parser.parse_args()
    if options.before and not (options.before / ".venv").exists():
        parser.error(f"{options.before} has no .venv: run `make install` there")
    machine = Machine.look(_command(options))
    if machine.cores < 2:
        print("bench: two cores are needed: one for the server, one for the load", file=sys.stderr)
        return 2
    raise_file_limit()
    end_children_on_signal()
    try:
        install.compile_programs()
    except install.Unavailable as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 2
    cells = scenarios.quick() if options.quick else scenarios.full()
    cells = [cell for cell in cells if options.cells in cell.key]
    results = Results(absent=dict(ABSENT))
    wanted = [name for name in options.servers.split(",") if name]
    available = _prepare([peer for peer in peers() if not wanted or peer.name in wanted], results)
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    done = _measure_all(available, cells, rounds, results, options.before)
    container = None if options.no_container or options.quick else small_container.measure_all()
    many = list(many_projects.measure_all(options.before)) if options.cells in many_projects.NAME else []
    ways = list(ways_in.measure_ways(options.before)) if options.cells in ways_in.NAME else []
    late = folding.measure() if options.cells in folding.NAME else []
    shown = [gateway(sink_port=0), *([before(0, options.before)] if options.before else []), *available]
    write_report(options.output, results, machine, shown, done, container, many, ways, options.note, late=late)
    print(f"written: {options.output / 'RESULTS.md'}")
    return 0 if not any(server == "gateway" for _, server in results.failures) else 1


def _command(options: argparse.Namespace) -> str:
    """The command as far as it matters to a reader: what was measured, not where the results went."""
    words = ["python -m bench"]
    words += ["--quick"] if options.quick else []
    words += [f"--rounds {options.rounds}"] if options.rounds else []
    words += ["--before EARLIER"] if options.before else []
    words += [f"--servers {options.servers}"] if options.servers else []
    words += [f"--cells {options.cells!r}"] if options.cells else []
    return " ".join(words)


def _prepare(servers: Sequence[Server], results: Results) -> list[Server]:
    """Install what is missing. A server that cannot be installed goes to the list of absent ones."""
    available = []
    for server in servers:
        try:
            server.prepare()
            server.find_version()
            available.append(server)
        except install.Unavailable as fault:
            results.absent[server.title] = str(fault)
    return available


def _measure_all(
    servers: Sequence[Server], cells: Sequence[Cell], rounds: int, results: Results, earlier: Path | None
) -> int:
    """Measure round after round. Returns how many rounds were finished."""
    began = time.monotonic()
    for number in range(rounds):
        round_began = time.monotonic()
        if number and time.monotonic() - began > DEADLINE_S * number / (number + 1):
            print(f"no time for round {number + 1}")
            return number
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            folder.chmod(0o755)
            sink = start_sink(folder)
            stack.callback(sink.stop)
            ours = gateway(sink.port)
            round_servers = [ours, *([before(sink.port, earlier)] if earlier else []), *servers]
            if any(cell.servers == scenarios.COMPARED for cell in cells):
                round_servers.append(gateway(sink.port, scenarios.WITH_HISTORY))
                round_servers.append(gateway(sink.port, scenarios.WITHOUT_HISTORY, **WITHOUT_HISTORY))
            if number % 2:
                round_servers.reverse()  # so that no server always comes first
            _round(number, round_servers, cells, folder, stack, results)
        print(f"round {number + 1} of {rounds}: {time.monotonic() - round_began:.0f} s", flush=True)
    return rounds


def _round(
    number: int, servers: Sequence[Server], cells: Sequence[Cell], folder: Path, stack: ExitStack, results: Results
) -> None:
    running: dict[str, Running] = {}
    for server in servers:
        try:
            running[server.name] = server.start(folder)
            stack.callback(running[server.name].stop)
        except Failed as fault:
            results.failures["start", server.name] = str(fault)
            print(f"{server.name}: {fault}", file=sys.stderr)
            continue
        results.base_rss_kib[server.name][number] = running[server.name].rss_kib
    order = sorted(cells, key=lambda cell: cell.key != scenarios.IDLE)  # memory first, on fresh processes
    for cell in order:
        if number >= cell.rounds_max:
            continue
        for server in servers:
            if _takes_part(cell, server) and server.name in running:
                _one(number, cell, server, running[server.name], results)


def _takes_part(cell: Cell, server: Server) -> bool:
    if cell.servers:
        return (GATEWAY if server.name == BEFORE else server.name) in cell.servers
    return server.name not in scenarios.COMPARED and (server.has_ping or cell.key != scenarios.PING)


def _one(number: int, cell: Cell, server: Server, running: Running, results: Results) -> None:
    try:
        if cell.key == scenarios.IDLE:
            value = idle_bytes_per_connection(server.protocol, running, cell.load.connections)
            results.idle_bytes[server.name][number] = value
            shown = f"{value / 1024:.1f} KB per connection"
        else:
            sample = measure(server.protocol, running, cell.load)
            results.samples[cell.key, server.name][number] = sample
            count = sample.deliveries or sample.answers or sample.joined
            shown = f"{sample.per_second(count):,.0f}/s, {sample.cpu_us(count):.2f} us, p99 {sample.p99_ms:.1f} ms"
            shown += f", generator {sample.generator_busy:.0%}, server {sample.server_busy:.0%}"
        results.failures.pop((cell.key, server.name), None)
    except Failed as fault:
        results.failures[cell.key, server.name] = shown = str(fault)
    print(f"  {cell.key:32} {server.name:24} {shown}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
