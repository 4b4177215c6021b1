"""Cursors and pages further back than memory reaches: what the store still has, and never more."""

import json
from typing import Any

from tests.support.deltas import delta_entries
from tests.support.doubles import (
    DOWN,
    EMPTY,
    SHORT,
    Bench,
    client_of,
    code_of,
    opened,
    segment,
    tail,
)
from websocket_handler.hub.cursor import CursorState
from websocket_handler.hub.log import Start
from websocket_handler.logs.fan_out import STORE_RETRY_S
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.page import Page
from websocket_handler.ports.log_store import Tail, Unavailable
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

# Further back than memory


def test_the_store_is_read_where_memory_no_longer_reaches() -> None:
    bench = opened(at=Tail("e", 9, 0, (segment(1, 9),)), limits=SHORT)
    assert bench.project.journal.log.first == 7
    connection, places = bench.follow(since=Position("e", 2))
    assert places == []
    assert bench.hand.answer_read(Tail("e", 9, 0, (segment(1, 4),))) == 2
    assert places == [Start(2, recovered=True)]
    assert bench.hand.asked == 2, "the page that tells the place is sent, too"
    assert bench.hand.answer_read(Tail("e", 9, 0, (segment(5, 9),))) == 4
    assert client_of(connection).offsets == [3, 4, 5, 6, 7, 8, 9]
    bench.publish()
    bench.commit()
    assert client_of(connection).offsets[-1] == 10


def test_a_promise_is_made_only_on_what_the_store_still_has() -> None:
    bench = opened(at=Tail("e", 9, 0, (segment(1, 9),)), limits=SHORT)
    connection, places = bench.follow(since=Position("e", 2))
    bench.hand.answer_read(Tail("e", 9, 4, ()))
    assert places == [Start(4, recovered=False)]
    bench.hand.answer_read(Tail("e", 9, 4, (segment(5, 9),)))
    assert client_of(connection).offsets == [5, 6, 7, 8, 9]


def test_a_rewind_that_the_store_no_longer_has_starts_where_it_can() -> None:
    bench = opened(at=Tail("e", 9, 0, (segment(1, 9),)), limits=SHORT)
    connection, places = bench.follow(rewind=9)
    bench.hand.answer_read(Tail("e", 9, 8, ()))
    assert places == [Start(6, recovered=True)]
    assert client_of(connection).offsets == [7, 8, 9]


def test_a_store_that_fails_at_the_promise_refuses_the_subscription() -> None:
    bench = opened(at=Tail("e", 9, 0, (segment(1, 9),)), limits=SHORT)
    _, places = bench.follow(since=Position("e", 2))
    bench.hand.answer_read(DOWN)
    assert code_of(places[0]) is ErrorCode.STORE_UNAVAILABLE


def behind_memory(count: int = 1, high_water: int = 60) -> tuple[Bench, list[Any]]:
    """Clients that were full while the log moved on beyond what memory keeps."""
    bench = opened(limits=SHORT)
    connections = [bench.follow(high_water=high_water)[0] for _ in range(count)]
    bench.publish(b'{"x":"%b"}' % (b"x" * 60))
    bench.commit()
    assert all(connection.is_paused for connection in connections)
    for connection in connections:
        client_of(connection).high_water = 1_000_000
    for _ in range(9):
        bench.publish()
        bench.commit()
    return bench, connections


def test_a_slow_client_catches_up_from_the_store() -> None:
    bench, (connection,) = behind_memory()
    cursor = connection.subscriptions["p"][1]
    states = [cursor.state]
    client_of(connection).drain()
    states.append(cursor.state)
    bench.hand.answer_read(Tail("f4240-id1", 10, 0, (segment(2, 8, epoch="f4240-id1"),)))
    assert client_of(connection).offsets == list(range(1, 11))
    states.append(cursor.state)
    assert states == [CursorState.BEHIND, CursorState.READING, CursorState.LEVEL]


def test_a_cursor_asks_a_store_that_did_not_answer_again_when_it_was_told_to() -> None:
    bench, (connection,) = behind_memory()
    client_of(connection).drain()
    object.__setattr__(bench.engine, "chance", lambda: 1.0)
    bench.hand.answer_read(Unavailable("busy", 30.0))
    bench.scheduler.advance(29.9)
    assert bench.hand.asked == 1
    bench.scheduler.advance(0.2)
    assert bench.hand.asked == 2
    bench.hand.answer_read(DOWN)
    bench.scheduler.advance(STORE_RETRY_S)
    assert bench.hand.asked == 3


