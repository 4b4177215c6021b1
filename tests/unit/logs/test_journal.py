"""The way of a publication: waiting, written in one segment, committed, delivered, confirmed."""

from typing import Any

import pytest

from tests.support.doubles import (
    DOWN,
    EMPTY,
    NEVER_OLD,
    Bench,
    HandStore,
    client_of,
    code_of,
    opened,
    records,
    tail,
)
from tests.support.publications import prepared
from websocket_handler.hub.log import Publication
from websocket_handler.logs.feed import PageLimits
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import (
    Behind,
    Committed,
    Segment,
    Tail,
)
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

# Opening


def test_a_log_that_nobody_wrote_starts_a_new_epoch_at_zero() -> None:
    bench = opened()
    assert bench.project.journal.log.position == Position("f4240-id1", 0)


def test_a_known_log_goes_on_where_the_store_has_it() -> None:
    bench = opened(at=tail(5, 9))
    assert bench.project.journal.log.position == Position("e", 9)
    assert (bench.project.journal.log.first, bench.project.journal.log.floor) == (5, 4)
    answers = bench.publish()
    assert (bench.commit().first, answers) == (10, [Position("e", 10)])


def test_publications_wait_until_the_log_is_known() -> None:
    bench = Bench()
    answers = bench.publish()
    bench.scheduler.settle()
    assert bench.hand.appends == []
    bench.hand.opened(EMPTY)
    bench.commit()
    assert answers == [Position("f4240-id1", 1)]


def test_a_store_that_does_not_answer_at_opening_is_told_to_everyone_and_asked_again_by_the_next_use() -> None:
    bench = Bench()
    published = bench.publish()
    connection, places = bench.follow()
    opened_with: list[CommandError | None] = []
    bench.project.journal.when_known(opened_with.append)
    bench.hand.opened(DOWN)
    assert [code_of(answer) for answer in (*published, *places, *opened_with)] == [ErrorCode.STORE_UNAVAILABLE] * 3
    assert client_of(connection).writes == []
    assert bench.hand.opens == [], "nobody needs the log now"
    again = bench.publish()
    bench.project.journal.when_known(opened_with.append)
    bench.project.journal.refresh(opened_with.append)
    bench.hand.opened(EMPTY)
    bench.commit()
    assert bench.hand.opens == [], "one opening for all"
    assert again == [Position("f4240-id1", 1)]
    assert opened_with[1:] == [None, None]


def test_a_closed_project_refuses_who_comes_too_late() -> None:
    bench = opened()
    bench.project.journal.close()
    answers: list[CommandError | None] = []
    bench.project.journal.when_known(answers.append)
    bench.project.journal.refresh(answers.append)
    assert [code_of(answer) for answer in (*bench.publish(), *answers)] == [ErrorCode.STORE_UNAVAILABLE] * 3


# Group commit


def test_publications_of_one_turn_are_one_segment() -> None:
    bench = opened()
    answers = [bench.publish(b'{"n":%d}' % number) for number in range(3)]
    assert bench.hand.appends == [], "nothing is written before the turn ends"
    bench.scheduler.settle()
    written = bench.commit()
    assert (written.first, written.last, len(written.records)) == (1, 3, 3)
    assert [answer for (answer,) in answers] == [Position("f4240-id1", offset) for offset in (1, 2, 3)]


def test_what_arrives_while_a_segment_is_written_is_the_next_one() -> None:
    bench = opened()
    first = bench.publish()
    bench.scheduler.settle()
    later = [bench.publish() for _ in range(5)]
    bench.scheduler.settle()
    assert len(bench.hand.appends) == 1
    assert bench.hand.appended(Committed()).last == 1
    assert first == [Position("f4240-id1", 1)]
    assert not any(later)
    bench.scheduler.settle()
    assert len(bench.hand.appended(Committed()).records) == 5
    assert [answer for (answer,) in later] == [Position("f4240-id1", offset) for offset in range(2, 7)]


def test_a_segment_is_bounded_in_messages() -> None:
    bench = opened()
    for _ in range(HandStore.limits.messages + 1):
        bench.publish()
    assert len(bench.commit().records) == HandStore.limits.messages
    assert len(bench.commit().records) == 1


def test_a_segment_is_bounded_in_bytes_and_holds_at_least_one_publication() -> None:
    bench = opened()
    body = b'{"x":"%b"}' % (b"x" * 100_000)
    for _ in range(4):
        bench.publish(body)
    bench.publish(b'{"x":"%b"}' % (b"x" * (HandStore.limits.bytes + 1)))
    assert [len(bench.commit().records) for _ in range(3)] == [2, 2, 1]


def test_every_attempt_to_write_has_a_name_of_its_own() -> None:
    bench = opened()
    bench.publish()
    first = bench.commit().writer
    bench.publish()
    assert bench.commit().writer != first


