"""Checks events as they pass, and refuses none: it tells the rules that an event broke, and which clients stop."""

from typing import Any, NamedTuple

from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.problems import Rule
from websocket_handler.logs.runs.vocabulary import Fields, Generation


class Violation(NamedTuple):
    """A rule that an event broke."""

    offset: int
    """The offset of the publication in its log; in a stream, its number."""
    type: str
    run_id: str | None
    rule: Rule
    text: str
    stops: tuple[Generation, ...]
    """The clients that stop there if they get the event as it is. What the gateway sends to AG-UI clients has none."""

    def as_object(self) -> dict[str, Any]:
        """The violation as JSON has it."""
        return {**self._asdict(), "rule": self.rule.value, "stops": [each.value for each in self.stops]}


class Referee:
    """Watches one project's log, or one stream to a client."""

    def __init__(self, *, is_single: bool = False, limits: FoldLimits | None = None) -> None:
        """`is_single`: what comes is one stream to one client, and no log in which several runs stand."""
        self._fold = Fold("", limits, is_single=is_single)
        self._is_single = is_single
        self.events = 0
        """How many events of runs it has seen."""

    def see(self, fields: Fields) -> list[Violation]:
        """Check the next publication of the log, or the next event of the stream."""
        folded = self._fold.fields({**fields, "offset": 0} if self._is_single else fields)
        if folded is None:
            return []
        self.events += 1
        offset = self.events if self._is_single else self._fold.offset
        event_type = str(fields.get("type"))
        return [Violation(offset, event_type, folded.run_id, *problem) for problem in folded.problems]
