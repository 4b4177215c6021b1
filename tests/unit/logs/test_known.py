"""When a log is opened, and when it is opened again: once, whoever asks."""

from tests.support.doubles import DOWN, EMPTY, Bench
from websocket_handler.hub.log import Start
from websocket_handler.ports.log_store import Unavailable
from websocket_handler.protocol.messages import Position


def test_a_crowd_that_comes_back_after_a_failed_opening_causes_one_more() -> None:
    bench = Bench()
    for _ in range(100):
        bench.follow()
    bench.hand.opened(DOWN)
    assert bench.hand.opens == [], "nobody needs the log now"
    places = [bench.follow()[1] for _ in range(100)]
    published = bench.publish()
    assert len(bench.hand.opens) == 1
    bench.hand.opened(EMPTY)
    bench.commit()
    assert places == [[Start(0, recovered=True)]] * 100
    assert published == [Position("f4240-id1", 1)]


def test_an_opening_is_wanted_as_long_as_somebody_waits_for_it() -> None:
    bench = Bench()
    (is_wanted,) = bench.hand.wanted
    assert not is_wanted()
    connection, _ = bench.follow()
    assert is_wanted()
    _, cursor = connection.subscriptions["p"]
    bench.project.fan_out.end_cursor(cursor)
    assert not is_wanted(), "the client left"
    bench.publish()
    assert is_wanted()


def test_who_comes_when_an_opening_was_called_off_gets_another_one() -> None:
    bench = Bench()
    (is_wanted,) = bench.hand.wanted
    assert not is_wanted()
    _, places = bench.follow()
    bench.hand.opened(Unavailable("nobody waits", is_unwanted=True))
    assert places == []
    bench.hand.opened(EMPTY)
    assert places == [Start(0, recovered=True)]


def test_a_project_that_nobody_wants_to_open_is_idle() -> None:
    bench = Bench()
    assert not bench.project.is_idle
    bench.hand.opened(Unavailable("nobody waits", is_unwanted=True))
    assert bench.project.is_idle
