"""Several servers that are measured as one: nodes of this gateway on Valkey, and the peers' clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import install
from bench.install import BENCH, PEER_PYTHON
from bench.processes import Running, free_port, start
from bench.servers import gateway, start_sink
from demo.programs import valkey_server


@dataclass
class Group(Running):
    """Nodes, and the engine behind them if they have one. Its processor time is that of all of them."""

    nodes: Sequence[Running] = ()
    engine: Running | None = None

    @property
    def members(self) -> list[Running]:
        """The nodes, and then the engine."""
        return [*self.nodes, *([] if self.engine is None else [self.engine])]

    @property
    def ports(self) -> tuple[int, ...]:
        """Where the nodes listen."""
        return tuple(node.port for node in self.nodes)

    @property
    def pids(self) -> list[int]:
        return [member.process.pid for member in self.members]

    @property
    def is_alive(self) -> bool:
        return all(member.is_alive for member in self.members)

    @property
    def cpu_s(self) -> float:
        return sum(member.cpu_s for member in self.members)

    def last_words(self) -> str:
        return "; ".join(member.last_words() for member in self.members if not member.is_alive)


def group(nodes: Sequence[Running], engine: Running | None = None) -> Group:
    """Running servers as one."""
    return Group(nodes[0].process, nodes[0].port, nodes[0].log, nodes, engine)


@contextmanager
def gateways(folder: Path, count: int, store: str, **settings: str) -> Iterator[Group]:
    """`count` nodes with `LOG_STORE=store`. Valkey has its log in memory alone, and no replica."""
    with ExitStack() as ends:
        sink = _until(ends, start_sink(folder))
        engine = _until(ends, start_valkey(folder)) if store == "valkey" else None
        shared: Mapping[str, str] = {"LOG_STORE": store, "CONNECTION_RECORDS": "off", **settings}
        if engine is not None:
            shared = {**shared, "BACKPLANE": "valkey", "VALKEY_URL": f"redis://127.0.0.1:{engine.port}"}
        nodes = []
        for number in range(1, count + 1):
            server = gateway(sink.port, f"node {number} of {count} on {store}", **shared)
            nodes.append(_until(ends, server.start(folder)))
        yield group(nodes, engine)


def start_valkey(folder: Path) -> Running:
    """A Valkey server without a disk. Raises Failed."""
    port = free_port()
    command = [valkey_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    return start(command, port, folder, "valkey", {})


@contextmanager
def socketio(folder: Path, count: int) -> Iterator[Group]:
    """Socket.IO with its Redis streams adapter, on Valkey. Raises Unavailable."""
    install.install_node()
    with ExitStack() as ends:
        engine = _until(ends, start_valkey(folder))
        script, nodes = str(BENCH / "peers" / "socketio_server.js"), []
        for number in range(1, count + 1):
            port = free_port()
            command = ["node", script, str(port), f"redis://127.0.0.1:{engine.port}"]
            nodes.append(_until(ends, start(command, port, folder, f"socketio-{number}", {})))
        yield group(nodes, engine)


@contextmanager
def nats(folder: Path, count: int) -> Iterator[Group]:
    """A cluster of NATS servers, each with a route to the others. Raises Unavailable."""
    install.install_python()
    program = PEER_PYTHON.with_name("nats-server")
    routes = [free_port() for _ in range(count)]
    with ExitStack() as ends:
        nodes = []
        for number, route in enumerate(routes, 1):
            port, others = free_port(), [f"nats://127.0.0.1:{other}" for other in routes if other != route]
            command = [str(program), "-a", "127.0.0.1", "-p", str(port), "--cluster_name", "bench"]
            command += ["--cluster", f"nats://127.0.0.1:{route}"]
            command += ["--routes", ",".join(others)] if others else []
            nodes.append(_until(ends, start(command, port, folder, f"nats-{number}", {})))
        yield group(nodes)


def _until(ends: ExitStack, running: Running) -> Running:
    ends.callback(running.stop)
    return running