# Nothing before the commit


def test_nothing_is_delivered_or_confirmed_before_the_commit() -> None:
    bench = opened()
    connection, _ = bench.follow()
    answers = bench.publish()
    bench.scheduler.settle()
    assert client_of(connection).writes == []
    assert answers == []
    assert bench.project.journal.log.head == 0
    bench.hand.appended(Committed())
    assert client_of(connection).offsets == [1]
    assert answers == [Position("f4240-id1", 1)]


def test_delivery_comes_before_the_publishers_confirmation() -> None:
    bench = opened()
    connection, _ = bench.follow()
    seen: list[int] = []
    bench.project.journal.publish(prepared(), lambda _answer: seen.append(len(client_of(connection).writes)))
    bench.commit()
    assert seen == [1]


def test_the_publications_of_a_segment_leave_in_one_write() -> None:
    bench = opened()
    connection, _ = bench.follow()
    for _ in range(10):
        bench.publish()
    bench.commit()
    assert len(client_of(connection).writes) == 1
    assert client_of(connection).offsets == list(range(1, 11))


# Idempotency keys


def test_the_same_key_gives_the_first_position_and_delivers_nothing_twice() -> None:
    bench = opened()
    connection, _ = bench.follow()
    first = bench.publish(b'{"a":1}', key="k")
    bench.commit()
    second = bench.publish(b'{"a":1}', key="k")
    bench.scheduler.settle()
    assert first == second == [Position("f4240-id1", 1)]
    assert bench.hand.appends == []
    assert client_of(connection).offsets == [1]


def test_the_same_key_with_another_body_is_a_conflict() -> None:
    bench = opened()
    bench.publish(b'{"a":1}', key="k")
    bench.commit()
    other = bench.publish(b'{"a":2}', key="k")
    bench.scheduler.settle()
    assert code_of(other[0]) is ErrorCode.CONFLICT


def test_a_key_twice_in_one_batch_is_written_once_and_answered_twice() -> None:
    bench = opened()
    answers = [bench.publish(b'{"a":1}', key="k") for _ in range(3)]
    other = bench.publish(b'{"a":2}', key="k")
    last = bench.publish()
    assert len(bench.commit().records) == 1
    assert answers == [[Position("f4240-id1", 1)]] * 3
    assert len(bench.commit().records) == 1
    assert code_of(other[0]) is ErrorCode.CONFLICT
    assert last == [Position("f4240-id1", 2)]


def test_a_key_while_its_first_publication_is_being_written_waits_for_it() -> None:
    bench = opened()
    first = bench.publish(b'{"a":1}', key="k")
    bench.scheduler.settle()
    second = bench.publish(b'{"a":1}', key="k")
    bench.hand.appended(Committed())
    bench.scheduler.settle()
    assert first == second == [Position("f4240-id1", 1)]
    assert bench.hand.appends == []


def test_a_key_twice_in_a_batch_that_fails_is_refused_twice() -> None:
    bench = opened()
    answers = [bench.publish(b'{"a":1}', key="k") for _ in range(2)]
    bench.scheduler.settle()
    bench.hand.appended(DOWN)
    assert [code_of(answer) for (answer,) in answers] == [ErrorCode.STORE_UNAVAILABLE] * 2


def test_keys_of_the_stores_log_are_known_after_opening() -> None:
    record = Publication(b'{"n":1,"offset":2}', 1_000_000.0, "k", prepared(b'{"n":1}', "k").digest, 2)
    bench = opened(at=Tail("e", 2, 0, (Segment("e", 1, "w", [*records(1, 1), record]),)))
    answers: list[Any] = []
    bench.project.journal.publish(prepared(b'{"n":1}', "k"), answers.append)
    bench.scheduler.settle()
    assert answers == [Position("e", 2)]


def test_a_key_is_free_again_after_its_window() -> None:
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, key_seconds=10))
    bench.publish(b'{"a":1}', key="k")
    bench.commit()
    bench.clock.advance(10.001)
    again = bench.publish(b'{"a":2}', key="k")
    bench.commit()
    assert again == [Position("f4240-id1", 2)]


# The maxima


def test_as_many_publications_wait_as_allowed_and_not_one_more() -> None:
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, pending_messages=3))
    answers = [bench.publish() for _ in range(4)]
    assert answers[:3] == [[], [], []]
    assert code_of(answers[3][0]) is ErrorCode.OVERLOADED
    bench.commit()
    assert bench.publish() == []


def test_as_many_bytes_wait_as_allowed_and_not_one_more() -> None:
    head = len(b'{"project_id":"p","offset":')
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, pending_bytes=2 * head))
    assert [bench.publish(), bench.publish()] == [[], []]
    assert code_of(bench.publish()[0]) is ErrorCode.OVERLOADED
    bench.commit()
    assert bench.publish() == []


