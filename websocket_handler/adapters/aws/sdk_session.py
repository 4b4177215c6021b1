"""The SDK's session, which goes by AWS's clock, and whose clients sign with the credentials at hand.

So the SDK's own calls heal as those of the light client do. This module imports the SDK, which takes time and memory:
a thread imports it, when the SDK is needed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from aiobotocore.credentials import AioCredentials, create_credential_resolver
from aiobotocore.session import AioSession, get_session
from aiobotocore.utils import AioContainerMetadataFetcher
from botocore.auth import AUTH_TYPE_MAPS, SIGV4_TIMESTAMP, SigV4Auth
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials

from websocket_handler.adapters.aws.clock import AwsClock
from websocket_handler.adapters.aws.credentials import CredentialsAtHand

_SIGNATURE: Final = "v4-by-the-clock-of-aws"
_CLOCK: Final = "clock_of_aws"
"""Where a request's context has the clock."""


class _SignatureByClock(SigV4Auth):  # type: ignore[misc]  # the SDK has no types
    """Signature version 4 by the clock in the request's context. The SDK has no public way to set its time."""

    def _modify_request_before_signing(self, request: Any) -> None:
        time = datetime.fromtimestamp(request.context[_CLOCK].now(), UTC)
        request.context["timestamp"] = time.strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


AUTH_TYPE_MAPS[_SIGNATURE] = _SignatureByClock
AioContainerMetadataFetcher.TIMEOUT_SECONDS = 30
"""The SDK waits 2 s for a container's endpoint, and asks again: a slow endpoint never gave any credentials. No call
waits longer because of this, because credentials are asked for beside the calls."""


class _CredentialsAtHand(AioCredentials):  # type: ignore[misc]  # as above
    """What the SDK's clients sign with, asked for at each request: a client never keeps old ones."""

    def __init__(self, at_hand: CredentialsAtHand) -> None:
        super().__init__("", "")
        self._at_hand = at_hand

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        found = self._at_hand.at_hand() or await self._at_hand.get()
        return ReadOnlyCredentials(found.access_key, found.secret_key, found.token or None, None)


class _Provider:
    """Where the SDK gets the credentials of a new client."""

    def __init__(self, credentials: AioCredentials) -> None:
        self._credentials = credentials

    async def load_credentials(self) -> AioCredentials:
        return self._credentials


def new_session(clock: AwsClock, at_hand: CredentialsAtHand) -> AioSession:
    """A session whose clients sign by this clock, with these credentials."""
    session = get_session()
    session.register_component("credential_provider", _Provider(_CredentialsAtHand(at_hand)))

    def signature(signature_version: object, context: dict[str, Any], **_: object) -> str | None:
        if signature_version != "v4":
            return None
        context[_CLOCK] = clock
        return _SIGNATURE

    session.register("choose-signer", signature)
    return session


async def find_credentials(session: AioSession, clock: AwsClock, region: str | None) -> Any:
    """The credentials that the SDK finds in its environment, its files and its endpoints; None if there are none. They
    renew themselves before they expire by this clock. Raises what the SDK raises. A role is assumed in `region`."""
    found = await create_credential_resolver(session, region_name=region).load_credentials()
    if isinstance(found, RefreshableCredentials):  # no public way; tests/contract/adapters/aws/test_renewal.py watches
        found._time_fetcher = lambda: datetime.fromtimestamp(clock.now(), UTC)
    return found
