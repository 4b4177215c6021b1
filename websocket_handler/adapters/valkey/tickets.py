"""Tickets in Valkey: a key for each, which expires by itself, and which whoever reads it deletes in the same step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from websocket_handler.adapters.valkey.connection import Reply, packed
from websocket_handler.adapters.valkey.link import Failed, Link, done_or_failed
from websocket_handler.ports.ticket_store import TicketsUnavailable
from websocket_handler.protocol.identity import Identity

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Identity).decode


class ValkeyTickets:
    """Keeps tickets over a link. A call that the link repeats on a new connection may find its ticket used: then the
    client has to ask for another one."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @staticmethod
    def key(ticket: str) -> str:
        """The key of a ticket. Who can list the keys does not learn a ticket from it."""
        return f"ws:ticket:{sha256(ticket.encode()).hexdigest()}"

    def put(
        self,
        ticket: str,
        identity: Identity,
        seconds: int,
        done: Callable[[TicketsUnavailable | None], None],
        *,
        instead_of: str | None = None,
    ) -> None:
        """See the port."""
        commands = [packed("SET", self.key(ticket), _encode(identity), "EX", seconds)]
        if instead_of is not None:
            commands.append(packed("DEL", self.key(instead_of)))
        self._link.call(b"".join(commands), len(commands), lambda replies: done(_unavailable(done_or_failed(replies))))

    def take(self, ticket: str, done: Callable[[Identity | TicketsUnavailable | None], None]) -> None:
        """See the port."""

        def answered(replies: Sequence[Reply] | Failed) -> None:
            replies = done_or_failed(replies)
            if isinstance(replies, Failed):
                done(_unavailable(replies))
            else:
                kept = replies[0]
                done(_decode(kept) if isinstance(kept, bytes) else None)

        self._link.call(packed("GETDEL", self.key(ticket)), 1, answered)


def _unavailable(replies: Sequence[Reply] | Failed) -> TicketsUnavailable | None:
    return TicketsUnavailable(replies.reason) if isinstance(replies, Failed) else None
