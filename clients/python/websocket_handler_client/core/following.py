"""Which projects the client follows, and where it stands in each: no publication is missed, none is taken twice.

Two links may bring the same project for a while, when one takes the place of the other. Each brings its publications in
order, and whichever has the next one first is taken.
"""

from dataclasses import dataclass
from typing import Any

from websocket_handler_client.core.effects import Arrived, Effect, Reset
from websocket_handler_client.core.link import Link
from websocket_handler_client.core.messages import Message
from websocket_handler_client.core.position import Position
from websocket_handler_client.core.update import Update


class BrokenOrderError(Exception):
    """The gateway skipped a publication. It never does; what stands between has lost something."""


class PartlyKnownError(Exception):
    """A joined publication came of which the readers have a part already, from another link."""

    def __init__(self, project_id: str) -> None:
        super().__init__(project_id)
        self.project_id = project_id


@dataclass(slots=True)
class Follow:
    """One project."""

    project_id: str
    start: dict[str, Any]
    """What the first `subscribe` asks for: `since`, `rewind` or nothing. `from` is for when there is no position."""
    epoch: str | None = None
    """None before the first confirmation."""
    offset: int = 0
    """That of the last update that the readers got."""
    is_paused: bool = False
    """True while a reader is too slow: then the gateway is asked for nothing."""
    retry_at_s: float | None = None
    attempt: int = 0
    is_dense: bool = False
    """True if nothing may come joined on the present link, because a reader had a part of it already."""

    @property
    def position(self) -> Position | None:
        """Behind the last update; None before the first confirmation."""
        return None if self.epoch is None else Position(self.epoch, self.offset)

    @property
    def asked(self) -> Position | None:
        """The position, or else the one to begin at."""
        begin = self.start.get("since")
        return self.position or (None if begin is None else Position(**begin))

    @property
    def awaits_snapshot(self) -> bool:
        """True until the snapshot is there that it begins with."""
        return "from" in self.start and "since" not in self.start and self.epoch is None

    def move_to(self, place: Position) -> None:
        """Stand at a position."""
        self.epoch, self.offset = place.epoch, place.offset

    def fields(self) -> dict[str, Any]:
        """What a `subscribe` asks for now."""
        if self.position is not None:
            return {"since": self.position.as_field()}
        if "since" in self.start:
            return {"since": self.start["since"]}
        return {"from": "snapshot"} if self.awaits_snapshot else self.start


class Following:
    """All projects of a client."""

    def __init__(self) -> None:
        self.projects: dict[str, Follow] = {}

    def confirmed(self, link: Link, message: Message, others: list[Link]) -> list[Effect]:
        """Take a `subscription_confirmed` that answers a `subscribe` on this link."""
        follow = self.projects[message["project_id"]]
        follow.attempt, follow.retry_at_s = 0, None
        place = Position(message["epoch"], message["offset"])
        if not message["recovered"]:
            return self._begin_anew(link, follow, place, others)
        link.confirmed[follow.project_id] = place.epoch
        if follow.awaits_snapshot:
            return []  # the snapshot has the position, and nothing counts before it
        if follow.epoch != place.epoch:
            follow.move_to(place)  # the first one; or a log in which there was nothing to miss
        elif place.offset > follow.offset:
            raise BrokenOrderError(f"{follow.project_id} goes on at {place}, but the client is at {follow.position}")
        return []

    def reset(self, link: Link, message: Message, others: list[Link]) -> list[Effect]:
        """Take a `subscription_reset`."""
        follow = self.projects.get(message["project_id"])
        if follow is None or follow.project_id not in link.confirmed:
            return []
        return self._begin_anew(link, follow, Position(message["epoch"], message["offset"]), others)

    def snapshot(self, link: Link, message: Message) -> list[Effect]:
        """Take a snapshot."""
        follow = self.projects.get(message["project_id"])
        if follow is None or not follow.awaits_snapshot or link.confirmed.get(follow.project_id) != message["epoch"]:
            return []
        place = Position(message["epoch"], message["offset"])
        follow.move_to(place)
        return [Arrived(Update(follow.project_id, place.epoch, place.offset, message, place.offset))]

    def publication(self, link: Link, message: Message) -> Update | None:
        """Take a publication. Returns None if the readers have it already, or if nobody wants it. Raises
        BrokenOrderError if one is missing before it, and PartlyKnownError if they have a part of it."""
        project_id = message["project_id"]
        epoch = link.confirmed.get(project_id)
        follow = self.projects.get(project_id)
        if epoch is None or follow is None or follow.epoch != epoch:
            return None
        offset = message["offset"]
        if offset <= follow.offset:
            return None
        first = follow.offset + 1
        if offset != first:
            _check_joined(message, first)
        follow.offset = offset
        return Update(project_id, epoch, offset, message, first)

    def _begin_anew(self, link: Link, follow: Follow, place: Position, others: list[Link]) -> list[Effect]:
        """From here on only this link counts: what the others bring belongs to the log that was left."""
        for other in others:
            other.confirmed.pop(follow.project_id, None)
        link.confirmed[follow.project_id] = place.epoch
        asked = follow.asked
        follow.move_to(place)
        if "from" in follow.start:
            follow.start, follow.epoch = {"from": "snapshot"}, None
        return [Reset(follow.project_id, place, asked)]


def _check_joined(message: Message, first: int) -> None:
    """Raises BrokenOrderError or PartlyKnownError unless the publication stands for the offsets from `first` on."""
    project_id, joined_from = message["project_id"], message.get("first_offset")
    if not isinstance(joined_from, int) or joined_from > first:
        raise BrokenOrderError(f"{project_id}: publication {message['offset']} came after {first - 1}")
    if joined_from < first:
        raise PartlyKnownError(project_id)
