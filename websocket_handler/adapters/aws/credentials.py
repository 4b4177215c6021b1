"""Credentials at hand: this file asks for them beside the calls, so that a slow source of credentials delays no call.

Before the SDK gives out credentials that expire within ten minutes, it tries to refresh them. So what it gave less
than `AGE_S_MAX` ago is still valid, whatever the source of credentials does meanwhile.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.shared_work import SharedWork
from websocket_handler.adapters.aws.sigv4 import Credentials

FRESH_S: Final = 30.0
"""So long after an answer the SDK is not asked again."""
RETRY_S: Final = 5.0
"""So long after a failure the SDK is not asked again beside the calls."""
AGE_S_MAX: Final = 300.0
"""So long they are used while the SDK is being asked."""
ANEW_S: Final = 5.0
"""The SDK looks for other credentials at most this often."""
_CODES: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
"""How AWS says that credentials have expired, or that it does not know them."""


class CredentialsAtHand:
    """The SDK's credentials. `ask` gets them and raises AwsError; after `begin_anew` it gives others, if there are
    any. `now` is monotonic seconds."""

    def __init__(
        self, ask: Callable[[], Awaitable[Credentials]], begin_anew: Callable[[], None], now: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._begin_anew = begin_anew
        self._now = now
        self._began_anew_at = float("-inf")
        self._found: Credentials | None = None
        self._found_at = 0.0
        self._asked_at = 0.0
        self._renewal = SharedWork(self._renew)

    def at_hand(self) -> Credentials | None:
        """What a call can use at once. If it is None, await `get`."""
        now = self._now()
        age_s = now - self._found_at
        if self._found is None or age_s >= AGE_S_MAX:
            return None
        if age_s >= FRESH_S and now - self._asked_at >= RETRY_S:
            self._renewal.start()
        return self._found

    async def get(self) -> Credentials:
        """What the SDK has now. Raises AwsError. Safe to cancel: others who wait get their answer."""
        return await self._renewal.done()

    def refused(self, code: str) -> None:
        """AWS refused a call with this error code. If it does not take these credentials (any more), the next call asks
        the SDK for others and waits for it: they may have been replaced where the SDK finds them."""
        if code not in _CODES:
            return
        self._found = None
        now = self._now()
        if now - self._began_anew_at >= ANEW_S:
            self._began_anew_at = now
            self._begin_anew()

    async def close(self) -> None:
        """Stop asking."""
        await self._renewal.close()

    async def _renew(self) -> Credentials:
        asked_at = self._asked_at = self._now()
        found = await self._ask()
        if not found.is_plain:
            raise AwsError(
                Fault.DENIED, "InvalidCredentials", "the key or the token has characters that no header takes"
            )
        if found != self._found:  # the same object means the same signing key
            self._found = found
        self._found_at = asked_at
        return self._found or found
