"""The peer "FastAPI": the connection manager of its documentation on uvicorn, one `send_text` per subscriber."""

# Its packages live in .venv-bench, which the checks do not see.
# mypy: ignore-errors

import json
import sys
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect


class ConnectionManager:
    """As in FastAPI's documentation, with the connections kept by project."""

    def __init__(self) -> None:
        self.projects: dict[str, list[WebSocket]] = {}

    async def connect(self, websocket: WebSocket, project_id: str) -> None:
        """Accept and remember."""
        await websocket.accept()
        if project_id:
            self.projects.setdefault(project_id, []).append(websocket)

    def disconnect(self, websocket: WebSocket, project_id: str) -> None:
        """Forget."""
        if project_id:
            self.projects[project_id].remove(websocket)

    async def broadcast(self, project_id: str, text: str) -> None:
        """Send to everyone, one after the other."""
        for connection in list(self.projects.get(project_id, ())):
            await connection.send_text(text)


app = FastAPI()
manager = ConnectionManager()


@app.websocket("/ws")
async def endpoint(websocket: WebSocket, project_id: str = "") -> None:
    """One client."""
    await manager.connect(websocket, project_id)
    try:
        await websocket.send_text(_json({"type": "connected", "message": "Connected", "timestamp": _timestamp()}))
        while True:
            command = json.loads(await websocket.receive_text())
            if command["action"] == "publish":
                await manager.broadcast(command["project_id"], _json(command["message"]))
            elif command["action"] == "ping":
                await websocket.send_text(_json({"type": "pong", "timestamp": _timestamp()}))
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        manager.disconnect(websocket, project_id)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _timestamp() -> str:
    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", backlog=2048, ws_per_message_deflate=False
    )
