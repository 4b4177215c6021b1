"""The queue of an agent, as the worker sees it."""

from dataclasses import dataclass, field
from typing import Protocol


class QueueUnavailableError(Exception):
    """The queue did not answer. It may soon."""


class LeaseLostError(Exception):
    """The queue shows this message to others again."""


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A message of the queue, hidden from others for a while."""

    handle: str
    body: str
    attributes: dict[str, str] = field(default_factory=dict)
    """The sender's attributes, those that are text."""
    group: str | None = None
    """On a FIFO queue: its messages are worked on one after the other."""
    receives: int = 1
    """How often it was received, this time included."""


class TaskQueue(Protocol):
    """A queue that shows each message to one reader at a time, and to others again if it is not deleted in time."""

    hidden_s: float
    """How long a message stays hidden after its receipt. Known after `look_up`."""
    receives_max: int | None
    """After so many receives the queue moves a message away; None if it never does. Known after `look_up`."""

    async def look_up(self) -> None:
        """Learn how the queue is set up. Raises QueueUnavailableError."""
        ...

    async def receive(self, count: int, wait_s: float) -> list[Received]:
        """Take up to `count` messages, and wait up to `wait_s` seconds for the first. Raises QueueUnavailableError."""
        ...

    async def hide(self, handle: str, seconds: float) -> None:
        """Hide a message for so long from now on; 0 shows it to others at once. Raises QueueUnavailableError, or
        LeaseLostError if somebody else may have it."""
        ...

    async def delete(self, handle: str) -> None:
        """Delete a message: its work is done. Raises QueueUnavailableError."""
        ...

    async def send(self, agent: str, message_id: str, project_id: str | None, body: str) -> None:
        """Put a task into the queue of another agent. The same `message_id` again is the same task. Raises
        QueueUnavailableError, or ValueError if that agent has no queue."""
        ...
