"""The reverse proxies that people put in front of the gateway. They keep their connections and use them again.

`python -m tests.support.proxies PORT` is `way_in` for tests in other languages: it prints the port to connect to, and
ends with its standard input.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.patience import PATIENCE_S
from websocket_handler.cli.dev import system

NGINX: Final = """
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 16m;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ''      '';
    }}
    upstream gateway {{
        server 127.0.0.1:{gateway};
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://gateway;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_buffering off;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""
HAPROXY: Final = """
defaults
    mode http
    http-reuse always
    option http-keep-alive
    option forwardfor
    timeout connect 30s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend front
    bind 127.0.0.1:{port}
    default_backend gateway
backend gateway
    server one 127.0.0.1:{gateway}
"""


def free_port() -> int:
    """A port of this machine that nobody listens on, and that no outgoing connection gets meanwhile."""
    return system.free_port(["127.0.0.1"], 0, "the test")


def is_behind_a_proxy() -> bool:
    """True if the variable THROUGH names a proxy, as `make proxies` has it: clients of all gateways go through it."""
    return bool(os.environ.get("THROUGH"))


@contextmanager
def way_in(gateway_port: int, port: int = 0) -> Iterator[int]:
    """The port to which clients of a gateway connect: its own, or that of the proxy that THROUGH names. If a test wants
    a certain port, the proxy is there."""
    if not is_behind_a_proxy():
        yield gateway_port
        return
    with running_proxy(os.environ["THROUGH"], gateway_port, port) as proxy_port:
        yield proxy_port


@contextmanager
def running_proxy(kind: str, gateway_port: int, port: int = 0) -> Iterator[int]:
    """Run `nginx` or `haproxy` in front of a gateway, on a free port unless one is named. Gives that port."""
    program = shutil.which(kind, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert program is not None, f"{kind} is not installed: `make proxies` installs it through apt"
    port = port or free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = NGINX if kind == "nginx" else HAPROXY
        configuration = folder / "proxy.conf"
        configuration.write_text(text.format(folder=folder, port=port, gateway=gateway_port))
        arguments = ["-c", str(configuration), *(("-p", str(folder)) if kind == "nginx" else ("-db",))]
        flag = arguments if kind == "nginx" else ["-f", *arguments[1:]]
        process = subprocess.Popen([program, *flag])
        try:
            _wait_until_it_listens(process, port)
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the proxy does not listen"
        else:
            return
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError("the proxy ended")


def main() -> None:
    """Keep the way in to the gateway of the port that the command line names."""
    with way_in(int(sys.argv[1])) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":  # the server process that forks gateways imports the program that started it
    main()
