"""One socket, as the core sees it."""

from dataclasses import dataclass, field

from websocket_handler_client.core.instant import Instant


@dataclass(slots=True)
class Link:
    """A socket, from the moment in which its opening begins. Its number is never used again: what comes late from an
    earlier socket is not taken for something of a later one."""

    number: int
    opening_until_s: float
    is_open: bool = False
    opened_at_s: float = 0.0
    heard_at_s: float = 0.0
    """When the last message came."""
    pong_until_s: float | None = None
    """Set while the client waits for a sign of life."""
    come_back_at_s: float | None = None
    """Set by the gateway's `reconnect`: when the next connection is welcome."""
    closing_until_s: float | None = None
    """Set once the client has closed it."""
    retire_at_s: float | None = None
    """Set once another link has its place: it is closed then at the latest."""
    asked: dict[str, str] = field(default_factory=dict)
    """The `subscribe` commands without an answer: project by command id."""
    confirmed: dict[str, str] = field(default_factory=dict)
    """The projects whose publications count on this link, each with the epoch of their offsets."""
    calls: dict[str, int] = field(default_factory=dict)
    """The calls that wait for their reply here: call by command id."""

    def opened(self, now: Instant) -> None:
        """The handshake is over."""
        self.is_open = True
        self.opened_at_s = self.heard_at_s = now.s

    @property
    def was_announced(self) -> bool:
        """True if the gateway said that this link is about to end."""
        return self.come_back_at_s is not None

    def due_s(self, silence_s: float) -> float:
        """When something has to happen even if nothing comes in."""
        if not self.is_open:
            return self.opening_until_s
        if self.closing_until_s is not None:
            return self.closing_until_s
        due_s = self.heard_at_s + silence_s if self.pong_until_s is None else self.pong_until_s
        return due_s if self.retire_at_s is None else min(due_s, self.retire_at_s)

    def forget_project(self, project_id: str) -> None:
        """Take no further publication of a project from here."""
        self.confirmed.pop(project_id, None)
        self.asked = {command: project for command, project in self.asked.items() if project != project_id}
