"""Credentials at hand: this file asks for them beside the calls, so that a slow source of credentials delays no call.

Before the SDK gives out credentials that expire within ten minutes, it tries to refresh them. So what it gave less
than `AGE_S_MAX` ago is still valid, whatever the source of credentials does meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sigv4 import Credentials

FRESH_S: Final = 30.0
"""So long after an answer the SDK is not asked again."""
RETRY_S: Final = 5.0
"""So long after a failure the SDK is not asked again beside the calls."""
AGE_S_MAX: Final = 300.0
"""So long they are used while the SDK is being asked."""


class CredentialsAtHand:
    """The SDK's credentials. `ask` gets them and raises AwsError; `now` is monotonic seconds."""

    def __init__(self, ask: Callable[[], Awaitable[Credentials]], now: Callable[[], float]) -> None:
        self._ask = ask
        self._now = now
        self._found: Credentials | None = None
        self._found_at = 0.0
        self._asked_at = 0.0
        self._asking: asyncio.Task[Credentials] | None = None

    def at_hand(self) -> Credentials | None:
        """What a call can use at once. If it is None, await `get`."""
        now = self._now()
        age_s = now - self._found_at
        if self._found is None or age_s >= AGE_S_MAX:
            return None
        if age_s >= FRESH_S and now - self._asked_at >= RETRY_S:
            self._start()
        return self._found

    async def get(self) -> Credentials:
        """What the SDK has now. Raises AwsError. Safe to cancel: others who wait get their answer."""
        self._start()
        asking = self._asking
        assert asking is not None
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if asking.cancelled() and task is not None and not task.cancelling():
                raise AwsError(Fault.TRANSIENT, "Closed", "the gateway is stopping") from None
            raise

    def forget(self) -> None:
        """AWS no longer takes them: the next call asks the SDK and waits for it."""
        self._found = None

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _start(self) -> None:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._renew())
            self._asking.add_done_callback(self._asked)

    def _asked(self, task: "asyncio.Task[Credentials]") -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # whoever waits gets it; if nobody waits, the next call asks again

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
