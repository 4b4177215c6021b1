"""PURE: one-time tickets. A browser puts a ticket on a URL instead of its token. A ticket is good for one handshake,
for a few seconds."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity

TICKET_SECONDS: Final = 30
TICKETS_MAX: Final = 10_000
TICKETS_PER_USER_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class _Ticket:
    identity: Identity
    expires_at: float


class Tickets:
    """The tickets that this node issued, and that nobody has used here yet, oldest first. `now` is monotonic
    seconds."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()
        self._by_user: dict[str, OrderedDict[str, None]] = {}

    def issue(self, ticket: str, identity: Identity, now: float) -> str | None:
        """Remember a new ticket. If the user has too many, the oldest one is dropped, and returned. Raises CommandError
        with `overloaded` if the node has too many."""
        self._expire(now)
        own = self._by_user.get(identity.user_id, OrderedDict())
        dropped: str | None = None
        if len(own) >= TICKETS_PER_USER_MAX:
            dropped = next(iter(own))
            self._forget(dropped)
        elif len(self._tickets) >= TICKETS_MAX:
            raise CommandError(ErrorCode.OVERLOADED, "too many tickets wait for their use")
        self._tickets[ticket] = _Ticket(identity, now + TICKET_SECONDS)
        self._by_user.setdefault(identity.user_id, OrderedDict())[ticket] = None
        return dropped

    def redeem(self, ticket: str, now: float) -> Identity | None:
        """Use a ticket up, and return its identity; None if the ticket is unknown, used or too old."""
        self._expire(now)
        known = self._tickets.get(ticket)
        if known is None:
            return None
        self._forget(ticket)
        return known.identity

    def _expire(self, now: float) -> None:
        while self._tickets:
            ticket, oldest = next(iter(self._tickets.items()))
            if oldest.expires_at > now:
                return
            self._forget(ticket)

    def _forget(self, ticket: str) -> None:
        user_id = self._tickets.pop(ticket).identity.user_id
        own = self._by_user[user_id]
        del own[ticket]
        if not own:
            del self._by_user[user_id]

    def __len__(self) -> int:
        return len(self._tickets)
