"""The table of states: what each answer of the store leads to."""

from tests.support.doubles import DOWN, EMPTY, Bench, tail
from websocket_handler.logs.store_call import State
from websocket_handler.ports.log_store import Behind


def test_one_call_is_under_way_and_its_answer_decides_the_next_state() -> None:
    bench = Bench()
    call = bench.project.journal.call
    seen = [call.state]

    def answered(*, settles: bool = True) -> None:
        if settles:
            bench.scheduler.settle()
        seen.append(call.state)

    bench.hand.opened(DOWN)
    answered()
    bench.publish()
    answered()
    bench.hand.opened(EMPTY)
    answered(settles=False)
    answered()
    _, append_answered = bench.hand.appends.pop()
    append_answered(Behind())
    answered()
    bench.hand.answer_read(tail(1, 3, epoch="another"))
    answered()
    bench.hand.opened(tail(1, 3, epoch="another"))
    answered(settles=False)
    answered()
    bench.commit()
    answered()
    bench.project.journal.close()
    answered()
    assert seen == [
        State.OPENING,
        State.UNOPENED,
        State.OPENING,
        State.READY,
        State.APPENDING,
        State.READING,
        State.REOPENING,
        State.READY,
        State.APPENDING,
        State.READY,
        State.CLOSED,
    ]


def test_the_log_is_known_once_it_was_opened() -> None:
    bench = Bench()
    call = bench.project.journal.call
    assert not call.is_known
    bench.hand.opened(EMPTY)
    assert call.is_known
    bench.publish()
    bench.scheduler.settle()
    assert (call.state, call.is_known) == (State.APPENDING, True)
