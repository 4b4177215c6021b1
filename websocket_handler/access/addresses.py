"""PURE: the address for which a connection counts. It is the peer's address, or the address that the trusted proxies in
front of the gateway report."""

from collections import Counter
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

FORWARDED_MAX: Final = 50
"""How many entries of `X-Forwarded-For` are read, from the right."""
_MAPPED: Final = bytes(10) + b"\xff\xff"
"""The bytes before an IPv4 address that is written as an IPv6 address (RFC 4291 section 2.5.5.2)."""
_LOOPBACK: Final = bytes(15) + b"\x01"


def client_address(peer: str, forwarded_for: Sequence[str], trusted_hops: int) -> str:
    """The client's address. Every trusted proxy appended the address that called it, so the entry that counts stands
    `trusted_hops` from the right; anybody may have written the entries on its left. If that entry is missing or is no
    address, the peer's own address counts."""
    if trusted_hops > 0:
        entries = [entry.strip() for value in forwarded_for for entry in value[-4096:].split(",")][-FORWARDED_MAX:]
        if len(entries) >= trusted_hops and (named := _normal(entries[-trusted_hops])):
            return named
    return _normal(peer) or peer


def _normal(text: str) -> str:
    """An address in one spelling, without a port. IPv6 becomes its /64 network, because one subscriber owns all of it.
    Empty if the text is no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return inet_ntop(AF_INET, inet_pton(AF_INET, text))
    except (OSError, ValueError):
        pass
    try:
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return ""
    if packed.startswith(_MAPPED):
        return inet_ntop(AF_INET, packed[len(_MAPPED) :])
    return inet_ntop(AF_INET6, packed) if packed == _LOOPBACK else inet_ntop(AF_INET6, packed[:8] + bytes(8)) + "/64"


class AddressCount:
    """How many connections each address has. A maximum of 0 means no limit, and then nothing is counted."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._counts: Counter[str] = Counter()

    def is_full(self, address: str) -> bool:
        """True if the address has as many connections as it may have."""
        return 0 < self._maximum <= self._counts[address]

    def enter(self, address: str) -> None:
        """Count one more connection."""
        if self._maximum:
            self._counts[address] += 1

    def leave(self, address: str) -> None:
        """Count one connection less."""
        if self._maximum:
            self._counts[address] -= 1
            if self._counts[address] <= 0:
                del self._counts[address]
