"""What one client is shown of a run: the way from the project's log to the frames of its event stream.

It reads what the log retains, and finds out where the client stands. From there on each publication becomes the events
of one run, in the form of the client. The id of the last event that a publication became has the publication's
position. The events before that one have an empty id: nobody can resume behind them, so a client that is cut there gets
them once more.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from websocket_handler.api.streams import event_frame
from websocket_handler.hub.log import Publication
from websocket_handler.logs.feed import Feed
from websocket_handler.logs.page import Page
from websocket_handler.logs.runs.beginnings import runs_without_beginning
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.open_runs import Run
from websocket_handler.protocol.messages import Position

NO_ID: Final = b"id:\n"
"""With an empty id, a client that comes back has no last event (HTML standard)."""


class RunStream(Protocol):
    """The events of one run in the form of one kind of client."""

    mark: str
    """What stands behind the position in the id of an event."""

    @property
    def ended(self) -> bool:
        """True after an event that ends the run. Only then may the stream end."""

    def resume(self, fold: Fold) -> None:
        """The client has seen the run up to where the fold stands."""

    def join(self, fold: Fold, *, has_begun: bool) -> list[bytes]:
        """The events for a client that has seen nothing of the run, or, if it `has_begun`, a part behind which nobody
        can go on. If the run is over, its end is the last one."""

    def queued(self) -> bytes:
        """The event that says that the task waits for an agent."""

    def publication(self, payload: bytes) -> list[bytes]:
        """The events that the client gets of one publication."""


Form = Callable[[Fold, str, Callable[[], Fold | None]], RunStream]
"""Makes the stream of a run: of the fold where its client stands, the run's id, and what gives the newest fold."""


class View:
    """One client's view of one run: that of `run_id`, or, without one, the run that is under way. First `catch_up`,
    then `begin` or `join`, then `frames` for what follows."""

    def __init__(self, project_id: str, form: Form, run_id: str | None = None) -> None:
        self._form = form
        self._run_id = run_id
        self._fold = Fold(project_id)
        self._position = Position("", 0)
        self._stream: RunStream | None = None
        self._look: Callable[[], Fold | None] = _nothing
        self._is_queued = False
        self._unseen: list[bytes] = []
        """What a client that resumes has not got yet."""
        self._has_seen_all = False
        """True if the client resumes behind the end of its run."""
        self._has_begun = False
        """True if the client has a part of the stream already."""

    async def catch_up(self, feed: Feed, since: Position | None) -> None:
        """Read the log to its end, behind what was saved of its runs. A client whose position `since` is retained gets
        what follows it. Raises CommandError with `store_unavailable`."""
        self._has_begun = since is not None
        await feed.know_runs()
        self._look = feed.runs.look
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
            self._stream = self._form(self._fold, self._run_id, self._look)
            self._stream.resume(self._fold)

    @property
    def knows_run(self) -> bool:
        """True if the log says that the run has begun."""
        return self._run_id in self._fold.runs.runs or self._run_id in self._fold.ends.ended

    def has_ended(self, run_id: str) -> bool:
        """True if the log says that this run is over."""
        return run_id in self._fold.ends.ended

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
    def writers(self) -> set[str]:
        """The runs that wrote messages of the thread."""
        return {message.run_id for message in self._fold.messages.list if message.run_id is not None}

    @property
    def answered_calls(self) -> set[str]:
        """The tool calls whose results the thread has."""
        return {data["toolCallId"] for data in self._fold.messages.data() if data["role"] == "tool"}

    @property
    def is_over(self) -> bool:
        """True once the client has got the end of its run: only then may its stream end."""
        return self._stream is None or self._stream.ended

    def begin(self, run_id: str | None = None) -> list[bytes]:
        """The run has just been started; all of it is still to come. `run_id` is its name, if it had none before."""
        self._run_id = run_id or self._run_id
        assert self._run_id is not None, "only a run with a name is started"
        self._stream = self._form(self._fold, self._run_id, self._look)
        self._is_queued = True
        return []

    def join(self, run_id: str | None = None) -> list[bytes]:
        """The frames for a client that resumes or joins. If nothing is under way they are what the thread has become,
        and there are no more; none if nobody ever ran in it."""
        if self._stream is not None or self._has_seen_all:
            return self._unseen
        fold = self._fold
        self._run_id = run_id or self._run_id
        run_id = self._run_id or next(reversed(fold.runs.runs), None) or next(reversed(fold.ends.ended), None)
        if run_id is None:
            return []
        self._stream = self._form(fold, run_id, self._look)
        return self._framed(self._stream.join(fold, has_begun=self._has_begun), self._position)

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
                events.append(self._stream.queued())
            frames += self._framed(events, Position(epoch, entry.offset))
        return frames

    def _framed(self, events: Sequence[bytes], position: Position) -> list[bytes]:
        """The frames of events that belong together: nobody can resume between them."""
        assert self._stream is not None, "it has begun or joined"
        last, mark = len(events) - 1, f"id: {position.epoch}:{position.offset}{self._stream.mark}\n".encode()
        return [(mark if place == last else NO_ID) + event_frame(event, None) for place, event in enumerate(events)]


def _nothing() -> Fold | None:
    return None
