"""The node's one port, on each of its addresses: every socket that it accepts goes to the entrance."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ipaddress import IPv6Address
from typing import Final

BACKLOG: Final = 2048
UNSENT_BYTES: Final = 131_072
FREE_PORT_TRIES: Final = 20
"""How often the listener takes a free port on its first address and tries the same port on the others, before it gives
up."""
_IPV4_WILDCARD: Final = "0.0.0.0"
_IPV6_WILDCARD: Final = "::"


class Listener:
    """Accepts sockets from `start` to `stop`."""

    def __init__(self, hosts: Sequence[str], port: int, protocol: Callable[[], asyncio.Protocol]) -> None:
        """`hosts` are addresses and names; `::` stands for every address of the machine, IPv4 and IPv6. `port` 0 takes
        any free one. `protocol` makes the first protocol of each socket."""
        self.hosts = hosts
        self.port = port
        """The port it listens on, once it does."""
        self._protocol = protocol
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Begin to accept. Raises OSError with the address when a name is unknown, or the port is taken there."""
        loop = asyncio.get_running_loop()
        listening = _listening_on_all(await _resolved(self.hosts), self.port)
        for each in listening:
            _bound_unsent_bytes(each)
            self._servers.append(await loop.create_server(self._protocol, sock=each, backlog=BACKLOG))
        self.port = int(listening[0].getsockname()[1])

    async def stop(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()


async def _resolved(hosts: Sequence[str]) -> list[str]:
    """The addresses that the hosts stand for, each once. Raises OSError."""
    found: dict[str, None] = {}
    for host in hosts:
        try:  # not the loop's getaddrinfo: uvloop's drops the interface of a link-local address
            entries = await asyncio.to_thread(
                socket.getaddrinfo, host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except socket.gaierror as error:
            raise OSError(error.errno, f"cannot listen on {host}: {error.strerror}") from None
        addresses = [bindable(*address) for _family, _type, _protocol, _name, address in entries]
        here = [address for address in addresses if _is_here(address)]
        found.update(dict.fromkeys(here or addresses))  # a container may lack one of the addresses of `localhost`
    return _without_covered(list(found))


def bindable(host: object, _port: object, _flow: object = 0, scope: object = 0) -> str:
    """The address that a resolver's answer names, with the interface to which a link-local one belongs. An IPv4 address
    in the form of IPv6 (`::ffff:127.0.0.1`) is the IPv4 address."""
    mapped = IPv6Address(str(host)).ipv4_mapped if ":" in str(host) else None
    if mapped is not None:
        return str(mapped)
    return f"{str(host).partition('%')[0]}%{scope}" if scope else str(host)


def _is_here(address: str) -> bool:
    """True if this machine has the address."""
    try:
        _listening(address, 0).close()
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def _without_covered(addresses: list[str]) -> list[str]:
    """The addresses that no wildcard among them covers: the kernel lets no second socket listen on a covered one."""
    if _IPV6_WILDCARD in addresses:
        return [_IPV6_WILDCARD]
    if _IPV4_WILDCARD in addresses:
        return [address for address in addresses if address == _IPV4_WILDCARD or ":" in address]
    return addresses


def _listening_on_all(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """A socket for each address, all with the same port. Raises OSError."""
    for _ in range(FREE_PORT_TRIES if port == 0 else 0):
        try:
            return _listening_on_one_port(addresses, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _listening_on_one_port(addresses, port)


def _listening_on_one_port(addresses: Sequence[str], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    with ExitStack() as opened:
        for address in addresses:
            sockets.append(opened.enter_context(_listening(address, port)))
            port = int(sockets[0].getsockname()[1])
        opened.pop_all()
    return sockets


def _listening(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    is_dual = address == _IPV6_WILDCARD
    host, _, scope = address.partition("%")
    full = (host, port, 0, int(scope)) if scope else (host, port)  # Python takes an interface as a number of its own
    try:
        return socket.create_server(full, family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, f"cannot listen on {address}, port {port}: {reason}") from None


def _bound_unsent_bytes(listening: socket.socket) -> None:
    """Let the kernel hold little more for a client than the bytes that are on their way. Then the rest waits in the
    client's outbox, which we limit, and not in megabytes of socket buffer that we do not see. Accepted sockets inherit
    the option."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
