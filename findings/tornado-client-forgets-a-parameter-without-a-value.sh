#!/usr/bin/env bash
# Tornado 6.6.1 (client) against websockets 17.4 (server), permessage-deflate (RFC 7692).
#
# Guess: a client that offers permessage-deflate and is answered with `client_no_context_takeover` empties its window after
# each message, as RFC 7692 section 7.1.1.2 demands, or fails the handshake. Tornado's own code looks for that parameter.
# Seen: it never finds it. tornado.httputil._parse_header, which reads the answer, drops each parameter that has no value,
# and both "no context takeover" parameters have none. So the first message gets through, the second refers back to the first,
# and the server ends the connection: 1002 "decompression failed". The same client gets through a server that leaves the
# parameter out, which is why a test against another Tornado or a default server does not show it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tornado==6.6.1 websockets==17.4 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import logging
from importlib.metadata import version

from tornado.httputil import _parse_header
from tornado.websocket import websocket_connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

logging.getLogger("websockets").setLevel(logging.CRITICAL)
TEXT = "the same text compresses to a reference to itself"


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def seen_with(**answer):
    extension = ServerPerMessageDeflateFactory(**answer)
    async with serve(echo, "127.0.0.1", 0, extensions=[extension]) as server:
        port = server.sockets[0].getsockname()[1]
        client = await websocket_connect(f"ws://127.0.0.1:{port}/", compression_options={})
        agreed = client.headers["Sec-WebSocket-Extensions"]
        echoes = 0
        for _ in range(3):
            await client.write_message(TEXT)
            if await client.read_message() is None:
                break
            echoes += 1
        seen = echoes, client.close_code, client.close_reason
        client.close()
    print(agreed.ljust(48), seen)
    return seen


print("tornado", version("tornado"), "websockets", version("websockets"))
parsed = _parse_header("permessage-deflate; client_no_context_takeover; client_max_window_bits=10")
print(parsed)
assert parsed == ("permessage-deflate", {"client_max_window_bits": "10"}), "the parameter without a value is gone"
assert asyncio.run(seen_with()) == (3, None, None)
assert asyncio.run(seen_with(client_no_context_takeover=True)) == (1, 1002, "decompression failed")
PYTHON
echo "as described"
