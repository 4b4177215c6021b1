"""Where agents leave their updates: a queue that is read, published, and only then cleared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Update:
    """One message of the updates queue.

    `update_id` stays the same when the message is delivered again; `handle` names this delivery; `attributes` are the
    attributes `ProjectId` and `Broadcast`, as far as the message has them: None stands for a value that is no text.
    """

    update_id: str
    handle: str
    body: bytes
    attributes: Mapping[str, str | None]


class SourceUnavailable(Exception):
    """The queue did not answer. Nothing was lost: what was not deleted comes again."""


class UpdateSource(Protocol):
    """At least once, in any order. What is not deleted while it is hidden comes again."""

    name: str
    """What `/ready` calls it."""

    batch_messages_max: int
    """How many messages one `delete` or `extend` may name."""

    hidden_s: float
    """For how many seconds a received message stays hidden from other readers."""

    async def receive(self) -> Sequence[Update]:
        """Wait for messages, some seconds at most. Raises SourceUnavailable."""
        ...

    async def delete(self, handles: Sequence[str]) -> None:
        """Forget these messages for good. Raises SourceUnavailable."""
        ...

    async def extend(self, handles: Sequence[str]) -> None:
        """Hide these messages for another `hidden_s`. Raises SourceUnavailable."""
        ...
