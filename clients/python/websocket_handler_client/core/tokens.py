"""The client's token: when a new one is fetched, and what happens if that fails.

The client fetches a token before a handshake if the one it has is old, and in good time before the end of the one that
a live connection uses. It decides by the time of day, so a machine that slept finds its token old when it wakes.
"""

from typing import Final

from websocket_handler_client.core.backoff import delay_s
from websocket_handler_client.core.instant import Instant
from websocket_handler_client.core.options import Options
from websocket_handler_client.core.token_life import end_of

RENEW_AFTER_MIN_S: Final = 5.0
"""A token that is about to end, or has ended, is asked for no more often than this."""


class Tokens:
    """Keeps one token and its times."""

    def __init__(self, options: Options, *, are_used: bool) -> None:
        self.are_used = are_used
        """False if the program gave no token: then none is ever fetched or sent."""
        self.value: str | None = None
        self.fetch: int | None = None
        """The number of the fetch under way."""
        self.deadline_s: float | None = None
        """When the fetch under way has failed."""
        self.retry_at_s: float | None = None
        """When a refresh that failed is tried again."""
        self._options = options
        self._fetches = 0
        self._renew_at_wall_s: float | None = None
        self._attempt = 0
        self._is_new = False
        """True if the token was fetched for the handshake that is under way."""

    def is_old(self, now: Instant) -> bool:
        """True if the next handshake needs a new token."""
        if not self.are_used:
            return False
        return self.value is None or self._is_due(now)

    def refresh_at_s(self, now: Instant) -> float | None:
        """When a live connection needs a new token, on the monotonic clock; None while that is unknown or under way."""
        if not self.are_used or self.fetch is not None:
            return None
        if self.retry_at_s is not None:
            return self.retry_at_s
        if self._renew_at_wall_s is None:
            return None
        return now.s + max(0.0, self._renew_at_wall_s - now.wall_s)

    def begin(self, now: Instant) -> int:
        """Note that a fetch begins. Returns its number."""
        self._fetches += 1
        self.fetch = self._fetches
        self.deadline_s = now.s + self._options.token_s
        self.retry_at_s = None
        return self.fetch

    def take(self, token: str, now: Instant) -> None:
        """Keep a token that was fetched. It may be the same as before."""
        self._end_fetch()
        self._attempt = 0
        self.value = token
        self._is_new = True
        self.set_end(end_of(token), now)

    def set_end(self, end_wall_s: float | None, now: Instant) -> None:
        """Note when the token ends; None if nobody knows."""
        if end_wall_s is None:
            self._renew_at_wall_s = None
            return
        share_s = (end_wall_s - now.wall_s) * self._options.refresh_at
        self._renew_at_wall_s = now.wall_s + max(RENEW_AFTER_MIN_S, share_s)

    def fail(self, chance: float, now: Instant) -> None:
        """Note that the fetch, or the refresh, has failed. It is tried again after a pause that grows."""
        self._end_fetch()
        pause_s = delay_s(self._attempt, chance, self._options.backoff_base_s, self._options.backoff_max_s)
        self._attempt += 1
        self.retry_at_s = now.s + pause_s

    def hurry(self, now: Instant) -> None:
        """The gateway says that the token is about to end."""
        self._renew_at_wall_s = now.wall_s

    def forget(self) -> None:
        """The gateway takes this token no longer: the next handshake needs another."""
        self.value = None

    def reuse(self) -> None:
        """A handshake begins with the token that is there. If the gateway refuses it, it may have ended meanwhile."""
        self._is_new = False

    def refused(self) -> bool:
        """The gateway refused a handshake because of the token. Returns True if a new one is worth a try: not if this
        one was new."""
        self.forget()
        return self.are_used and not self._is_new

    def stop(self) -> None:
        """Fetch no more."""
        self._end_fetch()
        self._renew_at_wall_s = None

    def _is_due(self, now: Instant) -> bool:
        return self._renew_at_wall_s is not None and now.wall_s >= self._renew_at_wall_s

    def _end_fetch(self) -> None:
        self.fetch = None
        self.deadline_s = None
        self.retry_at_s = None
