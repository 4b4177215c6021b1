"""The port that finds out who holds a token."""

from collections.abc import Callable
from typing import Protocol

from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import Identity

Authenticated = Callable[[Identity | CommandError], None]


class Authenticator(Protocol):
    """Verifies tokens."""

    def authenticate(self, token: str, done: Authenticated) -> None:
        """Verify a token of any form and length. `done` is called once, from the event loop's thread: with the token's
        identity, or with `unauthorized` or `authentication_unavailable`. It is called before this returns, unless a key
        has to be fetched first. No answer repeats any part of the token."""
        ...

    def failure(self) -> str | None:
        """Why tokens cannot be verified at the moment, for `/ready`; None when they can."""
        ...
