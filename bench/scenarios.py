"""What is measured, and on which servers. A cell is one load. Each round measures every cell on every server in turn,
so that a ratio compares two neighbours in time."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.measurement import Load
from bench.servers import GATEWAY, LIMIT, LIMIT_COALESCED

ALL: tuple[str, ...] = ()
WITH_HISTORY = "gateway with history"
WITHOUT_HISTORY = "gateway without history"
"""Two more gateways, which run only the loads that compare them, because a used process differs from a fresh one by
more than history costs."""
COMPARED = (WITH_HISTORY, WITHOUT_HISTORY)
IDLE_CONNECTIONS = 5000


@dataclass(frozen=True)
class Cell:
    """One load. `servers` are those on which it runs; all if it is empty. `rounds_max` is how often it runs at most."""

    key: str
    load: Load
    servers: tuple[str, ...] = ALL
    rounds_max: int = 99


def fan_out_key(connections: int, payload_bytes: int, in_flight: int) -> str:
    """The name of a flat-out fan-out cell."""
    return f"fan-out {connections} x {payload_bytes} B, W={in_flight}"


def _fan_out(connections: int, payload_bytes: int, in_flight: int, seconds: float = 1.0) -> Cell:
    load = Load("fan-out", connections=connections, payload_bytes=payload_bytes, in_flight=in_flight, seconds=seconds)
    return Cell(fan_out_key(connections, payload_bytes, in_flight), load)


RATE = "fixed rate"
PING = "ping"
HANDSHAKE = "handshake"
IDLE = "idle"
FORWARD = "forward"


def _common(seconds: float, idle_connections: int) -> Iterator[Cell]:
    rate = Load("fan-out", connections=500, per_second=100, seconds=max(2.0, 2 * seconds), warm_up_s=0.5)
    yield Cell(RATE, rate)
    yield Cell(PING, Load("ping", callers=100, seconds=seconds))
    yield Cell(HANDSHAKE, Load("handshake", connections=64, seconds=seconds))
    yield Cell(IDLE, Load("idle", connections=idle_connections))
    forward = Load("forward", callers=32, in_flight=32, payload_bytes=200, seconds=2 * seconds)
    yield Cell(FORWARD, forward, (GATEWAY,))


def quick() -> list[Cell]:
    """The subset of a few minutes."""
    return [_fan_out(1000, 128, 1), _fan_out(1000, 128, 16), *_common(1.0, 1000)]


def full() -> list[Cell]:
    """Everything."""
    cells = [
        _fan_out(connections, payload_bytes, in_flight)
        for connections in (1000, 100, 5000)
        for payload_bytes in (128, 1024)
        for in_flight in (1, 16)
    ]
    cells.insert(2, _fan_out(1000, 128, 256))
    return [*cells, *_common(1.0, IDLE_CONNECTIONS), *_growth(), *_projects(), *_history()]


GROWTH_CONNECTIONS = (100, 1000, 5000, 10_000)
PROJECT_COUNTS = (1, 100, 1000, 10_000)


def growth_key(connections: int, in_flight: int) -> str:
    """The name of a cell of the growth over connections."""
    return f"growth {connections}, W={in_flight}"


def _growth() -> Iterator[Cell]:
    for in_flight, limit in ((1, LIMIT), (16, LIMIT_COALESCED)):
        for connections in GROWTH_CONNECTIONS:
            load = Load("fan-out", connections=connections, in_flight=in_flight, seconds=1.0)
            yield Cell(growth_key(connections, in_flight), load, (GATEWAY, limit), rounds_max=3)


def projects_key(projects: int) -> str:
    """The name of a cell of the growth over projects."""
    return f"projects {projects}"


def _projects() -> Iterator[Cell]:
    """One subscriber per project, one message at a time, round robin: what a publication costs in itself."""
    for projects in PROJECT_COUNTS:
        load = Load("fan-out", connections=projects, projects=projects, in_flight=1, seconds=1.0)
        yield Cell(projects_key(projects), load, (GATEWAY,), rounds_max=3)


def history_key(in_flight: int) -> str:
    """The name of a cell with and without history."""
    return f"history W={in_flight}"


def _history() -> Iterator[Cell]:
    for in_flight in (1, 16):
        load = Load("fan-out", connections=1000, in_flight=in_flight, seconds=1.0)
        yield Cell(history_key(in_flight), load, COMPARED)
