"""Tokens that end when a test says so. Nothing in them tells the client when."""

from itertools import count

from websocket_handler.access.rights import unauthorized
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.identity import RIGHTS, Identity


class LentTokens:
    """Gives tokens to a client, and is the gateway's authenticator."""

    def __init__(self) -> None:
        self.lent = 0
        """How many a client has fetched."""
        self._numbers = count(1)
        self._known: set[str] = set()
        """Those that the gateway has accepted."""
        self._ended: set[str] = set()

    def lend(self) -> str:
        """A new token."""
        self.lent += 1
        return f"token-{next(self._numbers)}"

    def end(self) -> None:
        """Every token that the gateway has accepted ends."""
        self._ended |= self._known

    # The port

    def authenticate(self, token: str, done: Authenticated) -> None:
        if token in self._ended:
            done(unauthorized("the token expired"))
            return
        self._known.add(token)
        done(Identity("ada", None, ("*",), RIGHTS))

    def failure(self) -> str | None:
        return None