def test_lost_races_and_failures_keep_the_count_of_waiting_bytes_right() -> None:
    head = len(b'{"project_id":"p","offset":')
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, pending_bytes=2 * head), at=tail(1, 1))
    for _ in range(3):
        bench.publish()
        bench.publish()
        bench.scheduler.settle()
        ours = bench.hand.appended(Behind())
        assert code_of(bench.publish()[0]) is ErrorCode.OVERLOADED, "what waits again counts again"
        bench.hand.answer_read(Tail("e", ours.last, 0, (ours,)))
    bench.publish()
    bench.scheduler.settle()
    bench.hand.appended(DOWN)
    assert [bench.publish(), bench.publish()] == [[], []]


def test_what_is_being_written_counts_too_because_it_may_have_to_wait_again() -> None:
    """The simulation found it, seed 1238: a lost race put a segment back in front of a full queue."""
    head = len(b'{"project_id":"p","offset":')
    for limits in ({"pending_bytes": 2 * head}, {"pending_messages": 2}):
        bench = opened(limits=DeliveryLimits(log=NEVER_OLD, **limits), at=tail(1, 1))
        bench.publish()
        bench.publish()
        bench.scheduler.settle()
        assert code_of(bench.publish()[0]) is ErrorCode.OVERLOADED
        bench.hand.appended(Behind())
        assert len(bench.project.journal.queue) == 2


def test_room_is_checked_for_a_whole_batch_before_any_of_it() -> None:
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, pending_messages=3))
    bench.project.journal.check_room(3, 0)
    with pytest.raises(CommandError) as caught:
        bench.project.journal.check_room(4, 0)
    assert caught.value.code is ErrorCode.OVERLOADED


# Refresh


def test_a_refresh_delivers_what_another_node_wrote_and_then_calls() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    done: list[CommandError | None] = []
    bench.project.journal.refresh(done.append)
    bench.project.journal.refresh(done.append)
    assert bench.hand.asked == 1, "those who ask meanwhile share the answer"
    bench.hand.answer_read(tail(4, 5, floor=0))
    assert done == [None, None]
    assert client_of(connection).offsets == [4, 5]


def test_a_refresh_while_the_log_is_being_opened_waits_for_that() -> None:
    bench = Bench()
    done: list[CommandError | None] = []
    bench.project.journal.refresh(done.append)
    bench.hand.opened(EMPTY)
    assert done == [None]
    assert bench.hand.asked == 0


def test_a_refresh_that_fails_says_so() -> None:
    bench = opened(at=tail(1, 3))
    done: list[Any] = []
    bench.project.journal.refresh(done.append)
    bench.hand.answer_read(DOWN)
    assert code_of(done[0]) is ErrorCode.STORE_UNAVAILABLE
    assert bench.project.journal.log.position == Position("e", 3)


def test_publications_wait_while_the_log_is_refreshed() -> None:
    bench = opened(at=tail(1, 3))
    bench.project.journal.refresh(lambda _fault: None)
    answers = bench.publish()
    bench.scheduler.settle()
    assert bench.hand.appends == []
    bench.hand.answer_read(tail(4, 4, floor=0))
    bench.commit()
    assert answers == [Position("e", 5)]


# Idle


def test_a_project_is_idle_when_nobody_follows_publishes_or_waits() -> None:
    bench = Bench()
    assert not bench.project.is_idle
    bench.hand.opened(EMPTY)
    assert bench.project.is_idle
    bench.publish()
    assert not bench.project.is_idle
    bench.scheduler.settle()
    assert not bench.project.is_idle
    bench.hand.appended(Committed())
    bench.scheduler.settle()
    assert bench.project.is_idle
    connection, _ = bench.follow()
    assert not bench.project.is_idle
    bench.project.fan_out.end_cursor(connection.subscriptions["p"][1])
    with bench.project.feed(PageLimits(10, 1000)):
        assert not bench.project.is_idle
    assert bench.project.is_idle


class _AnswersAtOnce(HandStore):
    """Publishers that are answered within the flush, as with the memory store."""

    def append(self, project_id: str, segment: Segment, done: Any) -> None:
        done(Committed())


def test_a_publisher_that_publishes_from_its_answer_is_served_in_the_same_turn() -> None:
    bench = Bench(store=_AnswersAtOnce())
    bench.hand.opened(EMPTY)
    answers: list[Any] = []

    def again(answer: Any) -> None:
        answers.append(answer)
        if len(answers) < 3:
            bench.project.journal.publish(prepared(), again)

    bench.project.journal.publish(prepared(), again)
    bench.scheduler.settle()
    assert answers == [Position("f4240-id1", offset) for offset in (1, 2, 3)]
