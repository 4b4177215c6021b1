"""The agents' queues, one attempt at a time. Batching, retries and confirmation are `delivery.forwarding`'s."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent


@dataclass(frozen=True, slots=True)
class Accepted:
    """The queue holds the message. `receipt` is the queue's own id for it."""

    receipt: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The queue did not take the message. If `is_senders_fault` is true, sending it again does not help."""

    reason: str
    is_senders_fault: bool


@dataclass(slots=True)
class Prepared:
    """A task in the queue's own form. It is made once and sent at every attempt. `size` is how many bytes of the
    queue's batch limit it uses."""

    message: Any
    size: int


class QueueUnavailable(Exception):
    """The whole call failed. Nobody knows if any of its messages arrived."""


class QueueUnusable(QueueUnavailable):
    """Only an operator can end the fault: the queue does not exist, or the gateway may not use it. Nothing arrived.
    `code` is the queue's name for the fault. `is_of_one_right` is True if the queue may be there, and the gateway may
    not do this one operation: then only the same operation can find out that the fault is over."""

    def __init__(self, reason: str, code: str, *, is_of_one_right: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.is_of_one_right = is_of_one_right


class Forwarder(Protocol):
    """Hands tasks to agents' queues."""

    name: str
    """Its name in the answer of `/ready`."""

    batch_messages_max: int
    """How many tasks one `send` may carry."""

    batch_bytes_max: int
    """How many bytes they may have together. A single task may be larger; `prepare` decides about it."""

    def prepare(self, task: ForwardTask) -> Prepared:
        """Bring a task into the queue's form. What the queue would refuse is refused here, before the task waits for
        its turn.

        Raises CommandError: `message_too_large`, `invalid_characters`, `invalid_project_id`.
        """
        ...

    def keeps_order(self, agent: Agent) -> bool:
        """True if this agent's queue delivers in order. Then only one batch is under way at a time."""
        ...

    async def send(self, agent: Agent, tasks: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        """Try once. Returns one answer per task, in their order. Raises QueueUnavailable and QueueUnusable. Cancelling
        it is safe: the tasks may have arrived or not, and they carry the same ids when they are sent again."""
        ...

    async def check(self, agent: Agent) -> None:
        """Look up if this agent's queue exists. Raises QueueUnusable if it does not exist or may not be used, and
        QueueUnavailable if nobody knows. If the look-up itself is not permitted, it returns, and the first task finds
        out."""
        ...
