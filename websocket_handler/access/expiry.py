"""When a connection's identity ends, and what happens then.

The time until the end is counted on the monotonic clock, from the moment when the token was verified. So a wall clock
that jumps disconnects nobody.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from websocket_handler.access.access import Holder
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.identity import Identity

EXPIRING_S: Final = 60.0
"""How many seconds before the end of its token a client is told."""
LIFE_MIN_S: Final = 1.0
"""How many seconds a token lives at least, if it was accepted only because clocks may differ a little."""
TIMER_MAX_S: Final = 86_400.0


def end(holder: Holder, code: CloseCode, reason: str) -> None:
    """Close a connection unless it has ended already."""
    if holder.is_open:
        holder.transport.close(code, reason)


class Expiry:
    """Sets one timer for each connection: first for its authentication, then for the end of its identity."""

    def __init__(self, clock: Clock, scheduler: Scheduler, authentication_timeout_s: float) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._authentication_timeout_s = authentication_timeout_s

    def ends_at(self, identity: Identity) -> float | None:
        """The monotonic second at which an identity that was verified just now ends; None if it never ends."""
        if identity.expires_at is None:
            return None
        return self._clock.monotonic() + max(LIFE_MIN_S, identity.expires_at - self._clock.wall())

    def await_authentication(self, holder: Holder) -> None:
        """Close the connection unless it gets an identity in time."""
        overdue = partial(end, holder, CloseCode.AUTHENTICATION_TIMEOUT, "authenticate in time")
        holder.timer = self._scheduler.call_later(self._authentication_timeout_s, overdue)

    def follow(self, holder: Holder, identity: Identity) -> None:
        """Tell the client shortly before its identity ends, and close the connection at the end."""
        ends_at = self.ends_at(identity)
        if ends_at is not None:
            left_s = ends_at - self._clock.monotonic() - EXPIRING_S
            self._sleep(holder, max(0.0, left_s), partial(self._expiring, holder, identity, ends_at))

    def stop(self, holder: Holder) -> None:
        """Cancel the connection's timer, if it has one."""
        if holder.timer is not None:
            holder.timer.cancel()
            holder.timer = None

    def _sleep(self, holder: Holder, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` later. An event loop accepts no timer of any length, so a long wait is divided into days."""
        if seconds > TIMER_MAX_S:
            again = partial(self._sleep, holder, seconds - TIMER_MAX_S, then)
            holder.timer = self._scheduler.call_later(TIMER_MAX_S, again)
        else:
            holder.timer = self._scheduler.call_later(seconds, then)

    def _expiring(self, holder: Holder, identity: Identity, ends_at: float) -> None:
        expires_at = identity.expires_at or 0.0
        holder.push(replies.token_expiring(self._clock.text(expires_at)))
        expired = partial(end, holder, CloseCode.TOKEN_EXPIRED, "the token expired")
        holder.timer = self._scheduler.call_later(max(0.0, ends_at - self._clock.monotonic()), expired)
