"""Finds the primary, opens a connection to it, and says who this node is there."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import hiredis

from websocket_handler.adapters.valkey.connection import Connection, Part, Pushed, Reply, packed
from websocket_handler.adapters.valkey.sentinels import NotNamed, Sentinels
from websocket_handler.adapters.valkey.url import Address, ValkeyUrl

CONNECT_TIMEOUT_S: Final = 2.0
Credentials = Callable[[], Awaitable[tuple[str, str]]]
"""Gives user and password. It is asked for each connection, so that a changed password needs no restart."""


class Unreachable(Exception):
    """There is no connection to a primary. The text says why."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself."""

    version: str
    generation: str
    """The id of the server's history of writes. A new primary has another one, and so has a server that restarted."""
    replicas: int
    eviction: str
    """What the server does when its memory is full; `noeviction` is the only safe answer for logs."""
    address: str = ""
    """Where it is."""


class Server:
    """Opens connections to the primary that a URL names."""

    def __init__(
        self, url: ValkeyUrl, credentials: Credentials | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        """`credentials` stand instead of those in the URL. `context` says whom to trust; by default, whom the system
        trusts."""
        self._url = url
        self._credentials = credentials or self._from_url
        self._context = (context or ssl.create_default_context()) if url.is_encrypted else None
        self._sentinels = Sentinels(url.addresses, url.sentinel, self._ask_sentinel) if url.sentinel else None

    async def _from_url(self) -> tuple[str, str]:
        return self._url.user, self._url.password

    async def connect(self, pushed: Pushed, lost: Callable[[str], None]) -> tuple[Connection, ServerFacts]:
        """Open a connection to the primary. Raises Unreachable after two seconds, or with the server's refusal."""
        where = ", ".join(map(str, self._url.addresses))
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                address = await self._primary()
                where = str(address)
                return await self._greet(address, pushed, lost)
        except TimeoutError:
            raise Unreachable(f"{where} does not answer within {CONNECT_TIMEOUT_S:g} s") from None
        except (OSError, hiredis.HiredisError) as error:
            raise Unreachable(f"{where}: {error}") from error

    async def agreed_primary(self) -> str | None:
        """Where the primary is, if more than half of the Sentinels agree on that."""
        try:
            named = None if self._sentinels is None else await self._sentinels.named()
        except NotNamed:
            return None
        return str(named.address) if named is not None and named.is_agreed else None

    async def _primary(self) -> Address:
        """The server itself, or the one that the Sentinels name."""
        if self._sentinels is None:
            return self._url.addresses[0]
        try:
            return (await self._sentinels.named()).address
        except NotNamed as error:
            raise Unreachable(str(error)) from None

    async def _ask_sentinel(self, sentinel: Address, name: str) -> Reply:
        connection, broken = await self._open(sentinel, lambda _push: None, lambda _reason: None)
        try:
            command = packed("SENTINEL", "get-master-addr-by-name", name)
            return (await _asked(connection, command, 1, broken))[0]
        except Unreachable as error:
            raise ConnectionError(str(error).removeprefix(f"{sentinel}: ")) from None
        finally:
            connection.abort("not needed any more")

    async def _open(
        self, address: Address, pushed: Pushed, lost: Callable[[str], None]
    ) -> tuple[Connection, asyncio.Future[None]]:
        """A connection, and a future that fails with Unreachable when it is lost."""
        loop = asyncio.get_running_loop()
        broken: asyncio.Future[None] = loop.create_future()

        def ended(reason: str) -> None:
            if not broken.done():
                broken.set_exception(Unreachable(f"{address}: {reason}"))
                broken.exception()  # nobody has to look at it
            lost(reason)

        _, connection = await loop.create_connection(
            lambda: Connection(loop.time, pushed, ended),
            address.host,
            address.port,
            ssl=self._context,
            server_hostname=address.host if self._context else None,
        )
        return connection, broken

    async def _greet(
        self, address: Address, pushed: Pushed, lost: Callable[[str], None]
    ) -> tuple[Connection, ServerFacts]:
        user, password = await self._credentials()
        is_open = False
        connection, broken = await self._open(address, pushed, lambda reason: lost(reason) if is_open else None)
        try:
            hello: tuple[Part, ...] = ("HELLO", "3")
            if password:
                hello = (*hello, "AUTH", user or "default", password)
            welcome, info = await _asked(connection, packed(*hello) + packed("INFO"), 2, broken)
            facts = replace(read_facts(str(address), welcome, info), address=str(address))
        except BaseException:
            connection.abort("the greeting failed")
            raise
        is_open = True
        return connection, facts


async def _asked(connection: Connection, commands: bytes, count: int, broken: asyncio.Future[None]) -> Sequence[Reply]:
    """The replies to some commands. Raises Unreachable if the connection is lost."""
    answer: asyncio.Future[Sequence[Reply]] = asyncio.get_running_loop().create_future()
    connection.send(commands, count, lambda replies: None if answer.done() else answer.set_result(replies))
    either: set[asyncio.Future[Any]] = {answer, broken}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if broken.done():
        broken.result()
    return answer.result()


def read_facts(address: str, welcome: Reply, info: Reply) -> ServerFacts:
    """What a server answered to HELLO and INFO. Raises Unreachable unless it is a primary that can be used."""
    for reply in (welcome, info):
        if isinstance(reply, hiredis.ReplyError):
            raise Unreachable(f"{address} refused: {reply}")
    text = info.decode(errors="replace") if isinstance(info, bytes) else str(info)
    fields: Mapping[str, str] = dict(
        line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#")
    )
    if fields.get("loading", "0") != "0":
        raise Unreachable(f"{address} is loading its data")
    role = fields.get("role", "master")
    if role != "master":
        raise Unreachable(f"{address} is a replica: a node writes to the primary only")
    return ServerFacts(
        version=fields.get("valkey_version") or fields.get("redis_version", "unknown"),
        generation=fields.get("master_replid", ""),
        replicas=int(fields.get("connected_slaves", "0")),
        eviction=fields.get("maxmemory_policy", "unknown"),
    )
