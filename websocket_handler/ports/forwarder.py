"""The agents' queues, one attempt at a time. Batching, retries and confirmation are `delivery.forwarding`'s."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent


@dataclass(frozen=True, slots=True)
class Accepted:
    """The queue holds the message; `receipt` is the queue's own id for it."""

    receipt: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The queue did not take the message. `is_senders_fault`: sending it again cannot help."""

    reason: str
    is_senders_fault: bool


@dataclass(slots=True)
class Prepared:
    """A task in the queue's own form, made once and sent at every attempt. `size`: how many bytes of the queue's
    batch limit it uses."""

    message: Any
    size: int


class QueueUnavailable(Exception):
    """The whole call failed: it is unknown whether any of its messages arrived."""


class Forwarder(Protocol):
    """Hands tasks to agents' queues."""

    name: str
    """What `/ready` calls it."""

    batch_messages_max: int
    """How many tasks one `send` may carry."""

    batch_bytes_max: int
    """How large they may be together. A single task may be larger: `prepare` decides about that."""

    def prepare(self, task: ForwardTask) -> Prepared:
        """Bring a task into the queue's form, and refuse before anything is queued what the queue would refuse.

        Raises CommandError: `message_too_large`, `invalid_characters`, `invalid_project_id`.
        """
        ...

    def keeps_order(self, agent: Agent) -> bool:
        """True if this agent's queue delivers in order: then one batch is under way at a time."""
        ...

    async def send(self, agent: Agent, tasks: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        """One attempt; an answer per task, in order. Raises QueueUnavailable. Safe to cancel: the tasks may
        or may not have arrived, and carry the same ids when they are sent again."""
        ...
