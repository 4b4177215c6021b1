"""A project against a naive list, in any order of events: publishing, reading slowly, leaving, coming back,
another node writing, the store failing, logs trimmed and lost.

What every client may rely on: after each confirmation or reset, offsets follow without gap, repeat or disorder,
each with the bytes of the one true log; `recovered` is true only when nothing was skipped; memory is bounded.
"""

import json
from collections.abc import Callable
from enum import Enum, auto

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.clock import SteeredClock
from tests.support.doubles import WALL, HandScheduler, client_of, connect, engine_over, messages_in
from tests.support.publications import prepared, untimed, wire
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.connection import Connection
from websocket_handler.hub.log import LogLimits, Publication, Start
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.project import Project
from websocket_handler.ports.log_store import Behind, Committed, Segment, Tail, TooLarge, Unavailable, always
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import finish
from websocket_handler.telemetry.counters import Counters

MEMORY = LogLimits(messages=5, bytes=2000, seconds=50.0)
STORED = LogLimits(messages=12, bytes=1_000_000, seconds=100.0)
WRITE_BYTES = 150


class Fate(Enum):
    """What becomes of a request."""

    ANSWERED = auto()
    REFUSED = auto()
    ANSWER_LOST = auto()
    """It is carried out and nobody says so."""
    ARRIVES_LATE = auto()
    """It is carried out after its sender has given up."""


class SharedStore(MemoryLogStore):
    """The memory store as a remote one: answers come later, may be lost, and another node may write too."""

    is_shared = True

    def __init__(self, clock: SteeredClock) -> None:
        super().__init__(clock, STORED)
        self.pending: list[Callable[[Fate], None]] = []
        self.late: list[Segment] = []
        self.lost: set[str] = set()
        self.truth: dict[str, list[bytes]] = {}
        self.epoch = ""

    def open(
        self, project_id: str, done: Callable[[Tail | Unavailable], None], is_wanted: Callable[[], bool] = always
    ) -> None:
        def answer(fate: Fate) -> None:
            if fate is Fate.ANSWERED:
                MemoryLogStore.open(self, project_id, done)
            else:
                done(Unavailable("down"))

        self.pending.append(answer)

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Tail | Unavailable], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        def answer(fate: Fate) -> None:
            if fate is Fate.ANSWERED:
                MemoryLogStore.read(self, project_id, after, done)
            else:
                done(Unavailable("down"))

        self.pending.append(answer)

    def append(
        self, project_id: str, segment: Segment, done: Callable[[Committed | Behind | TooLarge | Unavailable], None]
    ) -> None:
        def answer(fate: Fate) -> None:
            if fate is Fate.ANSWERED:
                done(self.write(segment))
                return
            if fate is Fate.ANSWER_LOST:
                self.write(segment)
            elif fate is Fate.ARRIVES_LATE:
                self.late.append(segment)
            done(Unavailable("down"))

        self.pending.append(answer)

    def arrive(self) -> None:
        """A write whose sender gave up long ago reaches the store after all."""
        self.write(self.late.pop(0))

    def write(self, segment: Segment) -> Committed | Behind | TooLarge | Unavailable:
        """Write at once, for whichever node; what was written is the truth from then on."""
        if segment.epoch in self.lost:
            return Behind()
        answers: list[Committed | Behind | TooLarge | Unavailable] = []
        super().append("p", segment, answers.append)
        if isinstance(answers[0], Committed):
            self.epoch = segment.epoch
            self.truth.setdefault(segment.epoch, []).extend(record.payload for record in segment.records)
        return answers[0]

    def forget(self) -> None:
        """The log is gone: the numbering is lost with it."""
        self._logs.clear()
        self._bytes = 0
        self.lost.add(self.epoch)
        self.epoch = ""


