"""Replays publications of one project to each WebSocket client, as fast as the client reads.

`python -m bench.replay PORT COUNT BYTES`. It is no gateway: it answers the first command with a confirmation, and sends
frames that were made before.
"""

import asyncio
import json
import sys
from typing import Final

from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol

PROJECT: Final = "bench"
EPOCH: Final = "e1"
WRITE_BYTES: Final = 65_536
CONNECTED: Final = {"type": "connected", "protocol": 1, "ping_interval_s": 25, "limits": {}}


def publication(offset: int, size: int) -> bytes:
    """A publication as the gateway sends it, of `size` bytes."""
    head = f'{{"type":"step","project_id":"{PROJECT}","offset":{offset},"published_at":1795377600000,"text":"'
    return f'{head}{"x" * (size - len(head) - 2)}"}}'.encode()


def frame(payload: bytes) -> bytes:
    """A text frame of a server."""
    length = len(payload)
    head = bytes((0x81, length)) if length < 126 else b"\x81\x7e" + length.to_bytes(2)
    return head + payload


def chunks(count: int, size: int) -> list[bytes]:
    """The frames of all publications, in pieces of about the size of one read."""
    frames = [frame(publication(offset, size)) for offset in range(1, count + 1)]
    each = max(1, WRITE_BYTES // len(frames[-1]))
    return [b"".join(frames[start : start + each]) for start in range(0, count, each)]


async def serve(port: int, count: int, size: int) -> None:
    """Serve until the process ends."""
    stream = chunks(count, size)

    async def replay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            protocol = ServerProtocol()
            request = await _next(protocol, reader)
            if not isinstance(request, Request):
                return
            protocol.send_response(protocol.accept(request))
            protocol.send_text(json.dumps(CONNECTED).encode())
            writer.writelines(protocol.data_to_send())
            command = await _next(protocol, reader)
            assert isinstance(command, Frame)
            place = {"project_id": PROJECT, "epoch": EPOCH, "offset": 0, "recovered": True}
            confirmed = {"type": "subscription_confirmed", **place, "id": json.loads(bytes(command.data)).get("id")}
            writer.write(frame(json.dumps(confirmed).encode()))
            for chunk in stream:
                writer.write(chunk)
                await writer.drain()
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(replay, "127.0.0.1", port) as server:
        await server.serve_forever()


async def _next(protocol: ServerProtocol, reader: asyncio.StreamReader) -> object:
    """The client's next request or frame; None if it has gone."""
    while not (events := protocol.events_received()):
        data = await reader.read(WRITE_BYTES)
        if not data:
            return None
        protocol.receive_data(data)
    return events[0]


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:4])))
