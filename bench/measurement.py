"""One run of the load generator against one server, and what it says."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.install import BUILD
from bench.processes import LOAD_CORE, Failed, Running

Value = TypeVar("Value")

MARGIN_S = 75.0
"""How many seconds joining may take, in addition to the measured seconds and the wait until the server is quiet."""


@dataclass(frozen=True)
class Load:
    """What the generator does. `in_flight` is the number of messages that not everyone has yet (fan-out), or of
    commands of each caller that have no answer yet (forward). A rate of 0 means as fast as possible."""

    mode: str
    connections: int = 0
    callers: int = 0
    projects: int = 1
    in_flight: int = 1
    payload_bytes: int = 128
    per_second: float = 0
    seconds: float = 1.0
    warm_up_s: float = 0.3
    ports: tuple[int, ...] = ()
    """Where the subscribers connect, in turn; empty for the server's port."""
    publisher_ports: tuple[int, ...] = ()
    """Where publishers and callers connect, in turn; empty for the same ports."""

    @property
    def quiet_s(self) -> float:
        """How many seconds to wait at most until the server has done the work that joining left, such as recording
        connections."""
        return 5 + (self.connections + self.callers) / 400

    def arguments(self) -> list[str]:
        """Its command line, without the server."""
        return [
            f"--mode={self.mode}",
            f"--connections={self.connections}",
            f"--callers={self.callers}",
            f"--projects={self.projects}",
            f"--in-flight={self.in_flight}",
            f"--payload-bytes={self.payload_bytes}",
            f"--rate={self.per_second}",
            f"--seconds={self.seconds}",
            f"--warm-up={self.warm_up_s}",
            f"--quiet={self.quiet_s}",
        ]


@dataclass(frozen=True)
class Sample:
    """What one window of `seconds` gave."""

    seconds: float
    sent: int
    deliveries: int
    answers: int
    joined: int
    refusals: int
    server_cpu_s: float
    generator_busy_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    each_cpu_s: tuple[float, ...]
    """The processor time of each process, in the order of `Running.pids`."""

    @property
    def generator_busy(self) -> float:
        """The part of the time in which the generator had work, 0 to 1. It never sleeps."""
        return self.generator_busy_s / self.seconds

    @property
    def server_busy(self) -> float:
        """The part of its core that the server used, 0 to 1."""
        return self.server_cpu_s / self.seconds

    def per_second(self, count: int) -> float:
        """A count of the window as a rate."""
        return count / self.seconds

    def cpu_us(self, count: int) -> float:
        """Processor time of the server per counted thing."""
        return self.server_cpu_s * 1e6 / count if count else 0.0


def command(protocol: str, server: Running, load: Load) -> list[str]:
    """The generator's command line, pinned to its core."""
    pids = ",".join(str(pid) for pid in server.pids)
    ports, publishers = (",".join(map(str, each)) for each in (load.ports or (server.port,), load.publisher_ports))
    where = [f"--protocol={protocol}", f"--port={ports}", f"--server-pids={pids}"]
    where += [f"--publisher-ports={publishers}"] if publishers else []
    return ["taskset", "-c", str(LOAD_CORE), str(BUILD / "load"), *where, *load.arguments()]


def measure(protocol: str, server: Running, load: Load) -> Sample:
    """Put a load on a running server. Raises Failed when the load could not be carried."""
    try:
        finished = subprocess.run(
            command(protocol, server, load),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=load.seconds + load.quiet_s + MARGIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        raise Failed("the load did not end in time") from fault
    server.wait_until_quiet(load.quiet_s)
    return read(finished.returncode, finished.stdout, finished.stderr, server)


def read(code: int, output: str, errors: str, server: Running) -> Sample:
    """The generator's line as a sample. Raises Failed."""
    lines = output.splitlines()
    if code or not lines:
        reason = errors.strip().splitlines()
        said = "" if server.is_alive else f"; the server ended: {server.last_words()}"
        raise Failed((reason[-1] if reason else f"the generator ended with {code}") + said)
    answer: dict[str, Any] = json.loads(lines[-1])
    if answer["broken"] or answer["out_of_order"]:
        raise Failed(f"{answer['broken']} connections broke, {answer['out_of_order']} messages came out of order")
    fields: dict[str, Any] = {name: answer[name] for name in Sample.__dataclass_fields__}
    return Sample(**{**fields, "each_cpu_s": tuple(fields["each_cpu_s"])})


def while_idle(protocol: str, server: Running, load: Load, look: Callable[[], Value]) -> Value:
    """The result of `look` while the subscribed connections of an idle load are open and send nothing. Raises
    Failed."""
    with subprocess.Popen(
        command(protocol, server, load),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as generator:
        assert generator.stdout is not None
        line = generator.stdout.readline()  # it comes when all have joined, or the generator gave up
        found = look() if line and server.is_alive else None
        _, errors = generator.communicate(timeout=MARGIN_S)  # closes its input, which ends it
    if found is None or generator.returncode:
        raise Failed(errors.strip() or f"the server ended: {server.last_words()}")
    server.wait_until_quiet(load.quiet_s)
    return found


def idle_bytes_per_connection(protocol: str, server: Running, connections: int) -> float:
    """How much resident memory a subscribed connection that does nothing costs the server. Raises Failed."""
    before = server.rss_kib
    load = Load("idle", connections=connections, seconds=60)
    return (while_idle(protocol, server, load, lambda: server.rss_kib) - before) * 1024 / connections
