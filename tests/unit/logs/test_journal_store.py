"""What a project does when the store answers otherwise: behind, not at all, or with another log."""

from typing import Any

import pytest

from tests.support.doubles import (
    DOWN,
    EMPTY,
    Bench,
    HandStore,
    client_of,
    code_of,
    opened,
    segment,
    tail,
)
from websocket_handler.logs.batch import RACES_MAX
from websocket_handler.ports.log_store import Behind, Committed, Segment, Tail, TooLarge
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

# The store answers Behind


def test_a_lost_race_is_read_delivered_and_written_again_after_it() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    answers = bench.publish(b'{"mine":1}')
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    assert bench.hand.answer_read(tail(4, 6, floor=0)) == 3
    assert client_of(connection).offsets == [4, 5, 6]
    assert answers == []
    assert bench.commit().first == 7
    assert answers == [Position("e", 7)]
    assert client_of(connection).offsets == [4, 5, 6, 7]


def test_a_segment_that_the_store_moved_is_delivered_behind_what_was_missed() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    answers = bench.publish(b'{"mine":1}')
    bench.scheduler.settle()
    moved = segment(6, 6)
    bench.hand.appended(Committed((segment(4, 5),), moved))
    assert client_of(connection).offsets == [4, 5, 6]
    assert answers == [Position("e", 6)]
    bench.publish()
    assert bench.commit().first == 7


def test_a_producers_number_keeps_its_place_and_everything_else_may_move() -> None:
    bench = opened(at=tail(1, 3))
    bench.publish(b'{"n":1}', key="key")
    bench.scheduler.settle()
    assert bench.hand.appended(Committed()).may_move
    bench.publish(b'{"producer":"p","sequence":1}')
    bench.scheduler.settle()
    assert not bench.hand.appended(Committed()).may_move


def test_what_waits_keeps_its_order_over_a_lost_race() -> None:
    bench = opened(at=tail(1, 1))
    answers = [bench.publish(b'{"n":%d}' % number) for number in range(3)]
    bench.scheduler.settle()
    answers.append(bench.publish(b'{"n":3}'))
    bench.hand.appended(Behind())
    bench.hand.answer_read(tail(2, 2, floor=0))
    written = bench.commit()
    assert [record.payload[:6] for record in written.records] == [b'{"n":%d' % number for number in range(4)]
    assert [answer for (answer,) in answers] == [Position("e", offset) for offset in (3, 4, 5, 6)]


def test_a_lost_answer_is_found_by_its_writer_and_delivered_once() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    answers = bench.publish()
    bench.scheduler.settle()
    ours = bench.hand.appended(Behind())
    bench.hand.answer_read(Tail("e", 4, 0, (segment(2, 3), ours)))
    assert answers == [Position("e", 4)]
    assert client_of(connection).offsets == [4]
    bench.scheduler.settle()
    assert bench.hand.appends == [], "it is not written a second time"
    assert bench.project.journal.is_settled


def test_our_lost_write_among_those_of_others_keeps_every_place() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    answers = [bench.publish(), bench.publish()]
    bench.scheduler.settle()
    answers.append(bench.publish())
    ours = bench.hand.appended(Behind())
    moved = Segment("e", ours.first, ours.writer, ours.records)
    bench.hand.answer_read(Tail("e", 7, 0, (moved, segment(6, 7))))
    assert [position for (position,) in answers[:2]] == [Position("e", 4), Position("e", 5)]
    bench.commit()
    assert answers[2] == [Position("e", 8)]
    assert client_of(connection).offsets == [4, 5, 6, 7, 8]


def test_an_empty_read_after_a_lost_race_writes_again() -> None:
    bench = opened(at=tail(1, 3))
    answers = bench.publish()
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    bench.hand.answer_read(Tail("e", 3, 0, ()))
    bench.commit()
    assert answers == [Position("e", 4)]


def test_too_many_lost_races_in_a_row_tell_the_publishers_to_retry() -> None:
    bench = opened(at=tail(1, 1))
    answers = bench.publish()
    for race in range(RACES_MAX + 1):
        bench.scheduler.settle()
        bench.hand.appended(Behind())
        if race < RACES_MAX:
            assert answers == []
            head = bench.project.journal.log.head
            bench.hand.answer_read(tail(head + 1, head + 1, floor=0))
    assert code_of(answers[0]) is ErrorCode.STORE_UNAVAILABLE
    again = bench.publish()
    bench.commit()
    assert isinstance(again[0], Position)


