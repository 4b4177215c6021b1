"""The idempotency keys of one project's recent publications."""

from websocket_handler.protocol.codes import CommandError, ErrorCode


class KeyWindow:
    """Remembers the latest keys. Count and age are limited; the oldest key is forgotten first."""

    __slots__ = ("_count_max", "_entries", "_seconds")

    def __init__(self, count_max: int, seconds: float) -> None:
        self._count_max = count_max
        self._seconds = seconds
        self._entries: dict[str, tuple[int, bytes, float]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def remember(self, key: str, digest: bytes, offset: int, now: float) -> None:
        """Note that `key` stands for the publication at `offset` from now on. `now` is wall-clock seconds."""
        self._entries.pop(key, None)
        self._entries[key] = (offset, digest, now)
        self.expire(now)

    def expire(self, now: float) -> None:
        """Forget the keys that are too old, and the oldest ones when there are too many."""
        oldest = now - self._seconds
        entries = self._entries
        while entries:
            key = next(iter(entries))
            if len(entries) <= self._count_max and entries[key][2] >= oldest:
                return
            del entries[key]

    def holds(self, key: str, now: float) -> bool:
        """True if `key` stands for a publication. `now` is wall-clock seconds."""
        entry = self._entries.get(key)
        return entry is not None and entry[2] >= now - self._seconds

    def find(self, key: str, digest: bytes, now: float) -> int | None:
        """The offset of the publication that `key` stands for; None if the key is new. Raises CommandError with
        `conflict` if the key stands for another body."""
        entry = self._entries.get(key)
        if entry is None or entry[2] < now - self._seconds:
            return None
        if entry[1] != digest:
            raise key_conflict()
        return entry[0]


def key_conflict() -> CommandError:
    """The answer to a key that already stands for another body."""
    return CommandError(ErrorCode.CONFLICT, "this key already stands for another message")
