"""`Sec-WebSocket-Extensions`: what a client offers and what is agreed on (RFC 6455 section 9.1, RFC 7692 section 7)."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

OFFERS_CHARACTERS_MAX: Final = 2048
"""The longest header that is read, all its lines together. Browsers send less than 100 characters."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110 section 5.6.2
_SPACE: Final = r"[ \t]*"
_NAME: Final = re.compile(rf"{_SPACE}({_TOKEN}){_SPACE}")
_VALUE: Final = rf'=(?:{_SPACE}(?P<token>{_TOKEN})|{_SPACE}"(?P<quoted>(?:[^"\\]|\\.)*)"){_SPACE}'
_PARAMETER: Final = re.compile(rf";{_SPACE}(?P<name>{_TOKEN}){_SPACE}(?:{_VALUE})?")
_NOTHING: Final = re.compile(r"[ \t,]*")

_DEFLATE: Final = "permessage-deflate"
_WINDOW_BITS: Final = frozenset(str(bits) for bits in range(8, 16))
_AGREED: Final = f"{_DEFLATE}; server_no_context_takeover; client_no_context_takeover"

Offer = tuple[str, list[tuple[str, str | None]]]
"""An extension's name, and its parameters in their order, each with its value; None if it has no value."""


def agreed_extensions(values: Sequence[str]) -> str:
    """The answer to the values of `Sec-WebSocket-Extensions`; empty if no offer is accepted. Raises ValueError if they
    cannot be read; then the connection fails (RFC 6455 section 9.1)."""
    header = ",".join(values)
    if len(header) > OFFERS_CHARACTERS_MAX:
        raise ValueError("too long")
    answers = (_answer(parameters) for name, parameters in list(_offers(header)) if name == _DEFLATE)
    return next((answer for answer in answers if answer), "")


def _answer(parameters: list[tuple[str, str | None]]) -> str:
    """The answer to one offer of permessage-deflate; empty if it is declined.

    Both sides forget everything after each message. A server may ask for that even if the client did not offer it (RFC
    7692 section 7.1.1). One frame is made for everybody, with the largest window, so an offer that demands a smaller
    window of the gateway is declined.
    """
    known = dict(parameters)
    if len(known) != len(parameters):
        return ""
    if not all(_is_acceptable(name, value) for name, value in parameters):
        return ""
    return f"{_AGREED}; server_max_window_bits=15" if "server_max_window_bits" in known else _AGREED


def _is_acceptable(name: str, value: str | None) -> bool:
    if name == "server_max_window_bits":
        return value == "15"
    if name == "client_max_window_bits":
        return value is None or value in _WINDOW_BITS
    return name in ("server_no_context_takeover", "client_no_context_takeover") and value is None


def _offers(header: str) -> Iterator[Offer]:
    """Every extension in the header, in the client's order of preference. Raises ValueError."""
    end = _after_commas(header, 0)
    if end == len(header):
        raise ValueError("empty")
    while end < len(header):
        extension = _NAME.match(header, end)
        if extension is None:
            raise ValueError("not an extension")
        end = extension.end()
        parameters: list[tuple[str, str | None]] = []
        while parameter := _PARAMETER.match(header, end):
            parameters.append((parameter["name"], _value(parameter)))
            end = parameter.end()
        yield extension[1], parameters
        if end < len(header) and header[end] != ",":
            raise ValueError("not a parameter")
        end = _after_commas(header, end)


def _after_commas(header: str, start: int) -> int:
    """Where the next extension begins. A list may have empty elements, with nothing between two commas (RFC 9110
    section 5.6.1)."""
    found = _NOTHING.match(header, start)
    return found.end() if found else start


def _value(parameter: re.Match[str]) -> str | None:
    quoted = parameter["quoted"]
    if quoted is None:
        return parameter["token"]
    value = re.sub(r"\\(.)", r"\1", quoted)
    if re.fullmatch(_TOKEN, value) is None:
        raise ValueError("a quoted value is a token")
    return value
