"""`commit_linger_s`: after a write to a log, the next one gathers publications. The test moves the time."""

from tests.support.doubles import DOWN, EMPTY, NEVER_OLD, Bench, HandStore, client_of, code_of, opened, tail
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Behind, Committed, TooLarge
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

LINGERING = DeliveryLimits(log=NEVER_OLD, commit_linger_s=0.1)


def lingering() -> Bench:
    """A project whose log is open and was written this moment."""
    bench = opened(limits=LINGERING)
    bench.publish()
    bench.commit()
    return bench


def test_a_lone_publication_leaves_at_once() -> None:
    bench = opened(limits=LINGERING)
    for _ in range(3):
        answers = bench.publish()
        bench.commit()
        assert isinstance(answers[0], Position)
        bench.scheduler.advance(0.11)
    assert bench.scheduler.timers == []


def test_a_stream_of_thirty_two_a_second_takes_a_quarter_of_the_writes_with_an_eighth_of_a_second() -> None:
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, commit_linger_s=1 / 8))
    for _ in range(320):
        bench.publish()
        bench.scheduler.settle()
        if bench.hand.appends:
            bench.hand.appended(Committed())
        bench.scheduler.advance(1 / 32)
    bench.commit()
    assert (bench.counters.publications, bench.counters.segments) == (320, 81)


def test_what_gathers_is_one_segment_in_its_order() -> None:
    bench = lingering()
    connection, _ = bench.follow()
    answers = []
    for number in range(3):
        answers.append(bench.publish(b'{"n":%d}' % number))
        bench.scheduler.advance(0.03)
    assert bench.hand.appends == []
    bench.scheduler.advance(0.02)
    assert len(bench.commit().records) == 3
    assert [answer for (answer,) in answers] == [Position("f4240-id1", offset) for offset in (2, 3, 4)]
    assert client_of(connection).offsets == [2, 3, 4]


def test_a_full_segment_does_not_wait() -> None:
    bench = opened(limits=LINGERING)
    bench.publish()
    bench.scheduler.settle()
    for _ in range(HandStore.limits.messages + 1):
        bench.publish()
    bench.hand.appended(Committed())
    assert len(bench.commit().records) == HandStore.limits.messages
    bench.scheduler.settle()
    assert bench.hand.appends == [], "the rest is no full segment"
    bench.scheduler.advance(0.1)
    assert len(bench.commit().records) == 1


def test_a_segment_that_is_full_of_bytes_does_not_wait() -> None:
    bench = opened(limits=LINGERING)
    bench.publish()
    bench.scheduler.settle()
    body = b'{"text":"%b"}' % (b"x" * 60_000)
    for _ in range(6):
        bench.publish(body)
    bench.hand.appended(Committed())
    assert len(bench.commit().records) == 4


def test_a_lost_race_is_run_again_at_once() -> None:
    bench = lingering()
    answers = bench.publish()
    bench.scheduler.advance(0.1)
    bench.hand.appended(Behind())
    bench.hand.answer_read(tail(2, 2, epoch="f4240-id1"))
    assert bench.commit().first == 3
    assert answers == [Position("f4240-id1", 3)]


def test_the_halves_of_what_is_too_large_do_not_wait_for_each_other() -> None:
    bench = opened(limits=LINGERING)
    answers = [bench.publish() for _ in range(2)]
    bench.scheduler.settle()
    bench.hand.appended(TooLarge())
    bench.commit()
    assert [len(answer) for answer in answers] == [1, 0]
    bench.scheduler.advance(0.1)
    bench.commit()
    assert [answer for (answer,) in answers] == [Position("f4240-id1", 1), Position("f4240-id1", 2)]


def test_who_wants_to_read_is_answered_while_publications_gather() -> None:
    bench = lingering()
    published = bench.publish()
    known: list[CommandError | None] = []
    for _ in range(2):
        bench.project.journal.refresh(known.append)
    bench.hand.answer_read(tail(2, 1, epoch="f4240-id1"))
    assert known == [None, None]
    bench.project.journal.refresh(known.append)
    bench.scheduler.advance(0.1)
    bench.commit()
    assert (len(known), len(published)) == (3, 1)


def test_an_outage_while_publications_gather_answers_them_and_the_next_one_is_written() -> None:
    bench = lingering()
    published = bench.publish()
    bench.project.journal.refresh(lambda _fault: None)
    bench.hand.answer_read(DOWN)
    assert code_of(published[0]) is ErrorCode.STORE_UNAVAILABLE
    again = bench.publish()
    bench.scheduler.advance(0.1)
    bench.commit()
    assert again == [Position("f4240-id1", 2)]
    assert bench.project.journal.is_settled


def test_a_project_with_publications_that_gather_is_not_idle() -> None:
    bench = lingering()
    bench.publish()
    assert not bench.project.is_idle
    assert not bench.project.journal.is_settled
    bench.scheduler.advance(0.1)
    bench.commit()
    assert bench.project.is_idle


def test_without_a_linger_nothing_gathers() -> None:
    bench = opened(at=EMPTY)
    for _ in range(3):
        bench.publish()
        assert len(bench.commit().records) == 1
    assert (bench.scheduler.timers, bench.engine.pace) == ([], None)
