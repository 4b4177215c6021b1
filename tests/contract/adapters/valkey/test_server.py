"""Connections to real servers: who is let in, and what a node is told when it is not."""

import asyncio
from dataclasses import replace

import pytest

from tests.support.broken_aws import refused_port
from tests.support.valkeys import KINDS, Valkey, running_valkey
from websocket_handler.adapters.valkey.connection import Connection, packed
from websocket_handler.adapters.valkey.server import Server, ServerFacts, Unreachable, read_facts
from websocket_handler.adapters.valkey.url import Address, ValkeyUrl

pytestmark = pytest.mark.asyncio


async def connect(server: Server) -> tuple[Connection, ServerFacts]:
    return await server.connect(lambda _push: None, lambda _reason: None)


async def ask(url: ValkeyUrl, *parts: str) -> object:
    """The reply to one command, on a connection of its own."""
    connection, _ = await connect(Server(url))
    answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    connection.send(packed(*parts), 1, lambda replies: answer.set_result(replies[0]))
    reply = await answer
    connection.abort("done")
    return reply


@pytest.mark.parametrize("kind", KINDS)
async def test_every_server_says_what_it_is(kind: str) -> None:
    with running_valkey(kind) as server:
        connection, facts = await connect(Server(server.url))
        connection.abort("done")
    assert facts.version[0].isdigit()
    assert len(facts.generation) == 40
    assert (facts.replicas, facts.eviction) == (0, "noeviction")


async def test_user_and_password_are_asked_for_each_connection(valkey: Valkey) -> None:
    await ask(valkey.url, "ACL", "SETUSER", "gateway", "on", ">first", "~*", "&*", "+@all")
    passwords = ["first"]

    async def credentials() -> tuple[str, str]:
        return "gateway", passwords[-1]

    server = Server(valkey.url, credentials)
    connection, _ = await connect(server)
    connection.abort("done")
    await ask(valkey.url, "ACL", "SETUSER", "gateway", "resetpass", ">second")
    with pytest.raises(Unreachable, match="WRONGPASS"):
        await connect(server)
    passwords.append("second")
    connection, _ = await connect(server)
    connection.abort("done")
    by_url = Server(replace(valkey.url, user="gateway", password="second"))  # noqa: S106
    connection, _ = await connect(by_url)
    connection.abort("done")


async def test_a_server_that_is_away_is_named() -> None:
    with refused_port() as port, pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        await connect(Server(ValkeyUrl((Address("127.0.0.1", port),))))


async def test_a_replica_is_refused(valkey: Valkey) -> None:
    with running_valkey() as replica:
        await ask(replica.url, "REPLICAOF", "127.0.0.1", str(valkey.port))
        with pytest.raises(Unreachable, match="is a replica"):
            await connect(Server(replica.url))


async def test_sentinels_are_asked_for_the_primary(valkey: Valkey) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"main\r\n")
        port = str(valkey.port).encode()
        writer.write(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%b\r\n" % (len(port), port))
        writer.close()

    async def knows_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"main\r\n")
        writer.write(b"_\r\n")
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1") as good,
        await asyncio.start_server(knows_nothing, "127.0.0.1") as bad,
    ):
        ports = [each.sockets[0].getsockname()[1] for each in (bad, good)]
        url = ValkeyUrl(tuple(Address("127.0.0.1", port) for port in ports), sentinel="main")
        connection, facts = await connect(Server(url))
        connection.abort("done")
        assert facts.generation
        with pytest.raises(Unreachable, match="knows no primary called 'main'"):
            await connect(Server(replace(url, addresses=url.addresses[:1])))


async def test_a_server_that_loads_its_data_is_not_used_yet() -> None:
    with pytest.raises(Unreachable, match="is loading its data"):
        read_facts("cache:6379", {}, b"# Persistence\r\nloading:1\r\n")


async def test_a_server_that_tells_nothing_is_taken_as_it_is() -> None:
    facts = read_facts("cache:6379", {}, b"")
    assert facts == ServerFacts("unknown", "", 0, "unknown")
