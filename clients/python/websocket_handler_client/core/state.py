"""How a client stands, for people and programs."""

from dataclasses import dataclass
from typing import Literal

Name = Literal["idle", "authenticating", "connecting", "live", "waiting", "stopped", "closed"]


@dataclass(frozen=True, slots=True)
class State:
    """One of seven names, and what there is to say about it.

    idle: nobody has used the client yet. authenticating: it waits for a token. connecting: a handshake is under way.
    live: there is a connection. waiting: there is none, and the next try comes at `retry_at_s`. stopped: the gateway
    does not want the client back, for `reason`. closed: the program closed it. The last two are final.
    """

    name: Name
    reason: str = ""
    """Why the client is not live, or no longer."""
    retry_at_s: float | None = None
    """When the next try comes, on the monotonic clock, in seconds."""
