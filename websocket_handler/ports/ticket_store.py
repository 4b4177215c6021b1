"""Tickets that all nodes know. A ticket is good once, on whichever node its client comes to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from websocket_handler.protocol.identity import Identity


@dataclass(frozen=True, slots=True)
class TicketsUnavailable:
    """The store does not answer. What was asked may have been done."""

    reason: str


class TicketStore(Protocol):
    """Keeps tickets for a few seconds. Each method calls `done` once, from the event loop's thread, perhaps before it
    returns."""

    def put(
        self,
        ticket: str,
        identity: Identity,
        seconds: int,
        done: Callable[[TicketsUnavailable | None], None],
        *,
        instead_of: str | None = None,
    ) -> None:
        """Keep a ticket for so many seconds, and drop the one that it stands `instead_of`. `done` is called with None
        when every node can take it."""
        ...

    def take(self, ticket: str, done: Callable[[Identity | TicketsUnavailable | None], None]) -> None:
        """Use a ticket up. `done` is called with its identity, or with None if it is unknown, used or too old. If two
        nodes take the same ticket, one of them gets it."""
        ...
