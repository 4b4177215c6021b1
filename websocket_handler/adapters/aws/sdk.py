"""The AWS SDK: its clients, and what it knows about endpoints and credentials.

A thread imports the SDK when the first client is opened: the import costs more time and memory than the rest of the
gateway, and a gateway without AWS never pays for it. The SDK does not retry: deadlines and back-off belong to the
adapters, which know how long their callers can wait.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar, cast
from urllib.parse import urlsplit

from websocket_handler.adapters.aws.clock import AwsClock
from websocket_handler.adapters.aws.credentials import CredentialsAtHand
from websocket_handler.adapters.aws.errors import AwsError, Fault, meaning_of_exception, sdk_errors
from websocket_handler.adapters.aws.shared_work import SharedWork
from websocket_handler.adapters.aws.sigv4 import Credentials
from websocket_handler.adapters.overload.lag import patient_timeout

Answer = TypeVar("Answer")
_NAMES: Final = {"elbv2": "ELASTIC_LOAD_BALANCING_V2"}
"""What the SDK calls a service in the names of its variables, if that is not its name in upper case."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the SDK sends a service's requests."""

    url: str
    region: str
    """The region that the signatures name."""
    certificates: str | None
    """The file with the authorities to trust; None stands for those of the system."""
    has_proxy: bool


class AwsClient(Protocol):
    """A service's client: every operation is a method in snake case that takes AWS's parameter names."""

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[dict[str, Any]]]: ...