def test_clients_at_many_places_cause_one_walk_through_the_log() -> None:
    bench = opened(at=Tail("e", 99, 0, (segment(97, 99),)), limits=SHORT)
    places = {offset: bench.follow(since=Position("e", offset))[0] for offset in range(90)}
    while bench.hand.reads:
        at_turn = bench.hand.at_turns[-1]
        assert at_turn is not None
        after = at_turn()
        assert after is not None
        bench.hand.answer_read(Tail("e", 99, 0, (segment(after + 1, after + 10),)))
    assert bench.hand.asked == 10
    assert all(client_of(connection).offsets == list(range(since + 1, 100)) for since, connection in places.items())


def test_a_client_that_leaves_while_its_page_waits_leaves_nothing_to_read() -> None:
    bench = opened(at=Tail("e", 9, 0, (segment(7, 9),)), limits=SHORT)
    first, _ = bench.follow(since=Position("e", 2))
    second, places = bench.follow(since=Position("e", 5))
    for connection in (first, second):
        _, cursor = connection.subscriptions["p"]
        bench.project.fan_out.end_cursor(cursor)
    at_turn = bench.hand.at_turns[-1]
    assert at_turn is not None
    assert at_turn() is None
    assert places == []


def test_clients_at_one_place_share_one_read() -> None:
    bench, connections = behind_memory(20)
    for connection in connections:
        client_of(connection).drain()
    assert bench.hand.asked == 1
    bench.hand.answer_read(Tail("f4240-id1", 10, 0, (segment(2, 8, epoch="f4240-id1"),)))
    assert all(client_of(connection).offsets == list(range(1, 11)) for connection in connections)


def test_a_client_that_fills_up_inside_a_page_of_the_store_goes_on_from_there() -> None:
    bench = opened(limits=DeliveryLimits(log=SHORT.log, write_bytes=60))
    connection, _ = bench.follow(high_water=60)
    for _ in range(10):
        bench.publish(b'{"x":"%b"}' % (b"x" * 30))
        bench.commit()
    offsets = client_of(connection).offsets
    assert len(offsets) < 10
    while connection.is_paused or bench.hand.reads:
        client_of(connection).drain()
        if bench.hand.reads:
            after = bench.hand.reads[0][0]
            bench.hand.answer_read(Tail("f4240-id1", 10, 0, (segment(after + 1, 10, epoch="f4240-id1"),)))
    assert client_of(connection).offsets == list(range(1, 11))


def test_a_cursor_that_fell_out_of_the_log_is_told_and_goes_on() -> None:
    bench, (connection,) = behind_memory()
    client_of(connection).forget()
    client_of(connection).drain()
    bench.hand.answer_read(Tail("f4240-id1", 10, 5, ()))
    reset = {"type": "subscription_reset", "project_id": "p", "epoch": "f4240-id1", "offset": 5, "recovered": False}
    assert client_of(connection).messages == [reset]
    bench.hand.answer_read(Tail("f4240-id1", 10, 5, (segment(6, 10, epoch="f4240-id1"),)))
    assert client_of(connection).offsets == [6, 7, 8, 9, 10]
    assert bench.counters.subscription_resets == 1


def test_a_store_with_less_than_memory_resets_to_where_memory_begins() -> None:
    bench, (connection,) = behind_memory()
    client_of(connection).forget()
    client_of(connection).drain()
    bench.hand.answer_read(Tail("f4240-id1", 10, 9, ()))
    assert client_of(connection).messages[0]["offset"] == 7
    assert client_of(connection).offsets == [8, 9, 10]


def test_where_resets_are_not_told_the_cursor_just_goes_on() -> None:
    bench = Bench(SHORT, are_resets_told=False)
    bench.hand.opened(EMPTY)
    connection, _ = bench.follow()
    connection.pause()
    for _ in range(9):
        bench.publish()
        bench.commit()
    client_of(connection).drain()
    bench.hand.answer_read(Tail("f4240-id1", 9, 9, ()))
    assert [message.get("type") for message in client_of(connection).messages] == [None] * 3


def test_a_store_that_fails_is_asked_again_later() -> None:
    bench, (connection,) = behind_memory()
    client_of(connection).drain()
    bench.hand.answer_read(DOWN)
    assert bench.hand.reads == []
    bench.scheduler.advance(STORE_RETRY_S - 0.01)
    assert bench.hand.reads == []
    bench.scheduler.advance(0.02)
    bench.hand.answer_read(Tail("f4240-id1", 10, 0, (segment(2, 8, epoch="f4240-id1"),)))
    assert client_of(connection).offsets == list(range(1, 11))


def test_a_page_that_comes_after_the_client_left_is_dropped() -> None:
    bench, (connection,) = behind_memory()
    client_of(connection).drain()
    client_of(connection).forget()
    bench.project.fan_out.end_cursor(connection.subscriptions["p"][1])
    bench.hand.answer_read(Tail("f4240-id1", 10, 0, (segment(2, 8, epoch="f4240-id1"),)))
    assert client_of(connection).messages == []


