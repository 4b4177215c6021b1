"""Reads `VALKEY_URL`: where the server is, and who this node is there.

redis://[user[:password]@]host[:port]      one server; rediss:// with TLS; valkey:// and valkeys:// mean the same
…://host[:port],host[:port]?sentinel=NAME  Sentinels, which know the primary called NAME
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote

PORT: Final = 6379
SENTINEL_PORT: Final = 26_379
HOSTS_MAX: Final = 16
PORT_MAX: Final = 65_535
NO_PORT: Final = "has a port that is no number from 1 to 65535"
# host, host:port, [address], [address]:port; an address of IPv6 stands in brackets (RFC 3986, section 3.2.2).
_HOST: Final = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+(?:%[^\[\]]+)?)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]{0,5}))?"
)
_IS_ENCRYPTED: Final = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}


class UnusableUrl(ValueError):
    """The URL names no server. The text says what is wrong, and never repeats the password."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ValkeyUrl:
    """What the URL says."""

    addresses: tuple[Address, ...]
    """The server, or the Sentinels."""
    is_encrypted: bool = False
    user: str = ""
    """Empty: the server's default user."""
    password: str = ""
    sentinel: str = ""
    """What the Sentinels call the primary; empty without Sentinels."""

    def __str__(self) -> str:
        scheme = "rediss" if self.is_encrypted else "redis"
        query = f"?sentinel={self.sentinel}" if self.sentinel else ""
        return f"{scheme}://{','.join(map(str, self.addresses))}{query}"


def read_url(text: str) -> ValkeyUrl:
    """The parts of a URL. Raises UnusableUrl.

    `urlsplit` is not used: from the security updates of Python on (Debian's 3.11.2-6+deb12u6, for example) it raises
    ValueError for a list of hosts in which one is an IPv6 address.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in _IS_ENCRYPTED:
        raise UnusableUrl("begins with redis://, rediss://, valkey:// or valkeys://")
    if "#" in rest:
        raise UnusableUrl("has a '#': write %23 in a password")
    rest, _, query = rest.partition("?")
    place, _, database = rest.partition("/")
    if database not in ("", "0"):
        raise UnusableUrl("names a database: only database 0 has what a cluster has, so write none")
    sentinel = _sentinel(query)
    credentials, _, hosts = place.rpartition("@")
    user, _, password = credentials.partition(":")
    addresses = tuple(_address(host, SENTINEL_PORT if sentinel else PORT) for host in hosts.split(","))
    if len(addresses) > HOSTS_MAX:
        raise UnusableUrl(f"names more than {HOSTS_MAX} hosts")
    if len(addresses) > 1 and not sentinel:
        raise UnusableUrl("names several hosts: that needs ?sentinel=NAME")
    return ValkeyUrl(addresses, _IS_ENCRYPTED[scheme.lower()], unquote(user), unquote(password), sentinel)


def _sentinel(query: str) -> str:
    fields = parse_qs(query, keep_blank_values=True)
    unknown = sorted(set(fields) - {"sentinel"})
    if unknown:
        raise UnusableUrl(f"has an unknown parameter, {unknown[0]!r}: only ?sentinel=NAME is known")
    names = fields.get("sentinel", [""])
    if "sentinel" in fields and (len(names) > 1 or not names[0]):
        raise UnusableUrl("must name one primary: ?sentinel=NAME")
    return names[0]


def _address(text: str, default_port: int) -> Address:
    found = _HOST.fullmatch(text)
    if found is None:
        reason = "has a host that is no name and no address" if "[" in text or "]" in text else NO_PORT
        raise UnusableUrl(reason)
    host = (found["address"] or found["name"]).lower()
    if not host:
        raise UnusableUrl("has no host")
    port = int(found["port"]) if found["port"] else default_port
    if not 1 <= port <= PORT_MAX:
        raise UnusableUrl(NO_PORT)
    return Address(host, port)