class AwsCall(Protocol):
    """One attempt of one operation, `Aws.call`: what the adapters ask for."""

    async def __call__(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        """The parsed answer. Raises AwsError."""
        ...


class Aws:
    """The clock and the credentials of one node, for every call of AWS, and the SDK's clients, one per service. The
    first call opens a client, `close` closes all.

    `region` and `endpoint_url` default to what the SDK finds in its environment, `AWS_ENDPOINT_URL` included.
    `read_timeout_s` only has to be long enough for a long poll: every call brings its own deadline.
    """

    def __init__(
        self,
        region: str | None = None,
        endpoint_url: str | None = None,
        *,
        clock: AwsClock | None = None,
        connect_timeout_s: float = 2.0,
        read_timeout_s: float = 30.0,
        connections: int = 64,
    ) -> None:
        self.clock = clock or AwsClock()
        """By which requests are signed and credentials expire."""
        self.at_hand = CredentialsAtHand(self.credentials, self._begin_anew, time.monotonic)
        self._region = region
        self._endpoint_url = endpoint_url
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._connections = connections
        self._clients: dict[str, AwsClient] = {}
        self._openings: dict[str, SharedWork[AwsClient]] = {}
        self._stack = AsyncExitStack()
        self._stack.push_async_callback(self.at_hand.close)
        self._session: Any = None
        self._making_session = SharedWork(self._make_session)
        self._source: Any = None
        """Where the credentials are from, as the SDK found it."""
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every client. Calls after this fail with AwsError."""
        self._is_closed = True
        self._clients.clear()
        for work in (self._making_session, *self._openings.values()):
            await work.close()
        await self._stack.aclose()

    async def open(self, service: str) -> AwsClient:
        """The client of a service. Opening takes a second of processor time on a small machine. Raises AwsError."""
        if client := self._clients.get(service):
            return client
        opening = self._openings.setdefault(service, SharedWork(partial(self._open, service)))
        return await opening.done()

    async def _open(self, service: str) -> AwsClient:
        session = await self._ready_session()
        with _faults_of_making():
            client = await self._stack.enter_async_context(session.create_client(service, **self._options(service)))
        self._clients[service] = cast("AwsClient", client)
        return self._clients[service]

    def _options(self, service: str) -> dict[str, Any]:
        """What the SDK makes a client of."""
        from aiobotocore.config import AioConfig  # noqa: PLC0415  (see the module's docstring)

        config = AioConfig(
            connect_timeout=self._connect_timeout_s,
            read_timeout=self._read_timeout_s,
            max_pool_connections=self._connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            parameter_validation=False,
            warm_up_loader_caches=True,
        )
        # as with boto3, a service's own variable comes first: the SDK reads it if it is given no endpoint
        own = f"AWS_ENDPOINT_URL_{_NAMES.get(service, service.upper())}"
        endpoint_url = None if os.environ.get(own) else self._endpoint_url
        return {"region_name": self._region, "endpoint_url": endpoint_url, "config": config}

    async def _ready_session(self) -> Any:
        if self._is_closed:
            raise AwsError(Fault.TRANSIENT, "Closed", "the gateway is stopping")
        return self._session or await self._making_session.done()

    async def _make_session(self) -> Any:
        self._session = await asyncio.to_thread(_new_session, self.clock, self.at_hand)
        return self._session

    def at_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Await `close` when these clients are closed."""
        self._stack.push_async_callback(close)

    async def endpoint(self, service: str) -> Endpoint:
        """Where the SDK sends requests of a service. Asks no source of credentials. Raises AwsError."""
        session = await self._ready_session()
        from botocore.utils import get_environ_proxies  # noqa: PLC0415  (see the module's docstring)

        unused = {"aws_access_key_id": "unused", "aws_secret_access_key": "unused"}
        with _faults_of_making():
            async with session.create_client(service, **self._options(service), **unused) as client:
                url, region = str(client.meta.endpoint_url), str(client.meta.region_name)
        has_proxy = urlsplit(url).scheme in get_environ_proxies(url)
        return Endpoint(url, region, session.get_config_variable("ca_bundle"), has_proxy)

    async def credentials(self) -> Credentials:
        """What the SDK finds now. It renews credentials ten minutes or more before they expire. Raises AwsError.
        `at_hand` asks this."""
        session = await self._ready_session()
        found = await self._healed(lambda: self._find_credentials(session))
        if found is None:
            raise AwsError(Fault.DENIED, "NoCredentialsError", "Unable to locate credentials")
        return Credentials(found.access_key, found.secret_key, found.token or "")

    async def _find_credentials(self, session: Any) -> Any:
        from websocket_handler.adapters.aws.sdk_session import find_credentials  # noqa: PLC0415 - imports the SDK

        self._source = self._source or await find_credentials(session, self.clock, self._region)
        try:
            return self._source and await self._source.get_frozen_credentials()
        except RuntimeError as error:  # the SDK's word for new credentials that have expired already
            raise AwsError(Fault.TRANSIENT, "ExpiredToken", str(error)) from None

    def _begin_anew(self) -> None:
        """AWS does not take what the SDK found: it looks again, in its files and at its endpoints."""
        self._source = None

    async def call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        """One attempt of one operation, answered within `timeout_s` seconds; time for which the event loop was late
        does not count. Raises AwsError. Safe to cancel: the connection of a cancelled call is not used again."""
        try:
            async with patient_timeout(timeout_s):
                client = await self.open(service)
                return await self._healed(lambda: getattr(client, operation)(**parameters))
        except TimeoutError:
            raise AwsError(Fault.TRANSIENT, "Timeout", f"no answer in {timeout_s:g} s") from None

    async def _healed(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to `ask`, which asks AWS once. If AWS refuses that because of its time, ask once more. Raises
        AwsError."""
        skew_s = self.clock.skew_s
        try:
            return await ask()
        except sdk_errors() as error:
            fault = meaning_of_exception(error)
        self.at_hand.refused(fault.code)
        date = fault.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        if not self.clock.was_wrong(fault.code, date, skew_s):
            raise fault
        try:
            return await ask()
        except sdk_errors() as error:
            raise meaning_of_exception(error) from None


@contextmanager
def _faults_of_making() -> Iterator[None]:
    """Raises AwsError for what the SDK raises when it makes a client."""
    try:
        yield
    except ValueError as error:  # no URL
        raise AwsError(Fault.DENIED, type(error).__name__, str(error)) from error
    except sdk_errors() as error:  # no region, for example
        raise meaning_of_exception(error) from error


def _new_session(clock: AwsClock, at_hand: CredentialsAtHand) -> Any:
    from websocket_handler.adapters.aws.sdk_session import new_session  # noqa: PLC0415  (see the module's docstring)

    return new_session(clock, at_hand)
