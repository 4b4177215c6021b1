"""What the guard of a journal refuses: nothing, before this node has read what other nodes wrote."""

import json
from typing import Any

import pytest

from tests.support.doubles import DOWN, NEVER_OLD, Bench, code_of, opened
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.hub.log import Publication
from websocket_handler.ports.log_store import Committed, Segment, Tail
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

Event = dict[str, Any]
START: Event = {"type": "RUN_STARTED", "threadId": "p", "runId": "r"}
AGAIN = START | {"attempt": 2}
LOST: Event = {"type": "RUN_ERROR", "runId": "r", "message": "gone", "code": "lost"}
DELTA: Event = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "x", "runId": "r"}
SECOND = DELTA | {"attempt": 2}
NOTE: Event = {"type": "note"}


class Shelf(MemoryLogStore):
    """A store for several nodes."""

    is_shared = True


def say(bench: Bench, *events: Event) -> list[Any]:
    """The answers to events that are published in one turn."""
    answers = [bench.publish(json.dumps(event).encode()) for event in events]
    bench.scheduler.settle()
    return [answer for each in answers for answer in each]


def two_nodes(*events: Event) -> tuple[Bench, Bench]:
    """Two nodes that know these events; the second one does not hear of what follows."""
    store = Shelf(Bench().clock, NEVER_OLD)
    first, second = Bench(store=store), Bench(store=store)
    say(first, *events)
    second.project.journal.refresh(lambda _fault: None)
    assert second.project.journal.log.head == len(events)
    return first, second


def test_a_node_that_has_not_read_the_end_of_an_attempt_takes_the_next_one() -> None:
    first, second = two_nodes(START)
    say(first, LOST)
    assert [answer.offset for answer in say(second, AGAIN, SECOND, NOTE)] == [3, 4, 5]
    assert say(first, {"type": "other"})[0].offset == 6


def test_a_node_that_has_not_read_the_restart_of_a_run_takes_its_events() -> None:
    first, second = two_nodes(START, LOST)
    say(first, START)  # the same run again, by somebody who counts no attempts
    assert [answer.offset for answer in say(second, DELTA)] == [4]


@pytest.mark.parametrize(
    ("known", "event", "code"),
    [
        ((START,), AGAIN, ErrorCode.RUN_NOT_LOST),
        ((START, LOST), DELTA, ErrorCode.LEASE_LOST),
    ],
)
def test_what_is_refused_is_refused_after_one_look_and_the_rest_goes_on(
    known: tuple[Event, ...], event: Event, code: ErrorCode
) -> None:
    _, second = two_nodes(*known)
    looks = second.project.journal.call.looks_begun
    before, refused, after = say(second, NOTE, event, NOTE)
    assert code_of(refused) is code
    assert (before.offset, after.offset) == (len(known) + 1, len(known) + 2)
    assert second.project.journal.call.looks_begun == looks + 1


def test_a_node_whose_store_is_its_own_looks_nowhere() -> None:
    bench = Bench(store=MemoryLogStore(Bench().clock, NEVER_OLD))
    say(bench, START)
    assert code_of(say(bench, AGAIN)[0]) is ErrorCode.RUN_NOT_LOST
    assert bench.project.journal.call.looks_begun == 0


def run_open() -> Bench:
    """A node whose store answers by hand, and that knows an open run."""
    bench = opened()
    bench.publish(json.dumps(START).encode())
    bench.commit()
    return bench


def test_what_waits_for_the_look_is_written_behind_what_was_read() -> None:
    bench = run_open()
    answers = say(bench, AGAIN, SECOND, NOTE)
    assert (answers, bench.hand.appends, len(bench.hand.reads)) == ([], [], 1)
    payload = json.dumps(LOST | {"offset": 2}).encode()
    epoch = bench.project.journal.log.epoch
    bench.hand.answer_read(Tail(epoch, 2, 0, (Segment(epoch, 2, "other", [Publication(payload, 0.0, offset=2)]),)))
    bench.scheduler.settle()
    segment = bench.hand.appended(Committed())
    assert [json.loads(record.payload)["type"] for record in segment.records] == [
        "RUN_STARTED",
        "TEXT_MESSAGE_CONTENT",
        "note",
    ]
    assert (segment.first, bench.hand.reads) == (3, [])


