"""Follow projects of a WebSocket gateway, send work to its agents, or be one of them."""

from websocket_handler_client.agent import Agent
from websocket_handler_client.client import Client
from websocket_handler_client.core.options import Options
from websocket_handler_client.core.position import Position
from websocket_handler_client.core.state import State
from websocket_handler_client.core.update import Update
from websocket_handler_client.errors import (
    AwayError,
    ClientError,
    ClosedError,
    RefusedError,
    UnansweredError,
    UnauthorizedError,
)
from websocket_handler_client.project import Project, Updates
from websocket_handler_client.publisher import Publisher
from websocket_handler_client.results import Forwarded, History
from websocket_handler_client.tasks.task import Stream, Task

__all__ = [
    "Agent",
    "AwayError",
    "Client",
    "ClientError",
    "ClosedError",
    "Forwarded",
    "History",
    "Options",
    "Position",
    "Project",
    "Publisher",
    "RefusedError",
    "State",
    "Stream",
    "Task",
    "UnansweredError",
    "UnauthorizedError",
    "Update",
    "Updates",
]
