"""The queues and tables that settings name, and which of them only an operator can make usable again.

The log reports it when it happens, repeats it once a minute while the resource is in use, and reports when it is over.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from websocket_handler.protocol.rate import TokenBucket
from websocket_handler.telemetry.log import EventLog

REMINDER_S: Final = 60.0
BURST: Final = 3.0
"""How many lines a resource whose state changes again and again may write at once. After that it may write one each
REMINDER_S."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One queue or table. `setting` is the variable that names it, or the variables if several do."""

    setting: str
    name: str

    @property
    def subject(self) -> str:
        """Its name in error texts."""
        return f"{self.setting}={self.name}"


@dataclass(slots=True)
class _State:
    """What is known about one resource."""

    bucket: TokenBucket
    faults: dict[str, str] = field(default_factory=dict)
    """Why it cannot be used, by operation."""
    told_at: float | None = None
    """When a line last said that it cannot be used; None if no line has said so since it last worked."""
    left_out: int = 0


class Resources:
    """Notes what calls find out about each resource. `now` gives monotonic seconds."""

    def __init__(self, log: EventLog, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self._states: dict[Resource, _State] = {}

    @property
    def unusable(self) -> int:
        """How many resources cannot be used until an operator acts."""
        return sum(1 for state in self._states.values() if state.faults)

    def failed(self, resource: Resource, operation: str, code: str, reason: str) -> None:
        """Note that an operation failed, and that only an operator can change that."""
        now = self._now()
        state = self._states.get(resource)
        if state is None:
            state = self._states[resource] = _State(TokenBucket(1 / REMINDER_S, BURST, now))
        is_due = state.told_at is None or state.faults.get(operation) != code or now - state.told_at >= REMINDER_S
        state.faults[operation] = code
        if not (is_due and state.bucket.allows(now)):
            state.left_out += 1
            return
        state.told_at = now
        more: dict[str, object] = {"left_out": state.left_out} if state.left_out else {}
        state.left_out = 0
        self._log.emit(
            "resource.unusable",
            setting=resource.setting,
            resource=resource.name,
            operation=operation,
            code=code,
            reason=reason,
            **more,
        )

    def worked(self, resource: Resource, operation: str) -> None:
        """Note that an operation worked."""
        state = self._states.get(resource) if self._states else None  # nearly always there is none
        if state is None or state.faults.pop(operation, None) is None or state.faults:
            return
        if state.told_at is not None:
            state.told_at = None
            self._log.emit("resource.usable", setting=resource.setting, resource=resource.name)
