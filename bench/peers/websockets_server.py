"""The peer "websockets 12": the original service's library and shape, with the library's own `broadcast`."""

# Its packages live in .venv-bench, which the checks do not see.
# mypy: ignore-errors

import asyncio
import json
import sys
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import websockets
from websockets.server import WebSocketServerProtocol

projects: dict[str, set[WebSocketServerProtocol]] = {}


async def connection_handler(websocket: WebSocketServerProtocol) -> None:
    """Register, greet, and carry out commands until the client leaves."""
    query = parse_qs(urlsplit(websocket.path).query)
    project_id = query.get("project_id", [""])[0]
    if project_id:
        projects.setdefault(project_id, set()).add(websocket)
    try:
        greeting = {"type": "connected", "message": "Connected to websockets", "timestamp": _timestamp()}
        await websocket.send(_json(greeting))
        async for text in websocket:
            command = json.loads(text)
            if command["action"] == "publish":
                websockets.broadcast(projects.get(command["project_id"], ()), _json(command["message"]))
            elif command["action"] == "ping":
                await websocket.send(_json({"type": "pong", "timestamp": _timestamp()}))
    except websockets.ConnectionClosed:
        pass
    finally:
        projects.get(project_id, set()).discard(websocket)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _timestamp() -> str:
    return datetime.now(UTC).isoformat()


async def main() -> None:
    """Serve until the process is ended."""
    port = int(sys.argv[1])
    async with websockets.serve(connection_handler, "127.0.0.1", port, compression=None, backlog=2048):
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
