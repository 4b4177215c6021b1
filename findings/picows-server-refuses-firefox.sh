#!/usr/bin/env bash
# picows 2.3.1, its server.
#
# Guess: a WebSocket server takes every handshake whose `Connection` header has the token "upgrade", whatever else stands
# in it: RFC 6455 section 4.2.1 says so in these words, and Firefox sends `Connection: keep-alive, Upgrade`.
# Seen: picows compares the whole header with the one word. It answers `keep-alive, Upgrade` with 400, so its server works
# with Chromium, with programs and in its own tests, and with no Firefox.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check picows==2.3.1 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
from importlib.metadata import version

from picows import WSListener, ws_create_server

HEAD = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: {}\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def main():
    server = await ws_create_server(lambda request: WSListener(), "127.0.0.1", 0)
    seen = {}
    for connection in ("Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade, keep-alive"):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(HEAD.format(connection).encode())
        seen[connection] = (await reader.readline()).decode().split()[1]
        print(f"Connection: {connection}".ljust(36), seen[connection])
        writer.close()
    server.close()
    return seen


print("picows", version("picows"))
seen = asyncio.run(main())
assert seen["Upgrade"] == seen["upgrade"] == "101"
assert seen["keep-alive, Upgrade"] == seen["Upgrade, keep-alive"] == "400"
PYTHON
echo "as described"
