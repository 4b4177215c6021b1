#!/usr/bin/env bash
# hypercorn 0.18.0 and uvicorn 0.54.0, the client is websockets 17.4.
#
# Guess: an ASGI server hands on the code with which a client closed: `websocket.disconnect` has `code` and `reason` for
# that. 1006 means that the connection ended without a close frame, so an application counts it as a fault of the network.
# Seen: under hypercorn every close of a client is 1006, whether it closed with 1000, with 4005 and a reason, or was cut.
# The client itself sees a clean close under its own code. So metrics show nothing but lost connections, and codes of one's
# own between client and server never arrive. When the application closes with 4012, it is told 1000. uvicorn tells all of
# them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    hypercorn==0.18.0 uvicorn==0.54.0 websockets==17.4 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import logging
import socket
from importlib.metadata import version

import hypercorn.asyncio
import hypercorn.config
import uvicorn
from websockets.asyncio.client import connect

logging.disable(logging.CRITICAL)
told = asyncio.Queue()


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/closes":
        await send({"type": "websocket.close", "code": 4012, "reason": "bye"})
    message = await receive()
    await told.put((message.get("code"), message.get("reason") or ""))


async def codes(address):
    seen = {}
    for code, reason in ((1000, ""), (4005, "why")):
        async with connect(address) as client:
            await client.close(code, reason)
        assert client.close_code == code, "for the client it was a clean close"
        seen[code] = await told.get()
    async with connect(address) as client:
        client.transport.abort()
        seen["cut"] = await told.get()
    async with connect(address + "/closes") as client:
        await client.wait_closed()
        seen["by the application"] = await told.get()
    return seen


async def under(name):
    ended = asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    address = "ws://127.0.0.1:%d" % listener.getsockname()[1]
    if name == "uvicorn":
        server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="critical"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
    else:
        config = hypercorn.config.Config()
        config.bind = [f"fd://{listener.fileno()}"]
        serving = asyncio.create_task(hypercorn.asyncio.serve(application, config, shutdown_trigger=ended.wait))
    seen = await codes(address)
    ended.set()
    if name == "uvicorn":
        server.should_exit = True
    await serving
    print(name.ljust(10), version(name).ljust(7), seen)
    return seen


async def main():
    of_hypercorn, of_uvicorn = await under("hypercorn"), await under("uvicorn")
    assert of_hypercorn == {1000: (1006, ""), 4005: (1006, ""), "cut": (1006, ""), "by the application": (1000, "")}
    assert (of_uvicorn[1000], of_uvicorn[4005]) == ((1000, ""), (4005, "why"))
    assert of_uvicorn["by the application"] == (4012, "bye")


asyncio.run(main())
PYTHON
echo "as described"
