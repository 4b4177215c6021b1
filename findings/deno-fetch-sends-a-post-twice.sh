#!/usr/bin/env bash
# Deno 2.9.8 from PyPI; undici 7.30.2 (which is Node's fetch) for comparison.
#
# Guess: fetch sends a POST once. When a server takes it on a connection that was kept alive and ends that connection
# without an answer (it was killed, or it is deployed anew), fetch rejects: only the program knows if it may ask for the
# same thing again. RFC 9110 section 9.2.2 lets clients repeat idempotent methods by themselves, and POST and PATCH are
# none.
# Seen: Deno sends POST and PATCH, with their bodies, again on a new connection; the program hears of the second try only.
# The server carries out both. On a first connection Deno sends a POST once: so it depends on what the program asked
# before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check deno==2.9.8 2>/dev/null
npm install --silent --no-audit --no-fund undici@7.30.2 >/dev/null
cat >ask.mjs <<'JAVASCRIPT'
const [name, connection, port] = globalThis.Deno?.args ?? process.argv.slice(2);
const ask = name === "undici" ? (await import("undici")).fetch : fetch;
for (const method of ["POST", "PATCH"]) {
  if (connection === "kept") await (await ask(`http://127.0.0.1:${port}/hello`)).text();
  await ask(`http://127.0.0.1:${port}/${name}-${method}-${connection}`, { method, body: "transfer" }).catch(() => {});
}
JAVASCRIPT
cat >count.py <<'PYTHON'
import collections
import socket
import subprocess
import threading

listener = socket.create_server(("127.0.0.1", 0))
came = collections.Counter()


def serve(connection):
    with connection, connection.makefile("rb") as stream:
        while line := stream.readline():
            path, size = line.split()[1].decode(), 0
            while (field := stream.readline()) != b"\r\n":
                name, _, value = field.partition(b":")
                size = int(value) if name.lower() == b"content-length" else size
            if path != "/hello":
                came[path[1:], stream.read(size).decode()] += 1
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
for program in (["venv/bin/deno", "run", "--allow-net", "ask.mjs", "deno"], ["node", "ask.mjs", "undici"]):
    for connection in ("kept", "first"):
        subprocess.run([*program, connection, str(listener.getsockname()[1])], check=True, timeout=60)
for (path, body), times in came.items():
    print(path.ljust(20), body, times)
expected = {}
for method in ("POST", "PATCH"):
    expected |= {f"deno-{method}-kept": 2, f"deno-{method}-first": 1}
    expected |= {f"undici-{method}-kept": 1, f"undici-{method}-first": 1}
assert came == {(path, "transfer"): times for path, times in expected.items()}
PYTHON
venv/bin/deno --version | head -1
venv/bin/python count.py
echo "as described"
