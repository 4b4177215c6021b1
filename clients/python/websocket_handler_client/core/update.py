"""One publication, as a reader gets it."""

from dataclasses import dataclass
from typing import Any

from websocket_handler_client.core.position import Position


@dataclass(slots=True)
class Update:
    """A publication of a project. It is not frozen, because there is one for each publication, and a frozen one takes
    three times as long to make."""

    project_id: str
    epoch: str
    offset: int
    data: dict[str, Any]
    """The publisher's object, with `project_id`, `offset` and `published_at` as the gateway added them."""
    first_offset: int
    """The lowest offset that it stands for: `offset` itself, unless the gateway joined deltas to this update."""

    @property
    def position(self) -> Position:
        """The position behind this update: give it to `updates(since=…)` to go on from here."""
        return Position(self.epoch, self.offset)

    @property
    def type(self) -> str:
        """The publisher's `type`; empty if there is none."""
        found = self.data.get("type", "")
        return found if isinstance(found, str) else ""

    @property
    def is_snapshot(self) -> bool:
        """True for what `updates(from_="snapshot")` begins with: what the runs of the project have become. Its fields
        are in section 4 of the protocol. No publication has an `epoch`."""
        return "epoch" in self.data

    def __getitem__(self, name: str) -> Any:
        """A field of the publisher's object. Raises KeyError if there is none."""
        return self.data[name]
