"""Reads a log as soon as another node says that it went on."""

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from websocket_handler.delivery.node import Node
from websocket_handler.logs.project import Project
from websocket_handler.ports.backplane import Backplane
from websocket_handler.protocol.codes import CommandError

LOOKS_UNDER_WAY_MAX: Final = 64
"""How many logs are read at once. After a new connection every followed log is read."""


class WakeUps:
    """The projects that this node has heard of. Each waits or is read at most once, so open projects bound them."""

    def __init__(self, backplane: Backplane, node: Node) -> None:
        self._backplane = backplane
        self._node = node
        self._waiting: dict[Project, _End] = {}
        """Heard of, and not read yet, oldest first; each with the end that was told last."""
        self._looking: set[Project] = set()
        """The projects whose read is under way. What is heard meanwhile makes them wait once more."""

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._backplane.run(self.heard)

    def heard(self, project_id: str, epoch: str, head: int) -> None:
        """Another node has written up to `head`, or messages may have been missed."""
        project = self._node.projects.find(project_id)
        if project is None:
            self._backplane.unfollow(project_id)
            return
        end = _End(epoch, head)
        if not end.is_known_to(project):
            self._waiting[project] = end
            self._look()

    def _look(self) -> None:
        room = LOOKS_UNDER_WAY_MAX - len(self._looking)
        for project in list(islice((each for each in self._waiting if each not in self._looking), max(0, room))):
            end = self._waiting.pop(project)
            self._looking.add(project)
            project.journal.refresh(partial(self._looked, project, end, project.journal.call.looks_begun))

    def _looked(self, project: Project, end: "_End", begun: int, fault: CommandError | None) -> None:
        """Look again if the answer came from a read that was under way, or from a write. After a fault the regular look
        of the follower comes back to it."""
        self._looking.discard(project)
        was_read = project.journal.call.looks_ended > begun
        if fault is None and not was_read and not end.is_known_to(project):
            self._waiting.setdefault(project, end)
        self._look()


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a log as another node told it."""

    epoch: str
    head: int

    def is_known_to(self, project: Project) -> bool:
        """True if this node has read so far."""
        log = project.journal.log
        return log.epoch == self.epoch and log.head >= self.head
