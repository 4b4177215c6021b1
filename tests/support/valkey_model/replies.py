"""How a server spells its replies (RESP 2 and 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final


class Refused(Exception):
    """The server answers with this error. The text begins with its code."""


class Simple(str):
    """A status, such as OK."""

    __slots__ = ()


class Verbatim(bytes):
    """A text for people, such as the answer to INFO."""

    __slots__ = ()


class Push(list["Reply"]):
    """What the server sends unasked."""


Reply = int | bytes | Simple | None | list["Reply"] | dict[bytes, bytes] | dict[bytes, "Reply"] | Refused
OK: Final = Simple("OK")


def encoded(reply: object, version: int) -> bytes:  # noqa: PLR0911 - one case for each kind
    """The bytes of a reply."""
    match reply:
        case Simple():
            return f"+{reply}\r\n".encode()
        case Refused():
            return f"-{reply}\r\n".encode()
        case None:
            return b"_\r\n" if version == 3 else b"$-1\r\n"
        case Verbatim() if version == 3:
            return b"=%d\r\ntxt:%b\r\n" % (len(reply) + 4, reply)
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case int():
            return b":%d\r\n" % reply
        case dict():
            sign = b"%%%d\r\n" % len(reply) if version == 3 else b"*%d\r\n" % (2 * len(reply))
            return sign + b"".join(encoded(part, version) for pair in reply.items() for part in pair)
        case Push():
            return _many(b">" if version == 3 else b"*", reply, version)
        case list():
            return _many(b"*", reply, version)
        case _:
            raise AssertionError(f"no reply: {reply!r}")


def _many(sign: bytes, parts: Sequence[object], version: int) -> bytes:
    return b"%b%d\r\n%b" % (sign, len(parts), b"".join(encoded(part, version) for part in parts))
