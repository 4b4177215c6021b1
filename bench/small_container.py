"""The smallest container: 0.25 of a core and 512 MB, by the kernel's own control groups.

`python -m bench.small_container` runs it alone. It needs root, and removes what it makes under /sys/fs/cgroup.
"""

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.install import compile_programs
from bench.measurement import Load, Sample, measure, while_idle
from bench.processes import Failed, Running, end_children_on_signal, raise_file_limit
from bench.servers import Server, gateway, start_sink

CPU = 0.25
MEMORY_BYTES = 512 * 2**20
PERIOD_US = 100_000
P99_MAX_MS = 250.0
KEPT_UP = 0.97
"""A rate counts as held if at least this part of it was answered within the window."""
WARM_UP_S = 3.0
"""The measurement is about a steady rate, so the connections to the queues are opened before it begins."""
CONNECTIONS = 5000
PROJECTS = 50
DELIVERIES_PER_SECOND = (15_000, 20_000, 25_000, 40_000, 60_000)
FORWARDS_PER_SECOND = (250, 500, 1000, 2000, 4000)
CONNECTION_COUNTS = (5000, 10_000, 15_000)
_ROOT = Path("/sys/fs/cgroup")


@dataclass
class Step:
    """One load that was tried."""

    what: str
    per_second: float
    sample: Sample | None
    is_held: bool
    note: str = ""


@dataclass
class SmallContainer:
    """What the container holds. `reason` says why it was not measured."""

    reason: str = ""
    start_s: float = 0.0
    memory_mib: dict[int, float] = field(default_factory=dict)
    failed_connections: dict[int, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def held(self, what: str) -> float:
        """The highest rate of deliveries or forwards that was held."""
        return max((step.per_second for step in self.steps if step.what == what and step.is_held), default=0)


class _ControlGroups:
    """The two control groups. The server enters them before its own program begins."""

    def __init__(self) -> None:
        name = f"bench-{os.getpid()}"
        if (_ROOT / "cgroup.controllers").exists():
            self._folders = [_ROOT / name]
            limits = {"cpu.max": f"{int(CPU * PERIOD_US)} {PERIOD_US}", "memory.max": str(MEMORY_BYTES)}
            self._usage = "memory.current"
        else:
            self._folders = [_ROOT / "cpu" / name, _ROOT / "memory" / name]
            limits = {
                "cpu.cfs_period_us": str(PERIOD_US),
                "cpu.cfs_quota_us": str(int(CPU * PERIOD_US)),
                "memory.limit_in_bytes": str(MEMORY_BYTES),
            }
            self._usage = "memory.usage_in_bytes"
        for folder in self._folders:
            folder.mkdir()
            for file, value in limits.items():
                if (folder / file).exists():
                    (folder / file).write_text(value)

    def enter_command(self, command: Sequence[str]) -> list[str]:
        """The command, run inside the groups."""
        joins = "; ".join(f"echo $$ > {shlex.quote(str(folder / 'cgroup.procs'))}" for folder in self._folders)
        return ["sh", "-c", f"{joins}; exec {shlex.join(command)}"]

    @property
    def memory_mib(self) -> float:
        """What the kernel counts against the limit, with socket buffers and page tables."""
        return int((self._folders[-1] / self._usage).read_text()) / 2**20

    def remove(self) -> None:
        """Remove the groups; they are empty by then."""
        for folder in self._folders:
            for _ in range(50):
                with suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.1)


def measure_all() -> SmallContainer:
    """Find what the container holds."""
    try:
        groups = _ControlGroups()
    except OSError as fault:
        return SmallContainer(reason=f"no control groups to write to: {fault}")
    with ExitStack() as stack:
        stack.callback(groups.remove)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sink = start_sink(folder)
        stack.callback(sink.stop)
        whole = gateway(sink.port, MAX_CONNECTIONS="0")
        server = replace(whole, command=lambda port, where: groups.enter_command(whole.command(port, where)))
        began = time.monotonic()
        try:
            running = server.start(folder)
        except Failed as fault:
            return SmallContainer(reason=str(fault))
        stack.callback(running.stop)
        found = SmallContainer(start_s=time.monotonic() - began)
        _measure(found, server, running, groups)
        return found


def _measure(found: SmallContainer, server: Server, running: Running, groups: _ControlGroups) -> None:
    def delivering(rate: float) -> Load:
        messages = rate / (CONNECTIONS / PROJECTS)
        return Load(
            "fan-out", connections=CONNECTIONS, projects=PROJECTS, per_second=messages, seconds=4, warm_up_s=WARM_UP_S
        )

    def forwarding(rate: float) -> Load:
        return Load(
            "forward",
            connections=CONNECTIONS,
            callers=100,
            payload_bytes=200,
            per_second=rate,
            seconds=4,
            warm_up_s=WARM_UP_S,
        )

    _climb(found, "deliveries", DELIVERIES_PER_SECOND, delivering, server, running)
    _climb(found, "forwards", FORWARDS_PER_SECOND, forwarding, server, running)
    for count in CONNECTION_COUNTS:
        idle = Load("idle", connections=count, seconds=60)
        try:
            found.memory_mib[count] = while_idle(server.protocol, running, idle, lambda: groups.memory_mib)
            print(f"  small container: {count} connections, {found.memory_mib[count]:.0f} MiB", flush=True)
        except Failed as fault:
            found.failed_connections[count] = str(fault)
            return


def _climb(
    found: SmallContainer,
    what: str,
    rates: Sequence[float],
    load_for: Callable[[float], Load],
    server: Server,
    running: Running,
) -> None:
    """Raise the rate until the container no longer holds it."""
    for rate in rates:
        try:
            sample = measure(server.protocol, running, load_for(rate))
        except Failed as fault:
            found.steps.append(Step(what, rate, None, is_held=False, note=str(fault)))
            return
        done = sample.per_second(sample.deliveries or sample.answers)
        is_held = sample.p99_ms < P99_MAX_MS and done >= KEPT_UP * rate and not sample.refusals
        found.steps.append(Step(what, rate, sample, is_held))
        print(f"  small container: {what} {rate:,.0f}/s: {done:,.0f}/s, p99 {sample.p99_ms:.0f} ms", flush=True)
        if not is_held:
            return


if __name__ == "__main__":
    raise_file_limit()
    end_children_on_signal()
    compile_programs()
    result = measure_all()
    if result.reason:
        sys.exit(result.reason)
    print(result)
