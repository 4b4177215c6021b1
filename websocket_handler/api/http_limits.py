"""How much the HTTP server gives each of its sockets."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The limits of one HTTP socket, and how many HTTP sockets there may be. 0 connections means no limit."""

    head_bytes: int = 32_768
    head_timeout_s: float = 10.0
    slow_client_timeout_s: float = 60.0
    connections: int = 10_000


DEFAULT_LIMITS: Final = HttpLimits()
