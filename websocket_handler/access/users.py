"""Counts how many connections each user has on this node, and knows how many the user had on the others when somebody
asked last. Event streams and requests that wait count like connections."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from websocket_handler.access.access import Holder
from websocket_handler.protocol.codes import CommandError, ErrorCode

ELSEWHERE_MAX: Final = 10_000
"""Of how many users this node keeps what the other nodes have."""


class UserCount:
    """The connections of each user, and the user's event streams and requests that wait. A maximum of 0 means no
    limit."""

    def __init__(self, maximum: int, *, is_shared: bool = False) -> None:
        """`is_shared` says that somebody tells the other nodes of this count, and calls `take_changed` again and
        again."""
        self._maximum = maximum
        self.is_told = is_shared and maximum > 0
        """True if other nodes hear of this count."""
        self._connections: dict[str, dict[Holder, None]] = {}
        self._places: Counter[str] = Counter()
        """How many event streams and requests that wait each user has."""
        self._elsewhere: OrderedDict[str, int] = OrderedDict()
        """How many connections a user has on other nodes, for those who have some; asked longest ago first."""
        self._changed: dict[str, None] = {}
        """Whose count the other nodes do not know yet."""

    def check_room(self, user_id: str) -> None:
        """Raises CommandError with `too_many_connections` unless this user may have one more connection."""
        if 0 < self._maximum <= self.count(user_id) + self._elsewhere.get(user_id, 0):
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
        self._note(user_id)

    def leave(self, user_id: str, holder: Holder) -> None:
        """Stop counting a connection."""
        own = self._connections.get(user_id, {})
        own.pop(holder, None)
        if not own:
            self._connections.pop(user_id, None)
        self._note(user_id)

    def take_place(self, user_id: str) -> Callable[[], None]:
        """Count an event stream, or a request that waits, for this user. Returns the function that stops counting it;
        call it once. Raises CommandError with `too_many_connections`."""
        self.check_room(user_id)
        self._places[user_id] += 1
        self._note(user_id)

        def leave() -> None:
            self._places[user_id] -= 1
            if not self._places[user_id]:
                del self._places[user_id]
            self._note(user_id)

        return leave

    # The other nodes

    def count(self, user_id: str) -> int:
        """How many connections, event streams and requests that wait a user has on this node."""
        return len(self._connections.get(user_id, ())) + self._places[user_id]

    @property
    def users(self) -> Iterable[str]:
        """The users who have something on this node."""
        return self._connections.keys() | self._places.keys()

    def _note(self, user_id: str) -> None:
        if self.is_told:
            self._changed[user_id] = None

    def take_changed(self) -> dict[str, None]:
        """The users whose count has changed since the last call."""
        changed, self._changed = self._changed, {}
        return changed

    def note_elsewhere(self, user_id: str, count: int) -> None:
        """A user has so many connections on the other nodes."""
        self._elsewhere.pop(user_id, None)
        if count:
            self._elsewhere[user_id] = count
            if len(self._elsewhere) > ELSEWHERE_MAX:
                self._elsewhere.popitem(last=False)
