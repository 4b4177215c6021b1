"""The commands whose replies somebody awaits. Each keeps its id or key over all its tries, so trying again is safe."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from websocket_handler_client.core.instant import Instant
from websocket_handler_client.core.link import Link


@dataclass(slots=True)
class Call:
    """One command."""

    number: int
    fields: dict[str, Any]
    deadline_s: float
    """When it has failed for want of an answer."""
    wait_until_s: float
    """How long it may wait for a connection before its first try."""
    was_sent: bool = False
    attempt: int = 0
    retry_at_s: float | None = None
    """Set after an error that passes: when it is sent again."""
    link: int | None = None
    """The link on which it waits for its reply."""

    def due_s(self) -> float:
        """When something has to happen even if nothing comes in."""
        return self.deadline_s if self.retry_at_s is None else min(self.deadline_s, self.retry_at_s)


class Calls:
    """Those that are not finished."""

    def __init__(self) -> None:
        self.open: dict[int, Call] = {}
        self._numbers = 0

    def add(self, fields: dict[str, Any], timeout_s: float, wait_s: float, now: Instant) -> Call:
        """Note a new one."""
        self._numbers += 1
        call = Call(self._numbers, fields, now.s + timeout_s, now.s + min(wait_s, timeout_s))
        self.open[call.number] = call
        return call

    def text_for(self, call: Call, link: Link) -> str:
        """Note that a call is sent on a link. Returns the command."""
        call.link, call.was_sent, call.retry_at_s = link.number, True, None
        command_id = f"c{call.number}"
        link.calls[command_id] = call.number
        return json.dumps({**call.fields, "id": command_id}, ensure_ascii=False, separators=(",", ":"))

    def unsent(self, now: Instant) -> Iterator[Call]:
        """Those that wait for a link, and whose pause is over."""
        for call in list(self.open.values()):
            if call.link is None and (call.retry_at_s is None or call.retry_at_s <= now.s):
                yield call

    def lost(self, link: Link) -> None:
        """A link has ended: what waits for a reply there is sent again on the next."""
        for number in link.calls.values():
            if number in self.open:
                self.open[number].link = None

    def due_s(self) -> float | None:
        """When the next one needs attention."""
        return min((call.due_s() for call in self.open.values()), default=None)
