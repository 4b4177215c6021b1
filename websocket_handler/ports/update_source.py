"""The queue in which agents leave their updates. An update is read, published, and only then deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

HIDDEN_MAX_S: Final = 110.0
"""The longest time in seconds for which a received message may stay hidden from other readers. A killed node's messages
come again after it: the other nodes wait for them, and still know the keys of those that it published."""


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
    """The queue did not answer. Nothing is lost: a message that was not deleted comes again."""


class SourceUnusable(SourceUnavailable):
    """Only an operator can end the fault: the queue does not exist, or the gateway may not use it."""


class UpdateSource(Protocol):
    """Delivers each message at least once. A message comes again if nobody deletes it while it is hidden."""

    name: str
    """Its name in the answer of `/ready`."""

    is_ordered: bool
    """True if messages that belong together come in the order in which they were sent, each one only after the one
    before it was deleted. Otherwise they come in any order."""

    batch_messages_max: int
    """How many messages one `delete` or `extend` may name."""

    hidden_s: float
    """For how many seconds a received message stays hidden from other readers; at most `HIDDEN_MAX_S`."""

    async def check(self) -> None:
        """Look up if the queue exists, and how long it hides a message. Raises SourceUnavailable."""
        ...

    async def receive(self) -> Sequence[Update]:
        """Wait for messages, for some seconds at most. Raises SourceUnavailable, and SourceUnusable if only an operator
        can end the fault. `delete` and `extend` raise the same errors."""
        ...

    async def delete(self, handles: Sequence[str]) -> None:
        """Delete these messages. Raises SourceUnavailable."""
        ...

    async def extend(self, handles: Sequence[str]) -> None:
        """Hide these messages for another `hidden_s`. Raises SourceUnavailable."""
        ...
