"""The parts around the engine, driven by hand: each answers when the test says so."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.support.clock import SteeredClock
from tests.support.publications import prepared, wire
from websocket_handler.delivery.connection import Connection
from websocket_handler.hub.log import LogLimits, Publication, Start
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.project import Project
from websocket_handler.ports.clock import Clock, Scheduler
from websocket_handler.ports.log_store import (
    Behind,
    Committed,
    LogStore,
    Segment,
    SegmentLimits,
    Snapshot,
    Tail,
    TooLarge,
    Unavailable,
    always,
)
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.frames import RSV1
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import finish
from websocket_handler.protocol.session import Session, SessionLimits
from websocket_handler.telemetry.counters import Counters

NEVER_OLD = LogLimits(messages=1000, bytes=1_000_000, seconds=1e9)
SHORT = DeliveryLimits(log=LogLimits(messages=3, bytes=1_000_000, seconds=1e9))
"""The limits of a node that keeps three publications in memory."""
DOWN = Unavailable("down")
WALL = 1_000_000.0
"""The wall clock at the beginning."""


def no_chance() -> float:
    """The lowest of the numbers that chance could give."""
    return 0.0


@dataclass(eq=False)
class HandTimer:
    """A callback that will be called at a certain time."""

    at: float
    callback: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class HandScheduler:
    """Rounds of an event loop, one at a time."""

    def __init__(self, clock: SteeredClock) -> None:
        self._clock = clock
        self.ready: list[Callable[[], object]] = []
        self.timers: list[HandTimer] = []

    def call_soon(self, callback: Callable[[], object]) -> object:
        self.ready.append(callback)
        return None

    def call_later(self, delay: float, callback: Callable[[], object]) -> HandTimer:
        timer = HandTimer(self._clock.monotonic() + delay, callback)
        self.timers.append(timer)
        return timer

    def turn(self) -> None:
        """Call what is ready now, but not what that makes ready."""
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()

    def settle(self) -> None:
        """Call until nothing is ready."""
        while self.ready:
            self.turn()

    def advance(self, seconds: float) -> None:
        """Let time pass, and call what is due."""
        self._clock.advance(seconds)
        due = [timer for timer in self.timers if timer.at <= self._clock.monotonic()]
        self.timers = [timer for timer in self.timers if timer.at > self._clock.monotonic()]
        for timer in due:
            if not timer.is_cancelled:
                timer.callback()
        self.settle()


Answered = Callable[[Committed | Behind | TooLarge | Unavailable], None]
Told = Callable[[Tail | Unavailable], None]


class HandSnapshots:
    """The test answers for it: `asked` has who wants to know, `told` who has saved."""

    def __init__(self) -> None:
        self.kept: dict[str, Snapshot] = {}
        self.asked: list[tuple[str, Callable[[Snapshot | Unavailable | None], None]]] = []
        self.told: list[Callable[[bool | Unavailable], None]] = []

    def keep(self, project_id: str, snapshot: Snapshot, done: Callable[[bool | Unavailable], None]) -> None:
        self.kept[project_id] = snapshot
        self.told.append(done)

    def newest(
        self,
        project_id: str,
        done: Callable[[Snapshot | Unavailable | None], None],
        is_wanted: Callable[[], bool] = always,
    ) -> None:
        self.asked.append((project_id, done))


class HandStore:
    """A log store. The test gives each of its answers, in any order."""

    name = "hand"
    limits = SegmentLimits(messages=500, bytes=300_000)

    def __init__(self, *, is_shared: bool = True) -> None:
        self.is_shared = is_shared
        self.snapshots = HandSnapshots()
        self.opens: list[Told] = []
        self.appends: list[tuple[Segment, Answered]] = []
        self.reads: list[tuple[int, Told]] = []
        self.begins: list[tuple[str, Callable[[str | Unavailable], None]]] = []
        self.asked = 0
        """How many reads there have been."""
        self.wanted: list[Callable[[], bool]] = []
        """Tells of each open if somebody waits for it."""
        self.at_turns: list[Callable[[], int | None] | None] = []
        """Gives the offset of each read at its turn."""

    def open(self, project_id: str, done: Told, is_wanted: Callable[[], bool] = always) -> None:
        self.opens.append(done)
        self.wanted.append(is_wanted)

    def begin(self, project_id: str, epoch: str, done: Callable[[str | Unavailable], None]) -> None:
        self.begins.append((epoch, done))

    def append(self, project_id: str, segment: Segment, done: Answered) -> None:
        assert not self.appends, "one append under way per project"
        self.appends.append((segment, done))

    def read(self, project_id: str, after: int, done: Told, at_turn: Callable[[], int | None] | None = None) -> None:
        self.asked += 1
        self.reads.append((after, done))
        self.at_turns.append(at_turn)

    async def check(self) -> None:
        """It can always be used."""

    def failure(self) -> str | None:
        return None

    def opened(self, tail: Tail | Unavailable) -> None:
        """Answer the oldest open."""
        self.opens.pop(0)(tail)

    def begun(self, answer: str | Unavailable | None = None) -> str:
        """Answer the oldest begin, with its own epoch by default. Returns that epoch."""
        epoch, done = self.begins.pop(0)
        done(epoch if answer is None else answer)
        return epoch

    def appended(self, answer: Committed | Behind | TooLarge | Unavailable) -> Segment:
        """Answer the append under way. Returns its segment."""
        segment, done = self.appends.pop()
        done(answer)
        return segment

    def answer_read(self, tail: Tail | Unavailable) -> int:
        """Answer the oldest read. Returns the offset after which it reads."""
        after, done = self.reads.pop(0)
        done(tail)
        return after


EMPTY = Tail(None, 0, 0, ())


def records(first: int, last: int, *, key: str = "", wall: float = WALL) -> list[Publication]:
    """Publications that another node wrote: `{"n":offset}`."""
    return [
        Publication(wire(b'{"n":%d}' % offset, offset), wall, key, b"", offset) for offset in range(first, last + 1)
    ]


def segment(first: int, last: int, *, epoch: str = "e", writer: str = "other") -> Segment:
    """A segment that another node wrote."""
    return Segment(epoch, first, writer, records(first, last))


def tail(first: int, head: int, *, floor: int | None = None, epoch: str = "e") -> Tail:
    """The end of a log, from the offset `first` on, in one segment."""
    segments = (segment(first, head, epoch=epoch),) if first <= head else ()
    return Tail(epoch, head, first - 1 if floor is None else floor, segments)


def messages_in(data: bytes) -> list[dict[str, Any]]:
    """The JSON texts in the frames of the gateway, compressed or not."""
    found: list[dict[str, Any]] = []
    while data:
        assert data[0] in (0x81, 0x81 | RSV1), "one whole unmasked text frame"
        length, header = data[1], 2
        if length == 126:
            length, header = int.from_bytes(data[2:4]), 4
        elif length == 127:
            length, header = int.from_bytes(data[2:10]), 10
        payload = data[header : header + length]
        if data[0] & RSV1:
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        found.append(json.loads(payload))
        data = data[header + length :]
    return found


class Client:
    """A transport with an outbox. It is full above its high-water mark, and empty after `drain`."""

    descriptor = -1

    def __init__(self, high_water: int = 1_000_000) -> None:
        self.high_water = high_water
        self.writes: list[bytes] = []
        self.buffered = 0
        self.closed: tuple[int, str] | None = None
        self.connection: Connection

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.buffered += len(data)
        if self.buffered > self.high_water:
            self.connection.pause()

    def drain(self) -> None:
        """The client reads everything."""
        self.buffered = 0
        if self.connection.is_paused:
            self.connection.resume()

    def buffered_bytes(self) -> int:
        return self.buffered

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def abort(self) -> None:
        self.closed = (1006, "")

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Every message that it was sent."""
        return messages_in(b"".join(self.writes))

    @property
    def offsets(self) -> list[int]:
        """The offsets of the publications it was sent."""
        return [message["offset"] for message in self.messages if "epoch" not in message and "offset" in message]

    def forget(self) -> None:
        """Forget what was sent, so that only later messages count."""
        self.writes.clear()


