"""What the core asks of whoever drives it. An `Update` is an effect, too: give it to the readers of its project."""

from dataclasses import dataclass

from websocket_handler_client.core.messages import Message
from websocket_handler_client.core.position import Position
from websocket_handler_client.core.state import State
from websocket_handler_client.core.update import Update
from websocket_handler_client.errors import ClientError


@dataclass(frozen=True, slots=True)
class Open:
    """Open a socket, and call `opened`, `refused` or `closed` with this number."""

    link: int
    token: str | None


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text, behind those that were sent on this link before."""

    link: int
    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket with 1000, and call `closed` when it is."""

    link: int


@dataclass(frozen=True, slots=True)
class Abort:
    """End the socket, or its opening, at once. The core knows it no more."""

    link: int


@dataclass(frozen=True, slots=True)
class FetchToken:
    """Ask the token provider, and call `token` or `token_failed` with this number."""

    fetch: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Tell the readers of a project that the log cannot continue where they stand: what they built is void."""

    project_id: str
    position: Position
    asked: Position | None
    """Where the client was, or wished to begin."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Give the readers that begin with a snapshot what they wait for."""

    snapshot: Update


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """Tell the readers of a project that there will be no further update, and why."""

    project_id: str
    error: ClientError


@dataclass(frozen=True, slots=True)
class Answered:
    """A call has its reply."""

    call: int
    reply: Message


@dataclass(frozen=True, slots=True)
class Failed:
    """A call has failed."""

    call: int
    error: ClientError


@dataclass(frozen=True, slots=True)
class Broadcast:
    """An object for everybody."""

    message: Message


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The client's state has changed."""

    state: State


Effect = (
    Open
    | Send
    | Close
    | Abort
    | FetchToken
    | Update
    | Arrived
    | Reset
    | Unfollowed
    | Answered
    | Failed
    | Broadcast
    | StateChanged
)
