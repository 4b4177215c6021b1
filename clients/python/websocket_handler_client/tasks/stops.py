"""How an agent hears that somebody wants it to stop: it follows the project while it works."""

from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit

from websocket_handler_client.client import Client
from websocket_handler_client.publisher import WEBSOCKET_HANDLER_TOKEN, WEBSOCKET_HANDLER_URL

STOP: Final = "wsh.stop"
"""The `name` of the CUSTOM event that asks for it."""


class Stops(Protocol):
    """Hears wishes to stop."""

    async def wanted(self, project_id: str, run_id: str, since: str | None) -> None:
        """Return when somebody wants this run to stop, or has wanted it behind the position `since`. Raises ClientError
        if nothing can be heard."""
        ...

    async def close(self) -> None:
        """Listen no longer."""
        ...


class ProjectStops:
    """Hears them through the gateway: one connection for all tasks of the agent, opened when the first needs it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def wanted(self, project_id: str, run_id: str, since: str | None) -> None:
        """See `Stops`."""
        async with self._client.project(project_id).updates(since=since) as updates:
            async for update in updates:
                if is_stop(update.data, run_id):
                    return

    async def close(self) -> None:
        """See `Stops`."""
        await self._client.close()


def is_stop(message: dict[str, Any], run_id: str) -> bool:
    """True if a publication asks for the end of this run."""
    return (message.get("type"), message.get("name"), message.get("runId")) == ("CUSTOM", STOP, run_id)


def stops_from(environment: Mapping[str, str]) -> Stops | None:
    """The way to the gateway that the environment names: `WEBSOCKET_HANDLER_URL` with `WEBSOCKET_HANDLER_TOKEN`. None
    without one, for example if updates go through a queue: then nobody can stop a task."""
    url = environment.get(WEBSOCKET_HANDLER_URL)
    if not url:
        return None
    scheme, host, path, _, _ = urlsplit(url)
    socket = urlunsplit(("wss" if scheme == "https" else "ws", host, f"{path.rstrip('/')}/ws", "", ""))
    return ProjectStops(Client(socket, token=environment.get(WEBSOCKET_HANDLER_TOKEN) or None))
