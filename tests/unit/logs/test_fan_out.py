"""Cursors: level ones follow, others catch up, and nobody is told what is not so."""

import pytest

from tests.support.doubles import (
    DOWN,
    NEVER_OLD,
    Bench,
    client_of,
    code_of,
    messages_in,
    opened,
    tail,
)
from websocket_handler.hub.cursor import CursorState
from websocket_handler.hub.log import Start
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Tail
from websocket_handler.protocol.codes import ErrorCode
from websocket_handler.protocol.messages import Position

# The hot path


def test_level_clients_get_the_same_bytes_in_one_write_each() -> None:
    bench = opened()
    clients = [bench.follow()[0] for _ in range(5)]
    bench.publish()
    bench.publish()
    bench.commit()
    writes = [client_of(client).writes for client in clients]
    assert all(write == writes[0] and len(write) == 1 for write in writes)
    assert len({id(write[0]) for write in writes}) == 1, "framed once"
    assert bench.counters.deliveries == 10


def test_what_one_write_carries_is_bounded_and_each_publication_is_whole() -> None:
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, write_bytes=1000))
    connection, _ = bench.follow()
    for _ in range(10):
        bench.publish(b'{"x":"%b"}' % (b"x" * 300))
    bench.publish(b'{"x":"%b"}' % (b"x" * 3000))
    bench.commit()
    assert client_of(connection).offsets == list(range(1, 12))
    sizes = [len(messages_in(write)) for write in client_of(connection).writes]
    assert max(sizes) == 2
    assert all(len(write) <= 1000 or size == 1 for write, size in zip(client_of(connection).writes, sizes, strict=True))


def test_a_client_that_fills_up_inside_a_write_gets_the_rest_when_it_drained() -> None:
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, write_bytes=100))
    slow, _ = bench.follow(high_water=150)
    quick, _ = bench.follow()
    for _ in range(10):
        bench.publish(b'{"x":"%b"}' % (b"x" * 30))
    bench.commit()
    taken = client_of(slow).offsets
    assert slow.is_paused
    assert 0 < len(taken) < 10
    assert client_of(quick).offsets == list(range(1, 11))
    while slow.is_paused:
        client_of(slow).drain()
    assert client_of(slow).offsets == list(range(1, 11))


def test_an_outbox_is_never_exceeded_by_more_than_one_chunk() -> None:
    bench = opened(limits=DeliveryLimits(log=NEVER_OLD, write_bytes=1000))
    connection, _ = bench.follow(high_water=2000)
    for _ in range(5):
        for _ in range(100):
            bench.publish(b'{"x":"%b"}' % (b"x" * 100))
        bench.commit()
    assert client_of(connection).buffered <= 2000 + 1100


def test_a_paused_client_is_written_nothing_and_costs_nothing() -> None:
    bench = opened()
    connection, _ = bench.follow()
    connection.pause()
    connection.pause()
    for _ in range(3):
        bench.publish()
        bench.commit()
    assert client_of(connection).writes == []
    client_of(connection).drain()
    assert client_of(connection).offsets == [1, 2, 3]
    bench.publish()
    bench.commit()
    assert client_of(connection).offsets == [1, 2, 3, 4]


def test_a_cursor_ahead_of_what_was_delivered_is_a_fault_and_no_endless_loop() -> None:
    bench = opened()
    connection, _ = bench.follow()
    _, cursor = connection.subscriptions["p"]
    fan_out = bench.project.fan_out
    bench.publish()
    bench.publish()
    bench.commit()
    fan_out.pause(cursor)
    cursor.offset, fan_out.delivered = 1, 0
    with pytest.raises(AssertionError, match="at 1, ahead of 0"):
        fan_out.resume(cursor)


def test_a_client_that_left_gets_nothing_more() -> None:
    bench = opened()
    connection, _ = bench.follow()
    cursor = connection.subscriptions["p"][1]
    bench.project.fan_out.end_cursor(cursor)
    bench.project.fan_out.end_cursor(cursor)
    bench.publish()
    bench.commit()
    assert client_of(connection).writes == []
    bench.project.fan_out.resume(cursor)
    bench.project.fan_out.pause(cursor)
    assert not cursor.is_live
    assert len(bench.project.fan_out) == 0


# Where a subscription starts


def test_a_subscription_is_confirmed_before_anything_is_delivered() -> None:
    bench = opened(at=tail(1, 3))
    connection, places = bench.follow(since=Position("e", 1))
    assert places == [Start(1, recovered=True)]
    assert client_of(connection).offsets == [2, 3]


def test_a_subscription_waits_for_the_log_to_be_known() -> None:
    bench = Bench()
    connection, places = bench.follow(rewind=1)
    cursor = connection.subscriptions["p"][1]
    assert places == []
    assert cursor.state is CursorState.STARTING
    started: list[int] = []
    bench.project.fan_out.when_started(cursor, lambda: started.append(len(places)))
    bench.hand.opened(tail(1, 3))
    assert places == [Start(2, recovered=True)]
    assert started == [1]
    bench.project.fan_out.when_started(cursor, lambda: started.append(2))
    assert started == [1, 2]
    assert client_of(connection).offsets == [3]


def test_a_client_that_left_before_its_place_was_known_is_told_nothing() -> None:
    bench = Bench()
    connection, places = bench.follow()
    bench.project.fan_out.end_cursor(connection.subscriptions["p"][1])
    bench.hand.opened(tail(1, 3))
    assert places == []
    assert bench.project.fan_out.is_empty


def test_what_is_published_between_a_confirmation_and_the_level_is_not_missed() -> None:
    bench = opened(at=tail(1, 3))
    connection, _ = bench.follow(since=Position("e", 0))
    bench.publish()
    bench.commit()
    assert client_of(connection).offsets == [1, 2, 3, 4]


def test_a_position_from_the_future_is_looked_up_before_it_is_refused() -> None:
    bench = opened(at=tail(1, 3))
    connection, places = bench.follow(since=Position("e", 5))
    assert places == []
    bench.hand.answer_read(tail(4, 6, floor=0))
    assert places == [Start(5, recovered=True)]
    assert client_of(connection).offsets == [6]


@pytest.mark.parametrize("since", [Position("e", 9), Position("other", 2)])
def test_a_position_that_cannot_be_continued_starts_at_what_is_retained(since: Position) -> None:
    bench = opened(at=tail(2, 3))
    connection, places = bench.follow(since=since)
    bench.hand.answer_read(Tail("e", 3, 1, ()))
    assert places == [Start(1, recovered=False)]
    assert client_of(connection).offsets == [2, 3]


def test_a_store_that_nobody_else_writes_to_is_not_asked() -> None:
    bench = Bench(DeliveryLimits(log=NEVER_OLD))
    bench.hand.is_shared = False
    bench.hand.opened(tail(2, 3))
    _, places = bench.follow(since=Position("e", 9))
    assert places == [Start(1, recovered=False)]
    assert bench.hand.asked == 0


def test_a_store_that_fails_refuses_the_subscription() -> None:
    bench = opened(at=tail(1, 3))
    connection, places = bench.follow(since=Position("other", 1))
    bench.hand.answer_read(DOWN)
    assert code_of(places[0]) is ErrorCode.STORE_UNAVAILABLE
    assert not connection.subscriptions["p"][1].is_live
    assert bench.project.fan_out.is_empty
