"""The callers that wait until a log is known."""

from collections.abc import Callable

from websocket_handler.logs.shared_reads import IsWanted
from websocket_handler.protocol.codes import CommandError

Known = Callable[[CommandError | None], None]
"""Called once: with None when the log is known, or with the reason why it is not."""


class WhenKnown:
    """The callers that wait until the log is known, for the first time or again. A cursor, a feed and a look wait at
    most once each."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: list[tuple[Known, IsWanted]] | None = None
        """None while nobody waits. Other classes may only ask for that."""

    def add(self, callback: Known, is_wanted: IsWanted) -> None:
        """Let one more wait. `is_wanted` returns False once it waits no longer."""
        if self.waiting is None:
            self.waiting = []
        self.waiting.append((callback, is_wanted))

    @property
    def is_wanted(self) -> bool:
        """True if anybody still waits."""
        return any(is_wanted() for _, is_wanted in self.waiting or ())

    def take(self) -> list[Known]:
        """Those who wait now. They wait no longer, and have to be told."""
        waiting, self.waiting = self.waiting, None
        return [callback for callback, _ in waiting or ()]
