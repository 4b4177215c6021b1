#!/usr/bin/env bash
# websockets 17.4, its asyncio client and server.
#
# Guess: `close()` ends a connection cleanly, whatever its program has read: who closes does not want the rest. The server
# answers the close frame at once, so `close()` returns at once, with the code 1000.
# Seen: that holds for up to 16 unread messages, the default of `max_queue`. With one more the client has stopped reading,
# never sees the answer, waits for the whole `close_timeout` (10 s by default) and ends with 1006, "abnormal", while the
# server counts a clean 1000. Programs that only send (publishers, say) meet it as a shutdown that hangs now and then.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check websockets==17.4 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import time

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

CLOSE_TIMEOUT_S = 3


async def codes_behind(unread):
    """The close codes that client and server report, when the client has not read so many messages."""
    sent, of_the_server = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def send(connection):
        for _ in range(unread):
            await connection.send("text")
        sent.set()
        await connection.wait_closed()
        of_the_server.set_result(connection.close_code)

    async with serve(send, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = await connect(f"ws://127.0.0.1:{port}", close_timeout=CLOSE_TIMEOUT_S)
        await sent.wait()
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await client.close()
        took = time.monotonic() - began
        seen = int(client.close_code), int(await of_the_server)
    print(f"{unread:3} unread: client {seen[0]}, server {seen[1]}, close() took {took:.1f} s")
    return seen


async def main():
    for unread, expected in ((0, 1000), (16, 1000), (17, 1006), (100, 1006)):
        assert await codes_behind(unread) == (expected, 1000)


print("websockets", websockets.__version__)
asyncio.run(main())
PYTHON
echo "as described"
