"""A client that has seen more than its new node: the node looks at the store before it says no, late enough."""

from typing import Any

from tests.support.doubles import DOWN, Bench, client_of, code_of, opened, tail
from websocket_handler.hub.log import Start
from websocket_handler.logs.store_call import State
from websocket_handler.ports.log_store import Behind, Committed, Tail
from websocket_handler.protocol.codes import ErrorCode
from websocket_handler.protocol.messages import Position

NOTHING_NEW = Tail("e", 3, 0, ())


def reading() -> Bench:
    """A node that knows three publications, and whose look at the store has passed them already."""
    bench = opened(at=tail(1, 3))
    bench.project.journal.refresh(lambda _fault: None)
    return bench


def test_a_read_that_began_before_the_question_does_not_decide_it() -> None:
    bench = reading()
    connection, places = bench.follow(since=Position("e", 4))
    bench.hand.answer_read(NOTHING_NEW)
    assert places == []
    assert bench.hand.answer_read(tail(4, 5, floor=0)) == 3
    assert places == [Start(4, recovered=True)]
    assert client_of(connection).offsets == [5]


def test_a_page_is_not_decided_by_it_either() -> None:
    bench = reading()
    pages: list[Any] = []
    bench.project.reader.page("e", 4, 10, 1000, pages.append)
    bench.hand.answer_read(NOTHING_NEW)
    assert pages == []
    bench.hand.answer_read(tail(4, 5, floor=0))
    assert [(page.after, page.last, page.recovered) for page in pages] == [(4, 5, True)]


def test_a_position_in_another_log_is_not_decided_by_it() -> None:
    bench = reading()
    _, places = bench.follow(since=Position("f", 2))
    bench.hand.answer_read(NOTHING_NEW)
    assert places == []
    bench.hand.answer_read(tail(1, 2, epoch="f"))
    bench.hand.opened(tail(1, 2, epoch="f"))
    assert places == [Start(2, recovered=True)]


def test_a_write_that_began_before_the_question_does_not_decide_it() -> None:
    bench = opened(at=tail(1, 3))
    bench.publish()
    bench.scheduler.settle()
    _, places = bench.follow(since=Position("e", 5))
    bench.hand.appended(Committed())
    assert places == []
    assert bench.hand.answer_read(tail(5, 5, floor=0)) == 4
    assert places == [Start(5, recovered=True)]


def test_the_read_after_a_lost_race_decides_it() -> None:
    bench = opened(at=tail(1, 3))
    bench.publish()
    bench.scheduler.settle()
    _, places = bench.follow(since=Position("e", 4))
    bench.hand.appended(Behind())
    bench.hand.answer_read(tail(4, 4, floor=0))
    assert places == [Start(4, recovered=True)]


def test_a_position_that_nobody_wrote_is_refused_after_one_read_of_its_own() -> None:
    bench = reading()
    _, places = bench.follow(since=Position("e", 99))
    bench.hand.answer_read(NOTHING_NEW)
    bench.hand.answer_read(NOTHING_NEW)
    assert places == [Start(0, recovered=False)]
    assert bench.hand.reads == []


def test_a_thousand_clients_share_the_read_that_decides() -> None:
    bench = reading()
    found = [bench.follow(since=Position("e", 4 + number % 2))[1] for number in range(1000)]
    bench.hand.answer_read(NOTHING_NEW)
    bench.hand.answer_read(tail(4, 5, floor=0))
    assert all(place[0].recovered for place in found)
    assert bench.hand.asked == 2


def test_a_store_that_fails_meanwhile_refuses_the_subscription() -> None:
    bench = reading()
    _, places = bench.follow(since=Position("e", 4))
    bench.hand.answer_read(NOTHING_NEW)
    bench.hand.answer_read(DOWN)
    assert code_of(places[0]) is ErrorCode.STORE_UNAVAILABLE


# Clients that ask without end


def keep_asking(bench: Bench) -> None:
    """Ask again for what nobody wrote, whenever there is an answer."""

    def ask(*_answer: object) -> bool:
        bench.project.fan_out.subscribe(bench.follow()[0], Position("e", 99), None, ask)
        return True

    ask()


def test_whoever_asks_again_and_again_holds_up_no_publication() -> None:
    bench = opened(at=tail(1, 3))
    keep_asking(bench)
    for offset in range(4, 14):
        answers = bench.publish()
        while not bench.hand.appends:
            bench.hand.answer_read(Tail("e", offset - 1, 0, ()))
            bench.scheduler.settle()
        assert bench.hand.asked <= 2 * (offset - 3)
        bench.hand.appended(Committed())
        assert answers == [Position("e", offset)]


def test_publications_without_end_hold_up_nobody_who_asks() -> None:
    bench = reading()
    _, places = bench.follow(since=Position("e", 99))
    while not places:
        bench.publish()
        bench.scheduler.settle()
        if bench.hand.appends:
            bench.hand.appended(Committed())
        else:
            bench.hand.answer_read(Tail("e", bench.project.journal.log.head, 0, ()))
    assert bench.hand.asked == 2


def test_who_gave_way_to_publications_that_were_nothing_new_is_answered() -> None:
    bench = opened(at=tail(1, 3))
    bench.publish(key="k")
    bench.commit()
    bench.project.journal.refresh(lambda _fault: None)
    again = bench.publish(key="k")
    _, places = bench.follow(since=Position("e", 5))
    bench.hand.answer_read(Tail("e", 4, 0, ()))
    assert bench.project.journal.call.state is State.READY
    assert bench.hand.reads == [], "what waits to be written is first"
    bench.scheduler.settle()
    assert again == [Position("e", 4)]
    bench.hand.answer_read(tail(5, 5, floor=0))
    assert places == [Start(5, recovered=True)]
