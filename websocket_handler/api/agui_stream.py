"""One run in the form of AG-UI, for a client of one generation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from websocket_handler.api.run_view import Form
from websocket_handler.logs.runs.client_stream import ClientStream, custom_event
from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.lost import LOST_CODE
from websocket_handler.logs.runs.translation import translated
from websocket_handler.logs.runs.vocabulary import QUEUED, Fields, Generation

LOST: Final = {"outcome": "error", "message": "the log no longer holds this run", "code": LOST_CODE}


class AgUiStream:
    """The events of one run for one AG-UI client."""

    mark = ""

    def __init__(self, generation: Generation, fold: Fold, run_id: str) -> None:
        self._generation = generation
        self._run_id = run_id
        self._events = ClientStream(generation, fold, run_id)
        self.resume, self.publication = self._events.resume, self._events.publication

    @property
    def ended(self) -> bool:
        """True after an event that ends the run."""
        return self._events.ended

    def join(self, fold: Fold, *, has_begun: bool) -> list[bytes]:
        """What is there, and what is open. A client that has begun takes a second beginning, too."""
        events = self._events.join(fold)
        if events and self._run_id not in fold.runs.runs:
            events[-1] = self._end(fold, events[-1])
        return events

    def _end(self, fold: Fold, usual: bytes) -> bytes:
        """How a run ended that is over. Of a run that the log does not know any more, nobody can tell."""
        end = fold.ends.ended.get(self._run_id, LOST)
        fields: Fields = {"type": "RUN_FINISHED", "threadId": fold.project_id, "runId": self._run_id}
        if end["outcome"] == "error":
            fields = {"type": "RUN_ERROR", **{name: end[name] for name in ("message", "code") if name in end}}
        elif end["outcome"] == "cancelled":
            fields = fields | {"outcome": {"type": "cancelled"}}
        else:
            return usual
        return msgspec.json.encode(translated(Event(fields["type"], fields), self._generation))

    def queued(self) -> bytes:
        """The task waits for an agent."""
        return custom_event(QUEUED, {"runId": self._run_id})


def agui_form(generation: Generation) -> Form:
    """The form for clients of this generation."""

    def form(fold: Fold, run_id: str, _look: Callable[[], Fold | None]) -> AgUiStream:
        return AgUiStream(generation, fold, run_id)

    return form