def test_a_node_that_cannot_look_refuses_nothing_for_good() -> None:
    bench = run_open()
    again = bench.publish(json.dumps(AGAIN).encode())
    bench.scheduler.settle()
    bench.hand.answer_read(DOWN)
    assert code_of(again[0]) is ErrorCode.STORE_UNAVAILABLE
    assert isinstance(again[0], CommandError)
    assert again[0].retryable


def test_a_look_that_began_before_the_question_is_no_answer_to_it() -> None:
    bench = run_open()
    bench.project.journal.refresh(lambda _fault: None)
    again = bench.publish(json.dumps(AGAIN).encode())
    epoch = bench.project.journal.log.epoch
    nothing = Tail(epoch, 1, 0, ())
    bench.hand.answer_read(nothing)
    bench.scheduler.settle()
    assert (again, len(bench.hand.reads)) == ([], 1)
    bench.hand.answer_read(nothing)
    bench.scheduler.settle()
    assert code_of(again[0]) is ErrorCode.RUN_NOT_LOST


# One key, two bodies


def test_a_second_body_under_a_key_is_no_conflict_while_the_first_may_get_lost() -> None:
    bench = opened()
    answers = [bench.publish(b'{"a":%d}' % number, "k") for number in (1, 2)]
    bench.scheduler.settle()
    bench.hand.appended(DOWN)
    assert [code_of(each[0]) for each in answers] == [ErrorCode.STORE_UNAVAILABLE] * 2


def test_a_second_body_under_a_key_is_published_if_the_first_may_not_be() -> None:
    bench = Bench(store=MemoryLogStore(Bench().clock, NEVER_OLD))
    say(bench, START, LOST)
    late = bench.publish(json.dumps(DELTA).encode(), "k")
    other, behind = bench.publish(b'{"a":2}', "k"), bench.publish()
    bench.scheduler.settle()
    assert code_of(late[0]) is ErrorCode.LEASE_LOST
    assert (other, behind) == (
        [Position(bench.project.journal.log.epoch, 3)],
        [Position(bench.project.journal.log.epoch, 4)],
    )


# Names with escapes

ESCAPED = b'{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"x","run\\u0049d":"r"%b}'
ESCAPED_START = b'{"type":"RUN_ST\\u0041RTED","threadId":"p","runI\\u0064":"r","\\u0061ttempt":2}'


def tell(bench: Bench, *bodies: bytes) -> list[Any]:
    """The answers to publications of these bytes, in one turn."""
    answers = [bench.publish(body) for body in bodies]
    bench.scheduler.settle()
    return [answer.code if isinstance(answer, CommandError) else None for each in answers for answer in each]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_late_event_whose_names_have_escapes_is_refused(is_known: bool) -> None:
    """Also by a node that has just opened the log."""
    first, second = two_nodes(START, LOST)
    bench = second if is_known else Bench(store=first.store)
    late, numbers = ErrorCode.LEASE_LOST, (b"", b',"\\u0061ttempt":1', b',"\\u0061ttempt":2')
    assert tell(bench, *(ESCAPED % number for number in numbers)) == [late, late, None]


def test_a_run_whose_start_has_escapes_is_a_run() -> None:
    bench = Bench(store=Shelf(Bench().clock, NEVER_OLD))
    assert tell(bench, ESCAPED_START) + tell(bench, json.dumps(DELTA).encode()) == [None, ErrorCode.LEASE_LOST]
    for node in (bench, Bench(store=bench.store)):
        assert tell(node, ESCAPED % b',"attempt":2', ESCAPED % b"") == [None, ErrorCode.LEASE_LOST]


def test_a_start_with_escapes_in_a_log_that_has_runs_counts_at_once() -> None:
    bench = Bench(store=MemoryLogStore(Bench().clock, NEVER_OLD))
    say(bench, START | {"runId": "other"})
    assert tell(bench, ESCAPED_START) + tell(bench, ESCAPED % b"") == [None, ErrorCode.LEASE_LOST]
