"""What a node writes about silent agents: once, whoever else looks, and never about an agent that speaks."""

import json
from typing import Any

import msgspec
import pytest

from tests.support.doubles import NEVER_OLD, Bench, code_of, opened
from tests.support.publications import prepared
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.lease_ends import LeaseEnds
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.projects import Projects
from websocket_handler.logs.saved_runs import SAVE_S
from websocket_handler.ports.log_store import Behind, Committed, Segment, Tail
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

RUN: dict[str, Any] = {"runId": "r"}
START = {"type": "RUN_STARTED", "threadId": "p", **RUN}
OPEN = {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant", **RUN}
DELTA = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "so far", **RUN}
ALIVE = {"type": "CUSTOM", "name": "wsh.alive", "value": {}, **RUN}
LIMITS = DeliveryLimits(log=NEVER_OLD, run_lease_s=40.0)


def body(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


class Shelf(MemoryLogStore):
    """A store for several nodes."""

    is_shared = True


class Node:
    """A node with the project `p`."""

    def __init__(self, store: Any, limits: DeliveryLimits = LIMITS) -> None:
        self.bench = Bench(limits, store)
        self.projects = Projects(self.bench.engine)
        self.projects.open["p"] = self.bench.project
        self.ends = LeaseEnds(self.projects, self.bench.engine)

    def say(self, *events: dict[str, Any]) -> list[Any]:
        answers = [self.bench.publish(body(event)) for event in events]
        self.bench.scheduler.settle()
        return [answer for each in answers for answer in each]

    def look_after(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)
        self.ends.look()
        self.bench.scheduler.settle()

    @property
    def told(self) -> list[str]:
        """What stands in the log, each entry in a word."""
        log = self.bench.project.journal.log
        entries = [json.loads(entry.payload) for entry in log.after(log.first - 1, len(log), log.bytes)]
        return [entry.get("name") or entry["type"] for entry in entries]

    @property
    def words(self) -> dict[str, int]:
        return dict(self.bench.counters.runs_lost)


def alone() -> Node:
    node = Node(MemoryLogStore(Bench().clock, NEVER_OLD))
    node.say(START, OPEN, DELTA)
    node.look_after(0)
    return node


BEFORE = ["RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"]
AFTER = ["wsh.stalled", "TEXT_MESSAGE_END", "RUN_ERROR"]


def test_a_silent_run_stalls_and_is_ended_and_its_text_stays() -> None:
    node = alone()
    node.look_after(39.9)
    assert node.told == BEFORE
    node.look_after(0.1)
    assert node.told == [*BEFORE, "wsh.stalled"]
    node.look_after(9.9)
    node.look_after(0.1)
    node.look_after(1000)
    assert node.told == [*BEFORE, *AFTER]
    fold = node.bench.project.runs.latest()
    assert fold is not None
    assert (fold.messages.data()[0]["content"], fold.ends.ended["r"]["code"], fold.runs.runs) == ("so far", "lost", {})
    assert node.words == {"stalled": 1, "lost": 1}


def test_a_heartbeat_keeps_the_run() -> None:
    node = alone()
    for _ in range(20):
        node.look_after(30)
        node.say(ALIVE)
    node.look_after(39)
    assert node.told == [*BEFORE, *["wsh.alive"] * 20]


def test_an_agent_that_comes_back_after_stalled_goes_on() -> None:
    node = alone()
    node.look_after(40)
    node.say(DELTA)
    node.look_after(10)
    node.look_after(39.9)
    assert node.told == [*BEFORE, "wsh.stalled", "TEXT_MESSAGE_CONTENT"]


def test_an_event_that_waits_before_the_end_is_written_first_and_the_run_goes_on() -> None:
    node = alone()
    node.look_after(40)
    node.bench.clock.advance(10)
    answers = node.bench.publish(body(DELTA))
    node.ends.look()  # the event is accepted, and waits
    node.bench.scheduler.settle()
    assert isinstance(answers[0], Position)
    assert node.told == [*BEFORE, "wsh.stalled", "TEXT_MESSAGE_CONTENT"]
    assert node.words == {"stalled": 1}


def test_an_event_that_waits_behind_the_end_is_refused() -> None:
    node = alone()
    node.look_after(40)
    node.bench.clock.advance(10)
    node.ends.look()
    answers = node.bench.publish(body(DELTA))
    node.bench.scheduler.settle()
    assert code_of(answers[0]) is ErrorCode.LEASE_LOST
    assert node.told == [*BEFORE, *AFTER]


def test_late_events_of_the_old_lease_are_refused_and_a_second_attempt_is_not() -> None:
    node = alone()
    node.look_after(40)
    node.look_after(10)
    second = {"attempt": 2}
    answers = node.say(
        DELTA, START | second, OPEN | {"messageId": "m2"} | second, DELTA, {"type": "note", "runId": "r2"}
    )
    assert [answer.code if isinstance(answer, CommandError) else None for answer in answers] == [
        ErrorCode.LEASE_LOST,
        None,
        None,
        ErrorCode.LEASE_LOST,
        None,
    ]
    node.look_after(0)
    node.look_after(40)
    node.look_after(10)
    last = json.loads(node.bench.project.journal.log.after(node.bench.project.journal.log.head - 1, 1, 1)[0].payload)
    assert (last["type"], last["attempt"]) == ("RUN_ERROR", 2)


def test_two_nodes_end_a_run_once() -> None:
    store = Shelf(Bench().clock, NEVER_OLD)
    first, second = Node(store), Node(store)
    first.say(START, OPEN, DELTA)
    second.bench.project.journal.refresh(lambda _fault: None)
    for node in (first, second):
        node.look_after(0)
    for seconds in (40, 10, 100):
        for node in (first, second):  # both decide before either writes
            node.bench.clock.advance(seconds)
            node.ends.look()
        for node in (first, second):
            node.bench.scheduler.settle()
    second.say({"type": "note"})
    assert second.told == [*BEFORE, *AFTER, "note"]
    assert first.words == {"stalled": 1, "lost": 1}
    assert second.words == {}


def test_a_node_that_has_not_heard_the_agent_lately_does_not_end_its_run() -> None:
    store = Shelf(Bench().clock, NEVER_OLD)
    first, second = Node(store), Node(store)
    first.say(START)
    second.bench.project.journal.refresh(lambda _fault: None)
    second.look_after(0)
    first.say(ALIVE)  # nobody tells the second node
    second.look_after(40)
    assert second.told == ["RUN_STARTED", "wsh.alive"]
    assert second.words == {}


def test_a_node_that_restarts_finds_the_run_in_the_log() -> None:
    store = Shelf(Bench().clock, NEVER_OLD)
    Node(store).say(START, OPEN, DELTA)
    later = Node(store)
    later.bench.project.journal.open()
    later.bench.clock.advance(1000)
    later.look_after(0)
    later.look_after(10)
    assert later.told == [*BEFORE, *AFTER]


def test_a_project_with_a_lease_stays_open_until_the_run_has_ended() -> None:
    node = alone()
    assert not node.bench.project.is_idle
    node.look_after(40)
    node.look_after(10)
    node.look_after(0)
    assert node.bench.project.is_idle


def test_while_the_store_does_not_answer_nothing_piles_up() -> None:
    bench = opened(limits=LIMITS)
    node = Node(bench.store)
    node.bench.hand.opened(Tail(None, 0, 0, ()))
    node.bench.publish(body(START))
    node.bench.commit()
    node.look_after(0)
    for _ in range(5):
        node.look_after(40)
    assert len(node.bench.project.journal.queue) == 0
    assert node.bench.hand.appended(Committed()).may_move is False


def test_what_has_a_condition_is_written_alone_and_again_after_a_lost_race() -> None:
    bench = opened()
    asked: list[int] = []
    answers: list[Any] = []

    def condition() -> None:
        asked.append(bench.project.journal.log.head)

    before, pair = bench.publish(b'{"n":1}'), [prepared(b'{"n":2}'), prepared(b'{"n":3}')]
    bench.project.journal.publish_if(condition, pair, answers.append)
    after = bench.publish(b'{"n":4}')
    bench.scheduler.settle()
    assert [len(segment.records) for segment, _ in bench.hand.appends] == [1]
    bench.hand.appended(Committed())
    bench.scheduler.settle()
    lost = bench.hand.appended(Behind())
    assert (lost.first, len(lost.records), lost.may_move) == (2, 2, False)
    payload = msgspec.json.encode({"offset": 2})
    other = Segment(lost.epoch, 2, "other", [lost.records[0].__class__(payload, 0.0, offset=2)])
    bench.hand.answer_read(Tail(lost.epoch, 2, 0, (other,)))
    bench.scheduler.settle()
    bench.hand.appended(Committed())
    bench.scheduler.settle()
    bench.hand.appended(Committed())
    offsets = [answer.offset for answer in (*before, *answers, *after)]
    assert (asked, offsets) == ([1, 2], [1, 3, 4, 5])


def test_what_does_not_meet_its_condition_is_answered_and_the_rest_goes_on() -> None:
    bench = opened()
    answers: list[Any] = []
    bench.project.journal.publish_if(lambda: CommandError(ErrorCode.CONFLICT, "no"), [prepared()] * 2, answers.append)
    after = bench.publish()
    bench.commit()
    assert [code_of(answer) for answer in answers] == [ErrorCode.CONFLICT] * 2
    assert isinstance(after[0], Position)


# A late event on a node that does not know the run from its beginning


def noted(node: Node) -> list[ErrorCode | None]:
    """What a late event and one of no run are answered."""
    return [answer.code if isinstance(answer, CommandError) else None for answer in node.say(DELTA, {"type": "note"})]


def lost(store: MemoryLogStore, limits: DeliveryLimits = LIMITS) -> Node:
    """A node that has just ended the run."""
    node = Node(store, limits)
    node.say(START, OPEN, DELTA)
    for seconds in (0, 40, 10):
        node.look_after(seconds)
    assert node.told[-1] == "RUN_ERROR"
    return node


SHORT = DeliveryLimits(log=LogLimits(messages=4, bytes=1_000_000, seconds=1e9), run_lease_s=40.0)


def test_a_node_that_has_just_opened_the_project_refuses_it_as_its_first_event() -> None:
    store = Shelf(Bench().clock, NEVER_OLD)
    lost(store)
    assert noted(Node(store)) == [ErrorCode.LEASE_LOST, None]


def test_a_node_that_has_only_looked_refuses_it() -> None:
    store = Shelf(Bench().clock, NEVER_OLD)
    lost(store)
    node = Node(store)
    node.bench.project.journal.open()
    node.look_after(0)
    assert noted(node) == [ErrorCode.LEASE_LOST, None]


def test_a_node_that_has_adopted_a_snapshot_refuses_it() -> None:
    store = Shelf(Bench().clock, SHORT.log)
    first = lost(store, SHORT)
    first.bench.scheduler.advance(SAVE_S)
    first.say(*[{"type": "note"}] * 4)
    assert first.told == ["note"] * 4
    node = Node(store, SHORT)
    node.bench.project.journal.open()
    found: list[Any] = []
    node.bench.project.saved_runs.find(found.append)
    assert found == [None]
    assert noted(node) == [ErrorCode.LEASE_LOST, None]


@pytest.mark.parametrize("notes", [0, 4])
def test_a_node_that_gave_up_its_fold_refuses_it_whatever_its_log_holds(notes: int) -> None:
    node = lost(MemoryLogStore(Bench().clock, SHORT.log), SHORT)
    node.say(*[{"type": "note"}] * notes)
    node.bench.project.runs.let_go()
    assert noted(node) == [ErrorCode.LEASE_LOST, None]
    node.bench.project.runs.let_go()
    node.bench.project.runs.let_go()
    assert noted(node) == [ErrorCode.LEASE_LOST, None]


def test_a_node_that_looks_once_refuses_an_event_whose_lease_ended_in_what_the_log_no_longer_holds() -> None:
    store = Shelf(Bench().clock, SHORT.log)
    first = lost(store, SHORT)
    first.say(*[{"type": "note", "runId": "other"}] * 8)
    assert first.told == ["note"] * 4
    node = Node(store, SHORT)
    node.bench.project.journal.open()
    node.look_after(0)
    assert noted(node) == [ErrorCode.LEASE_LOST, None]


def test_a_run_that_the_log_no_longer_holds_is_ended_after_a_restart() -> None:
    store = Shelf(Bench().clock, SHORT.log)
    first = Node(store, SHORT)
    first.say(START, OPEN, DELTA)
    first.bench.scheduler.advance(SAVE_S)
    first.say(*[{"type": "note", "runId": "other"}] * 8)
    node = Node(store, SHORT)
    node.bench.project.journal.open()
    for seconds in (0, 40, 10):
        node.look_after(seconds)
    assert node.told[1:] == AFTER
    assert node.bench.project.runs.newest().messages.data()[0]["content"] == "so far"


def test_another_log_knows_nothing_of_it() -> None:
    node = lost(MemoryLogStore(Bench().clock, NEVER_OLD))
    node.bench.project.runs.let_go()
    node.bench.project.journal.local.adopt(Tail("another", 0, 0, ()))
    assert node.bench.project.journal.guard is None


def test_a_run_whose_fold_was_given_up_stalls_all_the_same() -> None:
    node = alone()
    for _ in range(2):
        node.bench.project.runs.let_go()
        node.look_after(0)
    node.bench.project.runs.let_go()
    node.look_after(40)
    node.look_after(10)
    assert node.told == [*BEFORE, *AFTER]


@pytest.mark.parametrize(
    ("event", "may_move"),
    [
        (body(DELTA), False),
        (b'{"type":"note","a":"\\u0041"}', True),
        (b'{"type":"note","run\\u0049d":"r"}', False),
    ],
)
def test_no_store_moves_an_event_of_a_run_behind_what_its_node_has_not_seen(event: bytes, may_move: bool) -> None:
    bench = opened()
    bench.publish(event)
    assert bench.commit().may_move is may_move
