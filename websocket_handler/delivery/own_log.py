"""What a node tells about itself, in the project `_node`: a report each second, and what operators do."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from websocket_handler.delivery.forwarding import Forwarding
from websocket_handler.delivery.node import Node
from websocket_handler.ports.clock import Clock
from websocket_handler.protocol.identity import ADMIN, Identity
from websocket_handler.protocol.messages import ForwardTask, Position
from websocket_handler.protocol.publication import read_object
from websocket_handler.telemetry.events import Report
from websocket_handler.telemetry.report import Reporter, State

REPORT_INTERVAL_S: Final = 1.0
LOOKS: Final = 5
"""How often between two reports the node looks how late it is."""


DEEDS_PER_REPORT: Final = 10
"""So many publications and forwards of operators are told one by one between two reports. Of more, only their number is
told: a program with an operator's token can publish a thousand a second."""


class OwnLog:
    """Writes the log of one node. Nothing of it is kept when the process ends."""

    def __init__(
        self,
        node: Node,
        forwarding: Forwarding,
        node_id: str,
        clock: Clock,
        is_draining: Callable[[], bool],
        memory_bytes: Callable[[], int],
        cpu_s: Callable[[], float],
        note: Report,
    ) -> None:
        """`note` writes a line into the log of the process."""
        self._node = node
        self._forwarding = forwarding
        self._clock = clock
        self._is_draining = is_draining
        self._memory_bytes = memory_bytes
        self._reporter = Reporter(node_id, node.engine.counters, clock.monotonic(), cpu_s())
        self._cpu_s = cpu_s
        self._emit = note
        self._deeds = 0
        """How many publications and forwards of operators were told since the last report."""
        self._more: Counter[str] = Counter()
        """How many more there were, by their action."""

    async def run(self) -> None:
        """Report once a second, until cancelled."""
        while True:
            lag_ms = tuple([await self._look() for _ in range(LOOKS)])
            self.report(lag_ms)

    async def _look(self) -> float:
        """Wait a while. Returns by how many milliseconds it took longer than that."""
        begun, pause_s = self._clock.monotonic(), REPORT_INTERVAL_S / LOOKS
        await asyncio.sleep(pause_s)
        return max(0.0, 1000 * (self._clock.monotonic() - begun - pause_s))

    def report(self, lag_ms: tuple[float, ...] = ()) -> None:
        """Tell how the node is."""
        node = self._node
        state = State(
            connections=len(node.connections),
            projects=len(node.projects),
            forwards_waiting=sum(self._forwarding.waiting.values()),
            is_draining=self._is_draining(),
            lag_ms=lag_ms,
            memory_bytes=self._memory_bytes(),
            cpu_s=self._cpu_s(),
        )
        node.tell(read_object(self._reporter.report(self._clock.monotonic(), state)))
        more, self._deeds, self._more = self._more, 0, Counter()
        for action, count in more.items():
            self.acted(action, "", {"more": count})

    def acted(self, action: str, user_id: str, target: Mapping[str, object]) -> None:
        """Tell that an operator did something, here and in the log of the process. `target` has neither the name
        `project_id` nor `offset`, which belong to this log itself."""
        self._emit("operator.acted", {"action": action, "user_id": user_id, **target})
        self._node.tell(
            read_object(msgspec.json.encode({"type": "action", "action": action, "user_id": user_id, **target}))
        )

    def used(self, action: str, identity: Identity, target: Mapping[str, object]) -> None:
        """The same for what all clients do, if it was an operator. Ask `is_operator` before: for everybody else, not
        even the `target` is made."""
        if self._deeds < DEEDS_PER_REPORT:
            self._deeds += 1
            self.acted(action, identity.user_id, target)
        else:
            self._more[action] += 1


def published(project_id: str, position: Position) -> Mapping[str, object]:
    """What stands in the log about a publication: where it is."""
    return {"position": f"{project_id}@{position.epoch}:{position.offset}"}


def forwarded(task: ForwardTask) -> Mapping[str, object]:
    """What stands in the log about a task: never what is in it."""
    return {"agent": task.agent.value, "message_id": task.message_id, "of_project_id": task.project_id or ""}


def is_operator(identity: Identity | None) -> bool:
    """True if this is somebody with a name who has the right `admin`. Where nobody has to say who they are, operators
    cannot be told from agents."""
    return identity is not None and identity.user_id != "" and identity.may(ADMIN)
