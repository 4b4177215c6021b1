"""AWS calls in one place: clients, their timeouts, and what their errors mean.

The SDK is imported when the first client is opened, in a thread: its import costs more time and memory than
the rest of the gateway, and whoever runs without AWS never pays for it. The SDK does not retry: deadlines and
back-off belong to the adapters, which know what their callers wait for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast
from urllib.parse import urlsplit

from websocket_handler.adapters.aws_errors import AwsError, Fault, meaning_of_exception, sdk_errors
from websocket_handler.adapters.aws_sigv4 import Credentials

__all__ = [
    "Aws",
    "AwsCall",
    "AwsClient",
    "AwsError",
    "Backoff",
    "Fault",
    "Place",
    "Table",
    "item_key",
    "range_query",
    "retried",
]

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the SDK sends a service's requests."""

    endpoint_url: str
    region: str
    """The one that requests are signed for."""
    certificates: str | None
    """The file of the authorities to trust; None: the system's."""
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
    """The clients of one node, one per service, opened at their first call and closed together.

    `region` and `endpoint_url` default to what the SDK finds in its environment, `AWS_ENDPOINT_URL` included.
    `read_timeout_s` is only the upper bound that fits a long poll: every call brings its own deadline.
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
        try:
            client = await self._stack.enter_async_context(
                self._session.create_client(
                    service, region_name=self._region, endpoint_url=self._endpoint_url, config=config
                )
            )
        except (BotoCoreError, ValueError) as error:  # no region, or no URL
            raise AwsError(Fault.DENIED, type(error).__name__, str(error)) from error
        self._clients[service] = cast("AwsClient", client)
        return self._clients[service]

    def at_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have `close` awaited when these clients are closed."""
        self._stack.push_async_callback(close)

    async def place(self, service: str) -> Place:
        """Where a service is, for who speaks to it without the SDK. Raises AwsError."""
        client: Any = await self.open(service)
        from botocore.utils import get_environ_proxies  # noqa: PLC0415  (see the module's docstring)

        url = str(client.meta.endpoint_url)
        has_proxy = urlsplit(url).scheme in get_environ_proxies(url)
        return Place(url, client.meta.region_name, self._session.get_config_variable("ca_bundle"), has_proxy)

    async def credentials(self) -> Credentials:
        """What the SDK signs with now; it refreshes what expires, ten minutes before or earlier. Raises AwsError."""
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


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a random wait below a ceiling that doubles with every failure."""

    base_s: float = 0.05
    max_s: float = 1.0
    random: Random = field(default_factory=Random)

    def delay_s(self, failures: int) -> float:
        """How long to wait after that many failures in a row."""
        return self.random.uniform(0, min(self.max_s, self.base_s * 2 ** min(failures, 16)))


async def retried(attempt: Callable[[], Awaitable[Answer]], timeout_s: float, backoff: Backoff) -> Answer:
    """Repeat `attempt` while its fault is transient, for `timeout_s` seconds in total.

    Raises the last attempt's AwsError. Safe to cancel where `attempt` is.
    """
    last = AwsError(Fault.TRANSIENT, "Timeout", f"no answer in {timeout_s:g} s")
    failures = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await attempt()
                except AwsError as error:
                    if error.fault is not Fault.TRANSIENT:
                        raise
                    last = error
                await asyncio.sleep(backoff.delay_s(failures))
                failures += 1
    except TimeoutError:
        raise last from None


class Table:
    """A DynamoDB table with the string keys `PK` and `SK` and the TTL attribute `ttl`.

    `call_aws` is `Aws.call`; at most `calls_max` calls are under way. The attempts of one `call` together take
    at most `timeout_s` seconds.
    """

    def __init__(
        self,
        name: str,
        call_aws: AwsCall,
        *,
        timeout_s: float = 5.0,
        attempt_timeout_s: float = 2.0,
        calls_max: int = 32,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self._call_aws = call_aws
        self.timeout_s = timeout_s
        self.attempt_timeout_s = attempt_timeout_s
        self._calls = asyncio.Semaphore(calls_max)
        self._backoff = backoff or Backoff()

    async def attempt(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One attempt of an operation on this table. Raises AwsError."""
        return await self._once(operation, {"TableName": self.name, **parameters})

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """An operation on this table, tried again while its fault is transient. Raises AwsError."""
        return await retried(lambda: self.attempt(operation, **parameters), self.timeout_s, self._backoff)

    async def write_batch(self, requests: Sequence[Mapping[str, Any]]) -> None:
        """Puts and deletions, at most 25, until DynamoDB has taken all of them. Raises AwsError."""
        pending = requests

        async def attempt() -> None:
            nonlocal pending
            answer = await self._once("batch_write_item", {"RequestItems": {self.name: pending}})
            pending = answer.get("UnprocessedItems", {}).get(self.name, ())
            if pending:
                raise AwsError(Fault.TRANSIENT, "UnprocessedItems", f"{len(pending)} items were not written")

        await retried(attempt, self.timeout_s, self._backoff)

    async def _once(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        async with self._calls:
            return await self._call_aws("dynamodb", operation, self.attempt_timeout_s, **parameters)


def item_key(partition: str, sort: str) -> dict[str, dict[str, str]]:
    """The primary key of an item."""
    return {"PK": {"S": partition}, "SK": {"S": sort}}


def range_query(
    partition: str,
    first: str,
    last: str,
    *,
    is_descending: bool,
    now: int | None = None,
    limit: int | None = None,
    projection: str | None = None,
) -> dict[str, Any]:
    """The parameters of a consistent `query` for a partition's items with sort keys from `first` to `last`.

    `now` (wall-clock seconds) leaves out what has expired; `projection` names the attributes to read, `#ttl`
    for the expiry.
    """
    query: dict[str, Any] = {
        "KeyConditionExpression": "PK = :partition AND SK BETWEEN :first AND :last",
        "ExpressionAttributeValues": {
            ":partition": {"S": partition},
            ":first": {"S": first},
            ":last": {"S": last},
        },
        "ConsistentRead": True,
        "ScanIndexForward": not is_descending,
    }
    if now is not None:
        query["FilterExpression"] = "#ttl > :now"
        query["ExpressionAttributeValues"][":now"] = {"N": str(now)}
    if projection is not None:
        query["ProjectionExpression"] = projection
    if now is not None or projection is not None:
        query["ExpressionAttributeNames"] = {"#ttl": "ttl"}
    if limit is not None:
        query["Limit"] = limit
    return query
