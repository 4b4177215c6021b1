"""What the parts of the engine share, and what a project shows to those who read and follow it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from websocket_handler.delivery.limits import DeliveryLimits
from websocket_handler.hub.log import ProjectLog
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.ports.log_store import LogStore
from websocket_handler.ports.transport import Group, one_by_one
from websocket_handler.protocol.codes import CommandError
from websocket_handler.telemetry.counters import Counters

Known = Callable[[CommandError | None], None]
"""Called once: when the log is known, or with why it is not."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What all projects of a node share."""

    store: LogStore
    clock: Clock
    scheduler: Scheduler
    limits: DeliveryLimits
    counters: Counters
    new_id: Callable[[], str]
    """A fresh id of [A-Za-z0-9_-]: epochs and writers."""
    finish: Callable[[bytes, int], bytes]
    """A publication's head and offset to its wire payload."""
    are_resets_told: bool = True
    """Whether a cursor that lost its place is told; broadcasts promise nothing, so there it is not."""
    group: Group = one_by_one
    """How the same bytes reach many clients."""


class Log(Protocol):
    """A project as its readers and followers see it."""

    project_id: str
    log: ProjectLog
    floor: int
    """The offset before the oldest publication that the log store can still give, as far as is known."""

    def when_open(self, callback: Known) -> None:
        """Call once the log is known."""
        ...

    def refresh(self, done: Known) -> None:
        """Read what another node may have written since."""
        ...
