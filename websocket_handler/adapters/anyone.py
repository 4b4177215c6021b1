"""`AUTH_MODE=none`: everybody may do everything."""

from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.identity import ANYONE


class Anyone:
    """Takes every token for nobody's."""

    is_open = True

    def authenticate(self, _token: str, done: Authenticated) -> None:
        done(ANYONE)

    def failure(self) -> str | None:
        return None
