"""Planted bugs in access, in admission and in the drain: see `planted.py`."""

from collections.abc import Callable
from typing import Any, Final

from tests.simulation.planted_updates import Patch
from websocket_handler import life
from websocket_handler.access import admission, token_access
from websocket_handler.access.addresses import AddressCount
from websocket_handler.access.admission import Admission
from websocket_handler.access.expiry import Expiry
from websocket_handler.access.origins import Origins
from websocket_handler.access.revocations import Revocations
from websocket_handler.access.rights import unauthorized
from websocket_handler.access.tickets import Tickets
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.access.users import UserCount
from websocket_handler.api import events
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.life import Life
from websocket_handler.net import drain
from websocket_handler.net.entrance import _Entry
from websocket_handler.protocol.rate import TokenBucket
from websocket_handler.server import WebSocketServer


def _ignore(*_: Any, **__: Any) -> None:
    """Does nothing, in place of what should be done."""


def _never(*_: Any, **__: Any) -> bool:
    return False


def _always(*_: Any, **__: Any) -> bool:
    return True


def _redeemed_unseen(self: Any, ticket: str, done: Any) -> None:
    identity = self._tickets.redeem(ticket, self._clock.monotonic())
    done(unauthorized("the ticket is unknown, used or too old") if identity is None else identity)


def _ticket_that_stays() -> list[Patch]:
    def changed(self: Any, ticket: str, now: float) -> Any:
        self._expire(now)
        known = self._tickets.get(ticket)
        return None if known is None else known.identity

    return [(Tickets, "redeem", changed)]


def _place_counted_twice() -> list[Patch]:
    enter: Any = AddressCount.enter

    def changed(self: Any, address: str) -> None:
        enter(self, address)
        enter(self, address)

    return [(AddressCount, "enter", changed)]


def _user_counted_twice() -> list[Patch]:
    enter: Any = UserCount.enter

    def changed(self: Any, user_id: str, holder: Any) -> None:
        enter(self, user_id, holder)
        self._places[user_id] += 1

    leave: Any = UserCount.leave

    def left(self: Any, user_id: str, holder: Any) -> None:
        leave(self, user_id, holder)
        self._places[user_id] -= 1

    return [(UserCount, "enter", changed), (UserCount, "leave", left)]


def _no_second_look() -> list[Patch]:
    def changed(self: Any, address: str, identity: Any) -> None:
        self._addresses.enter(address)

    return [(Admission, "enter", changed)]


def _stream_keeps_its_place() -> list[Patch]:
    take: Any = Admission.take_place

    def changed(self: Any, peer: str, forwarded_for: Any, identity: Any) -> Callable[[], None]:
        take(self, peer, forwarded_for, identity)
        return lambda: None

    return [(Admission, "take_place", changed)]


def _first_address_is_believed() -> list[Patch]:
    def changed(peer: str, forwarded_for: Any, hops: int) -> str:
        return forwarded_for[0].split(",")[0] if hops and forwarded_for else peer

    return [(admission, "client_address", changed)]


def _started_without_a_look() -> list[Patch]:
    started: Any = Node._started

    def changed(self: Any, connection: Any, *rest: Any) -> Any:
        identity, connection.identity = connection.identity, _Unbounded()
        try:
            return started(self, connection, *rest)
        finally:
            connection.identity = identity

    return [(Node, "_started", changed)]


class _Unbounded:
    """An identity that may do everything."""

    may = _always


def _flushed_too_early() -> list[Patch]:
    async def changed(self: Any) -> None:
        return

    return [(Life, "_flush", changed)]


def _no_hand_over() -> list[Patch]:
    async def changed(connections: Any, *_rest: Any) -> Any:
        return drain.DrainResult(len(connections), len(connections))

    return [(life, "hand_over", changed)]


def _silent_refusal() -> list[Patch]:
    def changed(self: Any, _fault: Any, status: Any = None) -> None:
        self._leave()
        self._socket.close()

    return [(_Entry, "_refuse", changed)]


PLANTS: Final[dict[str, Callable[[], list[Patch]]]] = {
    # Access
    "a revoked user keeps the connection": lambda: [(token_access, "end", _ignore)],
    "a revoked token still opens a connection": lambda: [(Revocations, "is_revoked", _never)],
    "a ticket survives its user's revocation": lambda: [(TokenAccess, "_redeem", _redeemed_unseen)],
    "a ticket works twice": _ticket_that_stays,
    "an expired token keeps receiving": lambda: [(Expiry, "follow", _ignore)],
    "nobody has to authenticate in time": lambda: [(Expiry, "await_authentication", _ignore)],
    "rights are not looked at": lambda: [(TokenAccess, "check_command", _ignore)],
    "a narrower token ends no subscription": lambda: [(Node, "end_forbidden", lambda *_: [])],
    "a subscription starts under a token that forbids it": _started_without_a_look,
    "an event stream outlives its token": lambda: [(events, "is_over", _never)],
    # The door
    "an address's place is not given back": lambda: [(Admission, "leave", _ignore)],
    "an address's place is counted twice": _place_counted_twice,
    "a user's place is not given back": lambda: [(UserCount, "leave", _ignore)],
    "a user's place is counted twice": _user_counted_twice,
    "limits are not looked at again": _no_second_look,
    "a stream keeps its place": _stream_keeps_its_place,
    "a client invents its own address": _first_address_is_believed,
    "memory is never short": lambda: [(Admission, "is_memory_short", _never)],
    "every page may come in": lambda: [(Origins, "allow", _always)],
    "handshakes have no limit": lambda: [(TokenBucket, "allows", _always)],
    "a refused handshake gets no answer": _silent_refusal,
    # The drain
    "a draining node takes newcomers in": lambda: [(WebSocketServer, "refuse_newcomers", _ignore)],
    "a draining node tells nobody when to come back": lambda: [(drain, "_tell", _ignore)],
    "a draining node hands nobody over": _no_hand_over,
    "a node goes before the last publication is answered": _flushed_too_early,
    "a draining node receives updates": lambda: [(UpdateConsumer, "stop_receiving", _ignore)],
    # Beside them
}
