"""The AWS SDK: its clients, their timeouts, and what it knows about endpoints and credentials.

A thread imports the SDK when the first client is opened: the import costs more time and memory than the rest of the
gateway, and a gateway without AWS never pays for it. The SDK does not retry: deadlines and back-off belong to the
adapters, which know how long their callers can wait.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, cast
from urllib.parse import urlsplit

from websocket_handler.adapters.aws.errors import AwsError, Fault, meaning_of_exception, sdk_errors
from websocket_handler.adapters.aws.sigv4 import Credentials


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
    """The clients of one node, one per service. The first call opens a client, `close` closes all.

    `region` and `endpoint_url` default to what the SDK finds in its environment, `AWS_ENDPOINT_URL` included.
    `read_timeout_s` only has to be long enough for a long poll: every call brings its own deadline.
    """

    def __init__(
        self,
        region: str | None = None,
        endpoint_url: str | None = None,
        *,
        connect_timeout_s: float = 2.0,
        read_timeout_s: float = 30.0,
        connections: int = 64,
    ) -> None:
        self._region = region
        self._endpoint_url = endpoint_url
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._connections = connections
        self._clients: dict[str, AwsClient] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._stack = AsyncExitStack()
        self._session: Any = None
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
        await self._stack.aclose()

    async def open(self, service: str) -> AwsClient:
        """The client of `sqs` or `dynamodb`. Opening takes a second of processor time on a small machine, so
        a node opens what it needs before it says that it is ready. Raises AwsError."""
        client = self._clients.get(service)
        if client is None:
            async with self._opening.setdefault(service, asyncio.Lock()):
                client = self._clients.get(service) or await self._open(service)
        return client

    async def _open(self, service: str) -> AwsClient:
        if self._is_closed:
            raise AwsError(Fault.TRANSIENT, "Closed", "the gateway is stopping")
        if self._session is None:
            self._session = await asyncio.to_thread(_new_session)
        from aiobotocore.config import AioConfig  # noqa: PLC0415  (see the module's docstring)
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        config = AioConfig(
            connect_timeout=self._connect_timeout_s,
            read_timeout=self._read_timeout_s,
            max_pool_connections=self._connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            parameter_validation=False,
            warm_up_loader_caches=True,
        )
        # as with boto3, a service's own variable comes first: the SDK reads it if it is given no endpoint
        endpoint_url = None if os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") else self._endpoint_url
        try:
            client = await self._stack.enter_async_context(
                self._session.create_client(service, region_name=self._region, endpoint_url=endpoint_url, config=config)
            )
        except (BotoCoreError, ValueError) as error:  # no region, or no URL
            raise AwsError(Fault.DENIED, type(error).__name__, str(error)) from error
        self._clients[service] = cast("AwsClient", client)
        return self._clients[service]

    def at_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Await `close` when these clients are closed."""
        self._stack.push_async_callback(close)

    async def endpoint(self, service: str) -> Endpoint:
        """Where the SDK sends requests of a service. Raises AwsError."""
        client: Any = await self.open(service)
        from botocore.utils import get_environ_proxies  # noqa: PLC0415  (see the module's docstring)

        url = str(client.meta.endpoint_url)
        has_proxy = urlsplit(url).scheme in get_environ_proxies(url)
        return Endpoint(url, client.meta.region_name, self._session.get_config_variable("ca_bundle"), has_proxy)

    async def credentials(self) -> Credentials:
        """What the SDK signs with now. It refreshes them ten minutes or more before they expire. Raises AwsError."""
        await self.open("sqs")
        try:
            known = await self._session.get_credentials()
            found = await known.get_frozen_credentials() if known is not None else None
        except RuntimeError as error:  # the SDK's word for new credentials that have expired already
            raise AwsError(Fault.TRANSIENT, "ExpiredToken", str(error)) from None
        except sdk_errors() as error:
            raise meaning_of_exception(error) from None
        if found is None:
            raise AwsError(Fault.DENIED, "NoCredentialsError", "Unable to locate credentials")
        return Credentials(found.access_key, found.secret_key, found.token or "")

    async def call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        """One attempt of one operation, answered within `timeout_s` seconds. Raises AwsError. Safe to cancel:
        the connection of a cancelled call is not used again."""
        client = await self.open(service)
        try:
            async with asyncio.timeout(timeout_s):
                answer: dict[str, Any] = await getattr(client, operation)(**parameters)
                return answer
        except TimeoutError:
            raise AwsError(Fault.TRANSIENT, "Timeout", f"no answer in {timeout_s:g} s") from None
        except sdk_errors() as error:
            raise meaning_of_exception(error) from None


def _new_session() -> Any:
    from aiobotocore.session import get_session  # noqa: PLC0415  (see the module's docstring)

    return get_session()
