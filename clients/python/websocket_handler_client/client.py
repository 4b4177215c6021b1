"""A client of the gateway: follow projects, send work to agents, publish."""

import uuid
from collections.abc import Callable
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from websocket_handler_client.core.effects import Reset, Unfollowed
from websocket_handler_client.core.messages import Message
from websocket_handler_client.core.options import Options
from websocket_handler_client.core.state import State
from websocket_handler_client.core.update import Update
from websocket_handler_client.dialing import Dial
from websocket_handler_client.driver import Driver, Token
from websocket_handler_client.project import TIMEOUT_S, Project
from websocket_handler_client.results import Forwarded

Argument = TypeVar("Argument")


class Client:
    """One connection to the gateway, that comes back by itself.

    `async with Client("wss://host/ws", token=get_token) as client: …`. Nothing is sent before the first use. `token` is
    a text or a function, which may be `async`; it is asked before a handshake when the token is old, and again at four
    fifths of its life. `on_state` is called at each change of `state`, `on_broadcast` with each broadcast. Callbacks
    must not block. With `fold`, deltas of one text that the client is behind by come as one update. Raises ValueError
    if the URL is not one of `ws://` or `wss://`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        on_state: Callable[[State], None] | None = None,
        on_broadcast: Callable[[dict[str, Any]], None] | None = None,
        options: Options | None = None,
        dial: Dial | None = None,
        fold: bool = False,
    ) -> None:
        if urlsplit(url).scheme not in ("ws", "wss"):
            raise ValueError(f"the URL begins with ws:// or wss://, not {url!r}")
        self._projects: dict[str, Project] = {}
        self._on_state = on_state
        self._on_broadcast = on_broadcast
        self._driver = Driver(url, token, options or Options(), dial or _library_dial(), self, folds=fold)

    def project(self, project_id: str) -> Project:
        """A project; the same object for the same id."""
        if project_id not in self._projects:
            self._projects[project_id] = Project(project_id, self._driver)
        return self._projects[project_id]

    async def forward(
        self,
        agent: str,
        data: Any,
        *,
        project: str | None = None,
        message_id: str | None = None,
        timeout_s: float = TIMEOUT_S,
        wait_s: float = 0.0,
    ) -> Forwarded:
        """Send a task to an agent (`pm`, `dev`, `qa`, `ops`), and return once its queue holds it.

        All tries have one `message_id`; give one of your own to be safe over restarts, too. Without a connection the
        call fails with AwayError at once, or waits up to `wait_s` seconds for one; the first connection is always
        waited for. Raises RefusedError, UnansweredError after `timeout_s`, AwayError or ClosedError.
        """
        fields: dict[str, Any] = {"action": "forward", "type": agent, "data": data}
        fields["message_id"] = message_id or uuid.uuid4().hex
        if project is not None:
            fields["project_id"] = project
        reply = await self._driver.call(fields, timeout_s, wait_s)
        return Forwarded(reply["message_id"], reply["agent"], reply["receipt"])

    async def ping(self, *, timeout_s: float = TIMEOUT_S, wait_s: float = 0.0) -> None:
        """Return when the gateway has answered. Raises ClientError."""
        await self._driver.call({"action": "ping"}, timeout_s, wait_s)

    @property
    def state(self) -> State:
        """How the client stands."""
        return self._driver.core.state

    async def close(self) -> None:
        """End the connection, for good. What waits for a reply or an update gets ClosedError."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # For the driver

    def deliver(self, update: Update) -> None:
        """An update came."""
        self._projects[update.project_id].deliver(update)

    def arrived(self, snapshot: Update) -> None:
        """A project's snapshot came."""
        self._projects[snapshot.project_id].arrived(snapshot)

    def reset(self, reset: Reset) -> None:
        """A project's log cannot continue."""
        self._projects[reset.project_id].reset(reset)

    def unfollowed(self, unfollowed: Unfollowed) -> None:
        """A project has no further updates."""
        self._projects[unfollowed.project_id].end(unfollowed.error)

    def state_changed(self, state: State) -> None:
        """The state is another."""
        if self._on_state is not None:
            self._call_back(self._on_state, state)

    def broadcast(self, message: Message) -> None:
        """An object for everybody."""
        if self._on_broadcast is not None:
            self._call_back(self._on_broadcast, message)

    def _call_back(self, callback: Callable[[Argument], None], argument: Argument) -> None:
        """What the program's own code raises goes to the event loop, and does not end the connection."""
        try:
            callback(argument)
        except Exception as fault:  # noqa: BLE001 - any error of the program
            context = {"message": f"{callback!r} failed", "exception": fault}
            self._driver.loop.call_exception_handler(context)


def _library_dial() -> Dial:
    from websocket_handler_client.sockets import dial  # noqa: PLC0415 - a Lambda that only publishes needs no WebSockets

    return dial
