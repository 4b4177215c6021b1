#!/usr/bin/env bash
# uvloop 0.23.0 against asyncio's own event loop (CPython 3.11).
#
# Guess: uvloop is a drop-in replacement: what asyncio's loop does in an order, uvloop does in the same order. When a turn
# of the loop took long, so that meanwhile an answer came and its deadline passed, both report the answer first.
# Seen: asyncio looks at its sockets first and at its timers after that, and libuv does it the other way round. So a busy
# program that moves to uvloop gives up answers that lie in its kernel, unread; under asyncio it gets them. Timers among
# themselves change their order, too: uvloop rounds each to whole milliseconds. One that is due 0.9 ms earlier may run
# second, and one of less than half a millisecond does not wait at all: it runs before what call_soon queued after it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uvloop==0.23.0 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import platform
import socket
import time

import uvloop


async def orders():
    loop = asyncio.get_running_loop()
    pairs = [socket.socketpair() for _ in range(2)]
    busy, both = [], asyncio.Event()

    def happened(what):
        busy.append(what)
        if len(busy) == 2:
            both.set()

    class Works(asyncio.Protocol):
        def data_received(self, data):
            pairs[1][1].send(b"answer")
            time.sleep(0.3)

    class Waits(asyncio.Protocol):
        def data_received(self, data):
            happened("answer")

    transports = [
        (await loop.create_connection(protocol, sock=pair[0]))[0]
        for protocol, pair in zip((Works, Waits), pairs, strict=True)
    ]
    loop.call_later(0.1, happened, "deadline")
    pairs[0][1].send(b"work")
    await both.wait()
    for transport, pair in zip(transports, pairs, strict=True):
        transport.close()
        pair[1].close()

    timers, short = [], []
    loop.call_later(0.00149, timers.append, "1.49 ms")
    loop.call_later(0.00051, timers.append, "0.51 ms")
    loop.call_later(0.0004, short.append, "0.4 ms")
    loop.call_soon(short.append, "soon")
    await asyncio.sleep(0.1)
    return busy, timers, short


of_asyncio, of_uvloop = asyncio.run(orders()), uvloop.run(orders())
print("CPython", platform.python_version(), of_asyncio)
print("uvloop", uvloop.__version__.ljust(7), of_uvloop)
assert (of_asyncio[0], of_asyncio[2]) == (["answer", "deadline"], ["soon", "0.4 ms"])
assert of_uvloop == (["deadline", "answer"], ["1.49 ms", "0.51 ms"], ["0.4 ms", "soon"])
PYTHON
echo "as described"
