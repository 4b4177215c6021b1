"""Encrypted connections: to a real Redis with TLS where this machine has one, and to a front with TLS everywhere."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.support.certificates import Authority
from tests.support.proxies import free_port
from tests.support.valkeys import Valkey, binary_of, running_valkey
from websocket_handler.adapters.valkey.connection import Connection
from websocket_handler.adapters.valkey.server import Server, ServerFacts, Unreachable
from websocket_handler.adapters.valkey.url import Address, ValkeyUrl

pytestmark = pytest.mark.asyncio
DEBIAN = "redis-debian"
NO_TLS = "only Debian's redis-server is built with TLS: `make redis` installs it"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def encrypted(port: int) -> ValkeyUrl:
    return ValkeyUrl((Address("localhost", port),), is_encrypted=True)


@asynccontextmanager
async def front(server: Valkey, context: ssl.SSLContext) -> AsyncIterator[ValkeyUrl]:
    """Speaks TLS with clients, and passes everything on to a server."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above, below = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, below), pump(above, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", ssl=context) as listening:
        yield encrypted(listening.sockets[0].getsockname()[1])


async def connect(url: ValkeyUrl, context: ssl.SSLContext | None) -> ServerFacts:
    ended = asyncio.Event()
    connection: Connection
    connection, facts = await Server(url, context=context).connect(lambda _push: None, lambda _reason: ended.set())
    connection.abort("done")
    await ended.wait()
    return facts


async def test_a_server_that_the_authority_vouches_for_is_used(valkey: Valkey, authority: Authority) -> None:
    async with front(valkey, authority.serving("localhost")) as url:
        assert (await connect(url, authority.trusting())).generation


async def test_a_certificate_that_was_renewed_is_taken_for_the_next_connection(
    valkey: Valkey, authority: Authority
) -> None:
    context = authority.serving("localhost")
    async with front(valkey, context) as url:
        trusting = authority.trusting()
        assert (await connect(url, trusting)).generation
        context.load_cert_chain(*authority.issue("localhost"))
        assert (await connect(url, trusting)).generation


@pytest.mark.parametrize(
    ("host", "ends_in_days", "trusts", "reason"),
    [
        ("elsewhere.example", 1.0, True, "Hostname mismatch"),
        ("localhost", -1.0, True, "certificate has expired"),
        ("localhost", 1.0, False, "unable to get local issuer certificate"),
    ],
    ids=["another host", "expired", "an unknown authority"],
)
async def test_a_certificate_that_is_wrong_is_refused_and_told(
    host: str, ends_in_days: float, trusts: bool, reason: str, valkey: Valkey, authority: Authority
) -> None:
    async with front(valkey, authority.serving(host, ends_in_days)) as url:
        with pytest.raises(Unreachable, match=reason):
            await connect(url, authority.trusting() if trusts else None)


async def test_a_server_without_tls_is_told(valkey: Valkey, authority: Authority) -> None:
    with pytest.raises(Unreachable):
        await connect(encrypted(valkey.port), authority.trusting())


@pytest.fixture(scope="module")
def debian(authority: Authority) -> Iterator[ValkeyUrl]:
    """A real server that takes encrypted connections only."""
    if binary_of(DEBIAN) is None:
        pytest.skip(NO_TLS)
    port, (certificate, key) = free_port(), authority.issue("localhost")
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    with running_valkey(DEBIAN, *options, "--tls-ca-cert-file", str(authority.path), "--tls-auth-clients", "no"):
        yield encrypted(port)


async def test_a_real_server_with_tls_is_used_and_another_one_is_not(debian: ValkeyUrl, authority: Authority) -> None:
    assert (await connect(debian, authority.trusting())).version.startswith("7.")
    elsewhere = replace(debian, addresses=(Address("127.0.0.1", debian.addresses[0].port),))
    with pytest.raises(Unreachable, match="IP address mismatch"):
        await connect(elsewhere, authority.trusting())
