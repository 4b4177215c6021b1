"""PURE: the addresses and names of WEBSOCKET_HOST."""

import re
from typing import Final

from websocket_handler.variables.shown import quoted

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?")
"""A name or an IPv4 address has no colon; an IPv6 address has at least two of them."""
_BRACKETS: Final = re.compile(r"^\[(.*:.*)\]$")
LABEL_CHARACTERS_MAX: Final = 63
"""RFC 1035 section 2.3.4. For a longer part of a name the resolver raises an error of another kind."""


def read_hosts(text: str) -> tuple[str, ...]:
    """Comma-separated addresses and names; an IPv6 address may stand in brackets. Raises ValueError."""
    hosts = tuple(_BRACKETS.sub(r"\1", entry.strip()) for entry in text.split(",") if entry.strip())
    wrong = [host for host in hosts if not _is_host(host)]
    if wrong:
        names = ("each of " if len(wrong) > 1 else "") + ", ".join(map(quoted, wrong))
        raise ValueError(f"{names} is no address: write it without a scheme and without a port (WEBSOCKET_PORT)")
    if not hosts:
        raise ValueError("names no address; WEBSOCKET_PORT alone listens nowhere")
    return hosts


def _is_host(text: str) -> bool:
    return bool(_HOST.fullmatch(text)) and all(len(label) <= LABEL_CHARACTERS_MAX for label in text.split("."))
