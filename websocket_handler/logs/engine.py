"""What the logs of all projects of a node share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from websocket_handler.hub.pace import Pace
from websocket_handler.logs.folding import Folding
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.turn import Turn
from websocket_handler.logs.violations import Violations
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.ports.log_store import LogStore
from websocket_handler.ports.transport import Group, one_by_one
from websocket_handler.protocol.publication import PreparedPublication
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.events import Report


def _nobody_reads(_event: str, _fields: dict[str, object]) -> None:
    """For a node without a log of events."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts that every project uses, and the two functions that differ for the broadcast log."""

    store: LogStore
    clock: Clock
    scheduler: Scheduler
    limits: DeliveryLimits
    counters: Counters
    new_id: Callable[[], str]
    """Makes a new id of the characters [A-Za-z0-9_-], for epochs and writers."""
    finish: Callable[[PreparedPublication, int, int], bytes]
    """Makes the bytes that subscribers get, from a publication's head, its offset and its time."""
    chance: Callable[[], float]
    """Gives random numbers from 0 to 1, so that clients that are refused together do not come back together."""
    are_resets_told: bool = True
    """False for broadcasts: they promise nothing, so a subscriber is not told that it missed some."""
    has_runs: bool = True
    """False for logs that are no project's: nobody looks for runs in them."""
    group: Group = one_by_one
    """How the same bytes are sent to many clients."""
    has_peers: bool = False
    """True if several nodes may meet the same empty log: then the store says under which epoch it begins."""
    report: Report = _nobody_reads
    """Told of what an operator should read."""
    turn: Turn = field(init=False)
    """What the logs do at the end of this turn of the loop."""
    pace: Pace | None = field(init=False)
    """When each log may be written again; None if every segment leaves at once."""
    folding: Folding = field(init=False)
    """Joins the deltas of the pages for those who ask for it."""
    violations: Violations = field(init=False)
    """Told where agents break the rules of AG-UI."""

    @property
    def are_epochs_agreed(self) -> bool:
        """True if an empty log begins under the epoch that the store says."""
        return self.has_peers and self.store.is_shared

    def __post_init__(self) -> None:
        object.__setattr__(self, "turn", Turn(self.scheduler))
        linger_s = self.limits.commit_linger_s
        object.__setattr__(self, "pace", Pace(linger_s) if linger_s else None)
        object.__setattr__(self, "folding", Folding(self.limits.message_bytes))
        object.__setattr__(self, "violations", Violations(self.counters, self.report, self.clock.monotonic))
