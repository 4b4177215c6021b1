"""Counts how many connections each user has on this node. Event streams and requests that wait count like
connections."""

from collections import Counter
from collections.abc import Callable

from websocket_handler.access.access import Holder
from websocket_handler.protocol.codes import CommandError, ErrorCode


class UserCount:
    """The connections of each user, and the user's event streams and requests that wait. A maximum of 0 means no
    limit."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._connections: dict[str, dict[Holder, None]] = {}
        self._places: Counter[str] = Counter()
        """How many event streams and requests that wait each user has."""

    def check_room(self, user_id: str) -> None:
        """Raises CommandError with `too_many_connections` unless this user may have one more connection."""
        taken = len(self._connections.get(user_id, ())) + self._places[user_id]
        if 0 < self._maximum <= taken:
            raise CommandError(
                ErrorCode.TOO_MANY_CONNECTIONS,
                "this user has as many connections as one may have",
                setting="CONNECTIONS_PER_USER",
            )

    def connections(self, user_id: str) -> list[Holder]:
        """The user's connections on this node, oldest first."""
        return list(self._connections.get(user_id, ()))

    def enter(self, user_id: str, holder: Holder) -> None:
        """Count a connection of this user. Counting it twice changes nothing."""
        self._connections.setdefault(user_id, {})[holder] = None

    def leave(self, user_id: str, holder: Holder) -> None:
        """Stop counting a connection."""
        own = self._connections.get(user_id, {})
        own.pop(holder, None)
        if not own:
            self._connections.pop(user_id, None)

    def take_place(self, user_id: str) -> Callable[[], None]:
        """Count an event stream, or a request that waits, for this user. Returns the function that stops counting it;
        call it once. Raises CommandError with `too_many_connections`."""
        self.check_room(user_id)
        self._places[user_id] += 1

        def leave() -> None:
            self._places[user_id] -= 1
            if not self._places[user_id]:
                del self._places[user_id]

        return leave
