"""The part of a project to which a journal reports what happens to the log."""

from typing import Protocol

from websocket_handler.logs.page import Page
from websocket_handler.protocol.messages import Position


class Observer(Protocol):
    """All calls come in the order of the log."""

    def appended(self, page: Page) -> None:
        """These entries are committed, and in the log."""
        ...

    def replaced(self, end: Position, beginning: int) -> None:
        """The log is known for the first time, or another log has replaced it. `beginning` is the offset before the
        oldest entry that can be read."""
        ...