def connect(high_water: int = 1_000_000, name: str = "c") -> Connection:
    """A connection with a new client."""
    client = Client(high_water)
    session = Session(SessionLimits(), 0.0)
    client.connection = Connection(name, client, session, 0.0, 0.0)
    return client.connection


def client_of(connection: Connection) -> Client:
    """The client at the other end."""
    assert isinstance(connection.transport, Client)
    return connection.transport


Answer = Position | CommandError


def engine_over(
    store: LogStore,
    clock: Clock,
    scheduler: Scheduler,
    limits: DeliveryLimits,
    counters: Counters,
    *,
    are_resets_told: bool = True,
    has_peers: bool = False,
) -> Engine:
    """An engine whose ids are `id1`, `id2` and so on, and that leaves nothing to chance."""
    ids = count(1)
    return Engine(
        store,
        clock,
        scheduler,
        limits,
        counters,
        lambda: f"id{next(ids)}",
        finish,
        no_chance,
        are_resets_told,
        has_peers=has_peers,
    )


@dataclass
class Bench:
    """One project, and the parts that it needs."""

    limits: DeliveryLimits = field(default_factory=lambda: DeliveryLimits(log=NEVER_OLD))
    store: LogStore = field(default_factory=HandStore)
    are_resets_told: bool = True
    has_peers: bool = False

    def __post_init__(self) -> None:
        self.clock = SteeredClock(wall=WALL)
        self.scheduler = HandScheduler(self.clock)
        self.counters = Counters()
        self.answers: list[Answer] = []
        self.engine = engine_over(
            self.store,
            self.clock,
            self.scheduler,
            self.limits,
            self.counters,
            are_resets_told=self.are_resets_told,
            has_peers=self.has_peers,
        )
        self.project = Project("p", self.engine)

    @property
    def hand(self) -> HandStore:
        """The store, if the test answers for it."""
        assert isinstance(self.store, HandStore)
        return self.store

    def publish(self, body: bytes = b"{}", key: str = "") -> list[Answer]:
        """Publish. Returns the list in which the answer will appear."""
        answers: list[Answer] = []
        try:
            self.project.journal.publish(prepared(body, key), answers.append)
        except CommandError as fault:
            answers.append(fault)
        return answers

    def commit(self) -> Segment:
        """Let the loop turn, and let the store take what it is given."""
        self.scheduler.settle()
        return self.hand.appended(Committed())

    def follow(
        self,
        since: Position | None = None,
        rewind: int | None = None,
        *,
        high_water: int = 1_000_000,
        folds: bool = False,
    ) -> tuple[Connection, list[Any]]:
        """Subscribe a new client. Returns its connection, and the list in which the start will appear."""
        connection = connect(high_water)
        places: list[Any] = []

        def confirm(start: Start | CommandError) -> bool:
            places.append(start)
            return True

        cursor = self.project.fan_out.subscribe(connection, since, rewind, confirm, folds=folds)
        connection.subscriptions["p"] = (self.project, cursor)
        return connection, places


def code_of(answer: object) -> ErrorCode:
    """The code of an error."""
    assert isinstance(answer, CommandError), answer
    return answer.code


def opened(at: Tail = EMPTY, limits: DeliveryLimits | None = None) -> Bench:
    """A project whose log is open."""
    bench = Bench(limits or DeliveryLimits(log=NEVER_OLD))
    bench.hand.opened(at)
    return bench
