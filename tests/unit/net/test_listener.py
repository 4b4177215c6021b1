"""The addresses on which a node listens: one port on all of them, IPv4 and IPv6."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from websocket_handler.net.listener import Listener, bindable

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6"),
]


class _Namer(asyncio.Protocol):
    """Tells each client the address that it came from."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(transport.get_extra_info("peername")[0].encode())
        transport.close()


@asynccontextmanager
async def listening(*hosts: str, port: int = 0) -> AsyncIterator[Listener]:
    """A node's listener."""
    listener = Listener(hosts, port, _Namer)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


async def peer(host: str, port: int) -> str:
    """The address that a client of `host` comes from, as the node sees it."""
    reader, writer = await asyncio.open_connection(host, port)
    named = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return named


async def answers(listener: Listener, hosts: Sequence[str]) -> list[bool]:
    """Which of the addresses a client reaches."""

    async def reached(host: str) -> bool:
        try:
            await peer(host, listener.port)
        except ConnectionRefusedError:
            return False
        return True

    return [await reached(host) for host in hosts]


LOOPBACKS = ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("hosts", "reached"),
    [
        (("127.0.0.1",), [True, False]),
        (("::1",), [False, True]),
        (("0.0.0.0",), [True, False]),
        (("::",), [True, True]),
        (("127.0.0.1", "::1"), [True, True]),
        (("0.0.0.0", "::"), [True, True]),
        (("::", "0.0.0.0"), [True, True]),
        (("::", "127.0.0.1"), [True, True]),
        (("::", "::1"), [True, True]),
        (("::", "0:0:0:0:0:0:0:0"), [True, True]),
        (("127.0.0.1", "127.0.0.1"), [True, False]),
        (("::ffff:127.0.0.1",), [True, False]),
        (("::ffff:127.0.0.1", "127.0.0.1", "::1"), [True, True]),
    ],
    ids=lambda value: ",".join(map(str, value)),
)
async def test_a_node_listens_on_every_address_that_is_named(hosts: Sequence[str], reached: list[bool]) -> None:
    async with listening(*hosts) as listener:
        assert await answers(listener, LOOPBACKS) == reached


async def test_a_name_stands_for_all_its_addresses() -> None:
    known = {entry[4][0] for entry in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    async with listening("localhost") as listener:
        assert await answers(listener, LOOPBACKS) == [host in known for host in LOOPBACKS]


async def test_all_addresses_have_the_same_free_port() -> None:
    async with listening(*LOOPBACKS) as one, listening(*LOOPBACKS) as other:
        assert one.port != other.port
        assert await answers(one, LOOPBACKS) == await answers(other, LOOPBACKS) == [True, True]


async def test_a_port_that_is_taken_on_one_address_is_taken_and_nothing_stays_open() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        free = "127.7.7.7"  # other programs of the machine may hold the port on 127.0.0.1
        for hosts in ((free, "::1"), ("::1", free)):
            with pytest.raises(OSError, match="cannot listen on ::1"):
                await Listener(hosts, port, _Namer).start()
            socket.create_server((free, port)).close()


async def test_an_address_of_another_machine_is_named_in_the_error() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        await Listener(["192.0.2.1"], 0, _Namer).start()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "fe80::1%none0"])
async def test_a_name_that_nobody_knows_is_named_in_the_error(host: str) -> None:
    with pytest.raises(OSError, match=re.escape(host)):
        await Listener([host], 0, _Namer).start()


async def test_the_interface_of_a_link_local_address_is_kept() -> None:
    """A resolver gives it as a number of its own."""
    assert bindable("fe80::1", 80, 0, 4) == "fe80::1%4"
    assert bindable("fe80::1%eth0", 80, 0, 4) == "fe80::1%4"
    assert bindable("2001:db8::1", 80, 0, 0) == "2001:db8::1"


async def test_after_the_end_nobody_is_accepted() -> None:
    async with listening("::", "127.0.0.1") as listener:
        pass
    assert await answers(listener, LOOPBACKS) == [False, False]