# The store does not answer


def test_an_unavailable_store_refuses_everyone_who_waits_and_is_asked_again_by_the_next() -> None:
    bench = opened(at=tail(1, 3))
    written, waiting = bench.publish(), []
    bench.scheduler.settle()
    waiting = bench.publish()
    bench.hand.appended(DOWN)
    assert [code_of(answer) for answer in (*written, *waiting)] == [ErrorCode.STORE_UNAVAILABLE] * 2
    assert bench.project.journal.is_settled
    answers = bench.publish()
    bench.commit()
    assert answers == [Position("e", 4)]


def test_a_write_that_happened_although_nobody_said_so_is_delivered_as_anothers() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    bench.publish(b'{"a":1}', key="k")
    bench.scheduler.settle()
    lost = bench.hand.appended(DOWN)
    answers = bench.publish(b'{"a":1}', key="k")
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    bench.hand.answer_read(Tail("e", 4, 0, (lost,)))
    bench.scheduler.settle()
    assert answers == [Position("e", 4)], "the retry finds its key"
    assert client_of(connection).offsets == [4]
    assert bench.hand.appends == []


def test_a_store_that_fails_while_we_catch_up_refuses_everyone_who_waits() -> None:
    bench = opened(at=tail(1, 3))
    answers = bench.publish()
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    bench.hand.answer_read(DOWN)
    assert code_of(answers[0]) is ErrorCode.STORE_UNAVAILABLE


# Another log


def test_a_new_epoch_resets_every_subscriber_and_publishing_goes_on_in_it() -> None:
    bench = opened(at=tail(1, 3))
    level, _ = bench.follow()
    paused, _ = bench.follow()
    paused.pause()
    answers = bench.publish(key="k")
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    bench.hand.answer_read(tail(1, 2, epoch="f"))
    bench.hand.opened(tail(1, 2, epoch="f"))
    reset = {"type": "subscription_reset", "project_id": "p", "epoch": "f", "offset": 0, "recovered": False}
    assert client_of(level).messages[0] == reset
    assert client_of(level).offsets == [1, 2]
    assert client_of(paused).messages == [reset]
    client_of(paused).drain()
    bench.commit()
    assert answers == [Position("f", 3)]
    assert client_of(level).offsets == client_of(paused).offsets == [1, 2, 3]


@pytest.mark.parametrize(
    "answer",
    [
        Tail("e", 9, 8, (segment(9, 9),)),  # the store let go of what we miss
        Tail("e", 9, 0, (segment(7, 9),)),  # a hole before what it gives
        Tail(None, 0, 0, ()),  # the log is gone
    ],
    ids=["floor above our head", "a hole", "no log"],
)
def test_a_log_that_does_not_continue_ours_is_opened_anew(answer: Tail) -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    done: list[CommandError | None] = []
    bench.project.journal.refresh(done.append)
    bench.hand.answer_read(answer)
    bench.hand.opened(Tail("e", 9, 8, (segment(9, 9),)))
    assert done == [None]
    assert client_of(connection).messages[0]["offset"] == 8
    assert client_of(connection).offsets == [9]
    assert bench.counters.subscription_resets >= 1


def test_keys_of_another_epoch_mean_nothing() -> None:
    bench = opened(at=tail(1, 3))
    bench.publish(b'{"a":1}', key="k")
    bench.commit()
    bench.project.journal.refresh(lambda _fault: None)
    bench.hand.answer_read(tail(1, 1, epoch="f"))
    bench.hand.opened(tail(1, 1, epoch="f"))
    answers = bench.publish(b'{"a":2}', key="k")
    bench.commit()
    assert answers == [Position("f", 2)]


def test_a_store_that_fails_while_the_log_is_opened_anew_refuses_and_recovers_later() -> None:
    bench = opened(at=tail(1, 3))
    answers = bench.publish()
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    bench.hand.answer_read(tail(1, 1, epoch="f"))
    bench.hand.opened(DOWN)
    assert code_of(answers[0]) is ErrorCode.STORE_UNAVAILABLE
    again = bench.publish()
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    bench.hand.answer_read(tail(1, 1, epoch="f"))
    bench.hand.opened(tail(1, 1, epoch="f"))
    bench.commit()
    assert again == [Position("f", 2)]


# What is too large for the store