def test_a_page_of_the_old_log_that_comes_after_a_reset_is_dropped() -> None:
    bench, (connection,) = behind_memory()
    client_of(connection).drain()
    client_of(connection).forget()
    bench.project.journal.refresh(lambda _fault: None)
    old = bench.hand.reads.pop(0)[1]
    bench.hand.answer_read(tail(1, 2, epoch="f"))
    bench.hand.opened(tail(1, 2, epoch="f"))
    assert client_of(connection).offsets == [1, 2]
    old(Tail("f4240-id1", 10, 5, (segment(2, 8, epoch="f4240-id1"),)))
    assert client_of(connection).offsets == [1, 2]
    assert bench.project.journal.log.floor == 0, "another log's floor says nothing about this one"


# Pages


def page_of(bench: Bench, after: int, count: int = 100, size: int = 1_000_000) -> list[Any]:
    """Ask for a page; where it will appear."""
    pages: list[Any] = []
    bench.project.reader.page(None, after, count, size, pages.append)
    return pages


def shown(page: Any) -> tuple[list[int], int, bool]:
    """Offsets, as the payloads and as the entries have them, the end, recovered."""
    assert not isinstance(page, CommandError)
    offsets = [json.loads(payload)["offset"] for payload in page.payloads]
    assert offsets == [entry.offset for entry in page.entries]
    assert page.position.offset == page.last
    return offsets, page.last, page.recovered


def test_a_page_of_memory() -> None:
    bench = opened(at=tail(1, 5))
    assert shown(page_of(bench, 0)[0]) == ([1, 2, 3, 4, 5], 5, True)
    assert shown(page_of(bench, 2, count=2)[0]) == ([3, 4], 4, True)
    assert shown(page_of(bench, 5)[0]) == ([], 5, True)
    assert shown(page_of(bench, 0, size=1)[0]) == ([1], 1, True)


def test_a_page_waits_for_the_log_to_be_known_and_fails_with_it() -> None:
    bench = Bench()
    pages = page_of(bench, 0)
    assert pages == []
    bench.hand.opened(DOWN)
    assert code_of(pages[0]) is ErrorCode.STORE_UNAVAILABLE


def test_a_page_of_the_store() -> None:
    bench = opened(at=Tail("e", 9, 0, (segment(1, 9),)), limits=SHORT)
    pages = page_of(bench, 1, count=4)
    bench.hand.answer_read(Tail("e", 9, 0, (segment(1, 4), segment(5, 9))))
    assert shown(pages[0]) == ([2, 3, 4, 5], 5, True)
    small = page_of(bench, 1, size=50)
    bench.hand.answer_read(Tail("e", 9, 0, (segment(1, 4),)))
    assert shown(small[0]) == ([2], 2, True)
    failed = page_of(bench, 1)
    bench.hand.answer_read(DOWN)
    assert code_of(failed[0]) is ErrorCode.STORE_UNAVAILABLE


def test_a_page_from_a_place_that_is_not_retained_starts_at_the_oldest_that_is() -> None:
    bench = opened(at=Tail("e", 9, 0, (segment(1, 9),)), limits=SHORT)
    pages = page_of(bench, 1)
    bench.hand.answer_read(Tail("e", 9, 4, ()))
    bench.hand.answer_read(Tail("e", 9, 4, (segment(5, 9),)))
    assert shown(pages[0]) == ([5, 6, 7, 8, 9], 9, False)
    nothing = page_of(bench, 1)
    bench.hand.answer_read(Tail(None, 0, 0, ()))
    assert shown(nothing[0]) == ([7, 8, 9], 9, False)


def test_a_page_beyond_the_head_is_looked_up_and_then_starts_at_the_oldest() -> None:
    bench = opened(at=tail(1, 3))
    pages = page_of(bench, 4)
    bench.hand.answer_read(tail(4, 6, floor=0))
    assert shown(pages[0]) == ([5, 6], 6, True)
    future = page_of(bench, 99)
    bench.hand.answer_read(Tail("e", 6, 0, ()))
    assert shown(future[0]) == ([1, 2, 3, 4, 5, 6], 6, False)


def test_the_reader_folds_pages_of_its_own_project() -> None:
    bench = opened()
    page = Page("e", 0, 2, delta_entries(["a", "b"]))
    (entry,) = bench.project.reader.folded(page).entries
    assert json.loads(entry.payload)["delta"] == "ab"
    assert bench.engine.folding.folded("p", page).entries[0] is entry
    assert bench.engine.folding.folded("q", page).entries[0] is not entry