class Follower:
    """A client that holds the gateway to its word."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.position: Position | None = None
        self.places: list[Start | CommandError] = []
        self.read = 0
        self.is_waiting = True


class ProjectMachine(RuleBasedStateMachine):
    """One project, its clients, and a store with a life of its own."""

    @initialize()
    def begin(self) -> None:
        self.clock = SteeredClock(wall=WALL)
        self.scheduler = HandScheduler(self.clock)
        self.store = SharedStore(self.clock)
        self.counters = Counters()
        self.ids = iter(range(1, 1_000_000))
        self.limits = DeliveryLimits(
            log=MEMORY, write_bytes=WRITE_BYTES, pending_messages=20, pending_bytes=3000, key_count=8, key_seconds=30.0
        )
        self.engine = engine_over(self.store, self.clock, self.scheduler, self.limits, self.counters)
        self.project = Project("p", self.engine)
        self.followers: list[Follower] = []
        self.confirmed: dict[Position, bytes] = {}
        self.keys: dict[str, tuple[bytes, Position, float]] = {}
        self.waiting = 0

    # Publishers

    @rule(count=st.integers(1, 6), size=st.sampled_from([0, 0, 30, 400]))
    def publish(self, count: int, size: int) -> None:
        for _ in range(count):
            self._publish(b'{"n":%d,"x":"%b"}' % (next(self.ids), b"x" * size), "")

    @rule(key=st.sampled_from("abc"), body=st.integers(0, 1))
    def publish_with_a_key(self, key: str, body: int) -> None:
        self._publish(b'{"key":"%b","body":%d}' % (key.encode(), body), key)

    def _publish(self, body: bytes, key: str) -> None:
        publication = prepared(body, key)
        answers: list[Position | CommandError] = []
        self.waiting += 1

        def done(answer: Position | CommandError) -> None:
            answers.append(answer)
            assert len(answers) == 1, "answered exactly once"
            self.waiting -= 1
            if isinstance(answer, CommandError):
                assert answer.code in (ErrorCode.OVERLOADED, ErrorCode.STORE_UNAVAILABLE, ErrorCode.CONFLICT)
                return
            written = self.store.truth[answer.epoch][answer.offset - 1]
            mine = finish(publication, answer.offset, 0)
            assert untimed(written) == untimed(mine), "confirmed is written, here, with these bytes"
            if not key:
                assert answer not in self.confirmed, "no two publications at one place"
            self.confirmed[answer] = written

        try:
            self.project.journal.publish(publication, done)
        except CommandError as fault:
            done(fault)

    # Clients

    @rule(
        high_water=st.sampled_from([80, 400, 100_000]),
        wish=st.sampled_from(["live", "rewind", "beginning", "future", "other"]),
        back=st.integers(0, 15),
    )
    def subscribe(self, high_water: int, wish: str, back: int) -> None:
        epoch = self.store.epoch or "none"
        head = len(self.store.truth.get(epoch, ()))
        since = {
            "beginning": Position(epoch, max(0, head - back)),
            "future": Position(epoch, head + back),
            "other": Position("other", back),
        }.get(wish)
        self._follow(since, back if wish == "rewind" else None, high_water)

    @precondition(lambda self: self.followers)
    @rule(data=st.data(), high_water=st.sampled_from([80, 100_000]))
    def reconnect(self, data: st.DataObject, high_water: int) -> None:
        """A client is cut off and resumes from the last thing that it saw."""
        follower = data.draw(st.sampled_from(self.followers))
        self._leave(follower)
        self._follow(follower.position, None, high_water)

    def _follow(self, since: Position | None, rewind: int | None, high_water: int) -> None:
        if len(self.followers) >= 6:
            return
        project = self.project
        follower = Follower(connect(high_water))
        follower.position = since
        self.followers.append(follower)

        def confirm(start: Start | CommandError) -> bool:
            assert follower.is_waiting, "confirmed once"
            assert not client_of(follower.connection).writes, "before anything is delivered"
            follower.is_waiting = False
            if isinstance(start, CommandError):
                follower.connection.subscriptions.clear()
                self.followers.remove(follower)
                return False
            position = Position(project.journal.log.epoch, start.offset)
            if since is not None and start.recovered:
                assert position == since, "recovered: nothing is missing after the position that was given"
            if since is None and rewind is None:
                assert start == Start(project.journal.log.head, recovered=True)
            follower.position = position
            return True

        cursor = project.fan_out.subscribe(follower.connection, since, rewind, confirm)
        if cursor.is_live:
            follower.connection.subscriptions["p"] = (project, cursor)

    def _leave(self, follower: Follower) -> None:
        self.followers.remove(follower)
        for project, cursor in follower.connection.subscriptions.values():
            project.fan_out.end_cursor(cursor)
            project.fan_out.end_cursor(cursor)

    @precondition(lambda self: self.followers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self._leave(data.draw(st.sampled_from(self.followers)))

    @precondition(lambda self: self.followers)
    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        client_of(data.draw(st.sampled_from(self.followers)).connection).drain()

    # The loop, the store, the world

    @rule()
    def turn(self) -> None:
        self.scheduler.settle()

    @precondition(lambda self: self.store.pending)
    @rule(fate=st.sampled_from([Fate.ANSWERED] * 5 + list(Fate)))
    def the_store_answers(self, fate: Fate) -> None:
        self.store.pending.pop(0)(fate)

    @precondition(lambda self: self.store.late)
    @rule()
    def a_late_write_arrives(self) -> None:
        self.store.arrive()

    @precondition(lambda self: len(self.store.pending) > 1)
    @rule()
    def the_store_answers_a_later_request_first(self) -> None:
        self.store.pending.pop(1)(Fate.ANSWERED)

    @rule(count=st.integers(1, 7))
    def another_node_writes(self, count: int) -> None:
        epoch = self.store.epoch or f"other{next(self.ids)}"
        head = len(self.store.truth.get(epoch, ()))
        records = [
            Publication(wire(b'{"other":%d}' % next(self.ids), offset), self.clock.wall(), offset=offset)
            for offset in range(head + 1, head + 1 + count)
        ]
        assert isinstance(self.store.write(Segment(epoch, head + 1, f"other{next(self.ids)}", records)), Committed)

    @rule()
    def look_what_others_wrote(self) -> None:
        self.project.journal.refresh(lambda _fault: None)

    @rule(seconds=st.sampled_from([1.0, 20.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.scheduler.advance(seconds)
        self.project.journal.log.trim(self.clock.wall())

    @rule(keep=st.integers(0, 500))
    def memory_is_short(self, keep: int) -> None:
        self.project.journal.log.shrink(keep)

    @precondition(lambda self: self.store.epoch)
    @rule()
    def the_log_is_lost(self) -> None:
        self.store.forget()

    # What must always hold

    @invariant()
    def clients_are_never_lied_to(self) -> None:
        for follower in getattr(self, "followers", ()):
            self._check(follower)

    def _check(self, follower: Follower) -> None:
        client = client_of(follower.connection)
        new, follower.read = client.writes[follower.read :], len(client.writes)
        for message in messages_in(b"".join(new)):
            assert follower.position is not None
            if message.get("type") == "subscription_reset":
                assert message["recovered"] is False
                follower.position = Position(message["epoch"], message["offset"])
                continue
            expected = follower.position.offset + 1
            assert message["offset"] == expected, "no gap, no repeat, no disorder"
            written = self.store.truth[follower.position.epoch][expected - 1]
            assert message == json.loads(written), "what is delivered is what is in the log"
            follower.position = Position(follower.position.epoch, expected)

    @invariant()
    def memory_is_bounded(self) -> None:
        if not hasattr(self, "project"):
            return
        log = self.project.journal.log
        assert len(log) <= MEMORY.messages
        assert log.bytes <= MEMORY.bytes
        assert self.waiting <= 20 + 500, "what waits, and the segment under way"
        for follower in self.followers:
            client = client_of(follower.connection)
            assert client.buffered <= client.high_water + WRITE_BYTES + 600, "at most one write beyond the mark"

    def teardown(self) -> None:
        """Let everything come to rest: then everybody was answered, and whoever follows is level."""
        if not hasattr(self, "project"):
            return
        for _ in range(200):
            self.scheduler.advance(1.0)
            while self.store.pending:
                self.store.pending.pop(0)(Fate.ANSWERED)
            for follower in list(self.followers):
                client_of(follower.connection).drain()
            is_quiet = not self.store.pending and not self.scheduler.ready and not self.waiting
            if is_quiet and not any(client_of(follower.connection).buffered for follower in self.followers):
                break
        self.clients_are_never_lied_to()
        assert self.waiting == 0, "every publisher was answered"
        for follower in self.followers:
            assert follower.position == self.project.journal.log.position, "everyone is level in the end"


ProjectMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=50)
TestProjectAgainstANaiveList = ProjectMachine.TestCase