def test_one_publication_that_the_store_finds_too_large_is_refused_and_no_other_one() -> None:
    """The way in has checked its size: this is for a store that takes less than it said."""
    bench = opened()
    connection, _ = bench.follow()
    answers = [bench.publish(b'{"n":%d}' % number) for number in range(41)]
    writes = 0
    bench.scheduler.settle()
    while bench.hand.appends:
        writes += 1
        segment, _ = bench.hand.appends[-1]
        is_too_large = any(b'"n":17,' in record.payload for record in segment.records)
        bench.hand.appended(TooLarge() if is_too_large else Committed())
        bench.scheduler.settle()
    assert code_of(answers.pop(17)[0]) is ErrorCode.MESSAGE_TOO_LARGE
    assert answers == [[Position("f4240-id1", offset)] for offset in range(1, 41)]
    assert [message["n"] for message in client_of(connection).messages] == [n for n in range(41) if n != 17]
    assert writes < 20
    assert bench.project.journal.is_settled


def test_after_a_segment_that_was_too_large_segments_are_as_large_as_before() -> None:
    bench = opened()
    for number in range(8):
        bench.publish(b'{"n":%d}' % number)
    bench.scheduler.settle()
    bench.hand.appended(TooLarge())
    sizes = []
    for _ in range(2):
        bench.scheduler.settle()
        sizes.append(len(bench.hand.appended(Committed()).records))
        bench.publish()
    assert sizes == [4, 5]


# The time of a publication


def test_a_publication_carries_the_time_of_the_attempt_that_committed_it() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    bench.publish(b'{"mine":1}')
    bench.scheduler.settle()
    bench.hand.appended(Behind())
    bench.clock.advance(5)
    bench.hand.answer_read(Tail("e", 4, 0, (segment(4, 4),)))
    stored = bench.commit()
    sent = client_of(connection).messages[-1]
    assert sent["published_at"] == round(1000 * bench.clock.wall())
    assert stored.records[0].published_at == bench.clock.wall()


def test_what_was_written_keeps_its_time_when_only_its_answer_was_lost() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow()
    bench.publish(b'{"mine":1}')
    bench.scheduler.settle()
    written_ms = round(1000 * bench.clock.wall())
    ours = bench.hand.appended(Behind())
    bench.clock.advance(5)
    bench.hand.answer_read(Tail("e", 4, 0, (ours,)))
    assert client_of(connection).messages[-1]["published_at"] == written_ms


def caught_up(bench: Bench) -> list[Any]:
    """The list in which the answer to a wish to catch up will appear."""
    done: list[Any] = []
    bench.project.journal.catch_up(done.append)
    return done


def test_who_catches_up_gets_what_was_written_before_even_if_a_read_is_under_way() -> None:
    bench = opened(at=tail(1, 1))
    bench.project.journal.refresh(lambda _fault: None)
    done = caught_up(bench)
    bench.hand.answer_read(tail(2, 1, floor=0))  # it began before the other node wrote
    assert done == []
    bench.hand.answer_read(tail(2, 2, floor=0))
    assert (done, bench.project.journal.log.head, bench.hand.reads) == ([None], 2, [])


def test_who_catches_up_needs_one_read_where_nothing_is_under_way() -> None:
    bench = opened(at=tail(1, 1))
    done = caught_up(bench)
    bench.hand.answer_read(tail(2, 2, floor=0))
    assert (done, bench.hand.asked) == ([None], 1)


def test_who_catches_up_behind_a_write_gets_what_follows_it() -> None:
    bench = opened(at=tail(1, 1))
    bench.publish()
    bench.scheduler.settle()
    done = caught_up(bench)
    bench.hand.appended(Committed())
    assert (done, len(bench.hand.reads)) == ([], 1)
    bench.hand.answer_read(tail(3, 3, floor=0))
    assert (done, bench.project.journal.log.head) == ([None], 3)


@pytest.mark.parametrize("is_second", [False, True])
def test_who_cannot_catch_up_hears_it(is_second: bool) -> None:
    bench = opened(at=tail(1, 1))
    if is_second:
        bench.project.journal.refresh(lambda _fault: None)
    done = caught_up(bench)
    if is_second:
        bench.hand.answer_read(tail(2, 1, floor=0))
    bench.hand.answer_read(DOWN)
    assert [code_of(answer) for answer in done] == [ErrorCode.STORE_UNAVAILABLE]


def test_a_store_of_its_own_has_nothing_to_catch_up_with() -> None:
    bench = Bench(store=HandStore(is_shared=False))
    done = caught_up(bench)
    bench.hand.opened(EMPTY)
    assert (done, bench.hand.asked) == ([None], 0)
