"""Who is refused is told when to come back: later, the more wait, and not all at the same moment."""

from random import Random

from tests.support.doubles import DOWN, SHORT, Bench, code_of, opened, segment
from websocket_handler.logs.refusals import store_unavailable
from websocket_handler.ports.log_store import Tail, Unavailable
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

BUSY = Unavailable("busy", 4.0)


def hints(answers: list[object]) -> list[int | None]:
    """What they were told."""
    assert all(code_of(answer) is ErrorCode.STORE_UNAVAILABLE for answer in answers)
    return [answer.retry_after_ms for answer in answers if isinstance(answer, CommandError)]


def test_the_moment_to_come_back_lies_between_a_second_and_when_the_store_will_have_had_time() -> None:
    assert store_unavailable(BUSY, lambda: 0.0).retry_after_ms == 1000
    assert store_unavailable(BUSY, lambda: 1.0).retry_after_ms == 4000
    assert store_unavailable(Unavailable("busy", 0.5), lambda: 1.0).retry_after_ms == 1000
    random = Random(1)
    spread = [store_unavailable(BUSY, random.random).retry_after_ms or 0 for _ in range(1000)]
    assert min(spread) < 1050
    assert max(spread) > 3950
    assert len(set(spread)) > 700


def test_nobody_is_told_a_moment_that_nobody_knows() -> None:
    assert store_unavailable(DOWN, lambda: 0.5).retry_after_ms is None
    assert store_unavailable(None, lambda: 0.5).retry_after_ms is None


def with_chance(bench: Bench) -> Bench:
    """Every number of chance is another one."""
    numbers = iter(range(1000))
    object.__setattr__(bench.engine, "chance", lambda: next(numbers) / 1000)
    return bench


def test_all_who_wait_for_an_opening_are_told_different_moments() -> None:
    bench = with_chance(Bench())
    published = bench.publish()
    places = [bench.follow()[1] for _ in range(3)]
    bench.hand.opened(BUSY)
    told = hints([*published, *(place for (place,) in places)])
    assert len(set(told)) == 4
    assert all(hint and 1000 <= hint <= 4000 for hint in told)


def test_all_who_wait_for_a_page_are_told_different_moments() -> None:
    bench = with_chance(opened(at=Tail("e", 9, 0, (segment(1, 9),)), limits=SHORT))
    places = [bench.follow(since=Position("e", offset))[1] for offset in (1, 2, 2)]
    bench.hand.answer_read(BUSY)
    told = hints([place for (place,) in places])
    assert len(set(told)) == 3


def test_a_publisher_is_told_when_to_come_back() -> None:
    bench = opened()
    answers = bench.publish()
    bench.scheduler.settle()
    bench.hand.appended(BUSY)
    assert hints([*answers]) == [1000]
