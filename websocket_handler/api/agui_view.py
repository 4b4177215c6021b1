"""What one AG-UI client is shown of a project: the way from the project's log to its events.

It reads what the log retains, and finds out where the client stands. From there on each publication becomes the events
of one run. The id of the last event that a publication became is the publication's position. The events before that one
have an empty id: nobody can resume behind them, so a client that is cut there gets them once more.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from websocket_handler.api.streams import event_frame
from websocket_handler.hub.log import Publication
from websocket_handler.logs.feed import Feed
from websocket_handler.logs.page import Page
from websocket_handler.logs.runs.beginnings import runs_without_beginning
from websocket_handler.logs.runs.client_stream import ClientStream, custom_event
from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.lost import LOST_CODE
from websocket_handler.logs.runs.open_runs import Run
from websocket_handler.logs.runs.translation import translated
from websocket_handler.logs.runs.vocabulary import Fields, Generation
from websocket_handler.protocol.messages import Position

QUEUED: Final = "wsh.queued"
"""The `name` of the CUSTOM event that says that the task waits for an agent."""

NO_ID: Final = b"id:\n"
"""With an empty id, a client that comes back has no last event (HTML standard)."""

LOST: Final = {"outcome": "error", "message": "the log no longer holds this run", "code": LOST_CODE}


class View:
    """One client's view of one run: that of `run_id`, or, without one, the run that is under way. First `catch_up`,
    then `begin` or `join`, then `frames` for what follows."""

    def __init__(self, project_id: str, generation: Generation, run_id: str | None = None) -> None:
        self._generation = generation
        self._run_id = run_id
        self._fold = Fold(project_id)
        self._position = Position("", 0)
        self._stream: ClientStream | None = None
        self._is_queued = False
        self._unseen: list[bytes] = []
        """What a client that resumes has not got yet."""
        self._has_seen_all = False
        """True if the client resumes behind the end of its run."""

    async def catch_up(self, feed: Feed, since: Position | None) -> None:
        """Read the log to its end. A client whose position `since` is retained gets what follows it. Raises
        CommandError with `store_unavailable`."""
        knows_what_was_before = await self._begin_at(feed, since)
        pages: list[Page] = []
        while (page := await feed.next(0)) is not None:
            pages.append(page)
        if pages and pages[0].after and not knows_what_was_before:
            for run in runs_without_beginning(entry.payload for page in pages for entry in page.entries):
                self._fold.runs.put(run)
        for page in pages:
            is_retained = since is not None and since.epoch == page.epoch and page.after <= since.offset
            for entry in page.entries:
                if self._stream is not None:
                    self._unseen += self.frames(page.epoch, (entry,))
                elif since is not None and is_retained and entry.offset == since.offset + 1:
                    self._resume()
                    self._unseen += self.frames(page.epoch, (entry,)) if self._stream is not None else ()
                self._fold.publication(entry.payload)
        self._position = feed.position
        if since == self._position and self._stream is None:
            self._resume()
        if not self.is_resumed and feed.runs.epoch == self._position.epoch:
            self._catch_up_with(feed.runs.latest())

    async def _begin_at(self, feed: Feed, since: Position | None) -> bool:
        """Begin as late as possible, where the client is or at the end of the log, with what this node has folded until
        there. Returns False, and begins where the log does, if it has not folded everything that can be read."""
        start = await feed.begin(since)
        runs = feed.runs
        fold = runs.latest() if since is None else runs.open_at(since.offset)
        if start.recovered and runs.epoch == feed.position.epoch and fold is not None:
            start = await feed.begin(Position(runs.epoch, fold.offset))
            if start.recovered:
                self._fold = fold
                return True
        feed.rewind()
        return False

    def _catch_up_with(self, latest: Fold | None) -> None:
        """The client joins, so it needs the messages, too."""
        if latest is not None and latest.offset == self._position.offset:
            self._fold = latest

    def _resume(self) -> None:
        """The fold stands where the client does: go on from here, unless it is unclear which run the client follows."""
        runs = self._fold.runs.runs
        if self._run_id is None and len(runs) == 1:
            self._run_id = next(iter(runs))
        self._has_seen_all = self._run_id in self._fold.ends.ended
        if self._run_id is not None and self._run_id not in runs and not self._has_seen_all:
            self._fold.runs.put(Run(self._run_id))  # its client has not seen its end, so it was open here
        if self._run_id in runs:
            self._stream = ClientStream(self._generation, self._fold, self._run_id)
            self._stream.resume(self._fold)

    @property
    def knows_run(self) -> bool:
        """True if the log says that the run has begun."""
        return self._run_id in self._fold.runs.runs or self._run_id in self._fold.ends.ended

    @property
    def is_resumed(self) -> bool:
        """True if the client goes on where it was."""
        return self._stream is not None or self._has_seen_all

    @property
    def open_runs(self) -> list[str]:
        """The runs that are under way, the oldest first."""
        return list(self._fold.runs.runs)

    @property
    def message_ids(self) -> set[str]:
        """The messages that the thread has."""
        return {message["id"] for message in self._fold.messages.data()}

    @property
    def is_over(self) -> bool:
        """True once the client has got the end of its run: only then may its stream end."""
        return self._stream is None or self._stream.ended

    def begin(self) -> list[bytes]:
        """The run has just been started. All of it is still to come."""
        assert self._run_id is not None, "only a run with a name is started"
        self._stream = ClientStream(self._generation, self._fold, self._run_id)
        self._is_queued = True
        return []

    def join(self) -> list[bytes]:
        """The frames for a client that resumes or joins. If nothing is under way they are what the thread has become,
        and there are no more; none if nobody ever ran in it."""
        if self._stream is not None or self._has_seen_all:
            return self._unseen
        fold = self._fold
        run_id = self._run_id or next(reversed(fold.runs.runs), None) or next(reversed(fold.ends.ended), None)
        if run_id is None:
            return []
        self._stream = ClientStream(self._generation, fold, run_id)
        events = self._stream.join(fold)
        if events and run_id not in fold.runs.runs:
            events[-1] = self._end(run_id, events[-1])
        return _frames(events, self._position)

    def _end(self, run_id: str, usual: bytes) -> bytes:
        """How a run ended that is over. Of a run that the log does not know any more, nobody can tell."""
        end = self._fold.ends.ended.get(run_id, LOST)
        fields: Fields = {"type": "RUN_FINISHED", "threadId": self._fold.project_id, "runId": run_id}
        if end["outcome"] == "error":
            fields = {"type": "RUN_ERROR", **{name: end[name] for name in ("message", "code") if name in end}}
        elif end["outcome"] == "cancelled":
            fields = fields | {"outcome": {"type": "cancelled"}}
        else:
            return usual
        return msgspec.json.encode(translated(Event(fields["type"], fields), self._generation))

    def frames(self, epoch: str, entries: Iterable[Publication]) -> list[bytes]:
        """What the client gets of publications that follow."""
        frames: list[bytes] = []
        assert self._stream is not None, "it has begun or joined"
        for entry in entries:
            if self._stream.ended:
                break
            events = self._stream.publication(entry.payload)
            if self._is_queued and events:
                self._is_queued = False
                events.append(custom_event(QUEUED, {"runId": self._run_id}))
            frames += _frames(events, Position(epoch, entry.offset))
        return frames


def _frames(events: Sequence[bytes], position: Position) -> list[bytes]:
    """The frames of events that belong together: nobody can resume between them."""
    last = len(events) - 1
    return [
        event_frame(event, position) if place == last else NO_ID + event_frame(event, None)
        for place, event in enumerate(events)
    ]
