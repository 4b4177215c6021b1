"""One node: its projects, its connections, and their maxima."""

from typing import Any

import pytest

from tests.support.doubles import (
    EMPTY,
    NEVER_OLD,
    WALL,
    HandStore,
    client_of,
    code_of,
    tail,
)
from tests.support.publications import wire
from tests.unit.delivery.desk import Desk
from websocket_handler.delivery.node import Confirmed
from websocket_handler.hub.log import PUBLICATION_OVERHEAD_BYTES
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Committed, Unavailable, always
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position, Subscribe


def test_a_publication_goes_to_those_who_follow_its_project_and_to_nobody_else() -> None:
    desk = Desk()
    here, there, nowhere = desk.connect("a"), desk.connect("b"), desk.connect("c")
    desk.subscribe(here, "p")
    desk.subscribe(there, "q")
    assert desk.publish("p") == [Position("f4240-id2", 1)]
    assert client_of(here).offsets == [1]
    assert client_of(there).writes == client_of(nowhere).writes == []


def test_a_broadcast_goes_to_everyone_as_it_came() -> None:
    desk = Desk()
    connections = [desk.connect(name) for name in "abc"]
    assert desk.broadcast(b' {"a": 1} ') == 3
    desk.scheduler.settle()
    assert [client_of(connection).messages for connection in connections] == [[{"a": 1}]] * 3
    with pytest.raises(CommandError):
        desk.broadcast(b"[]")


def test_a_slow_client_gets_the_broadcasts_that_are_retained_and_no_reset() -> None:
    desk = Desk()
    connection = desk.connect()
    connection.pause()
    for number in range(3):
        desk.broadcast(b'{"n":%d}' % number)
        desk.scheduler.settle()
    connection.resume()
    assert client_of(connection).messages == [{"n": 0}, {"n": 1}, {"n": 2}]


# Projects


def test_as_many_projects_as_allowed_and_idle_ones_make_room() -> None:
    desk = Desk(DeliveryLimits(log=NEVER_OLD, projects=2))
    connection = desk.connect()
    desk.subscribe(connection, "a")
    desk.clock.advance(1)
    desk.node.project("b")
    desk.node.project("c")
    assert sorted(project.project_id for project in desk.node.projects) == ["a", "c"]
    desk.subscribe(connection, "c")
    assert desk.refusal("d") is ErrorCode.TOO_MANY_PROJECTS
    assert desk.node.project("a").project_id == "a"


def test_the_project_that_was_used_longest_ago_makes_room() -> None:
    desk = Desk(DeliveryLimits(log=NEVER_OLD, projects=2))
    for name in ("a", "b", "a", "c"):
        desk.clock.advance(1)
        desk.node.project(name)
    assert sorted(project.project_id for project in desk.node.projects) == ["a", "c"]


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "p" * 129])
def test_what_is_no_project_id_opens_nothing(name: str) -> None:
    desk = Desk()
    assert desk.refusal(name) is ErrorCode.INVALID_PROJECT_ID
    assert code_of(desk.publish(name)[0]) is ErrorCode.INVALID_PROJECT_ID
    assert list(desk.node.projects) == []


def test_idle_projects_are_closed_after_their_time_and_open_again_where_they_were() -> None:
    desk = Desk(DeliveryLimits(log=NEVER_OLD, project_idle_s=60))
    desk.publish("p", key="k")
    desk.clock.advance(60)
    desk.node.sweep()
    assert len(list(desk.node.projects)) == 1
    desk.clock.advance(0.001)
    desk.node.sweep()
    assert list(desk.node.projects) == []
    assert desk.publish("p", key="k") == [Position("f4240-id2", 1)], "keys are known again"
    assert desk.publish("p") == [Position("f4240-id2", 2)]


def test_a_followed_project_is_never_closed() -> None:
    desk = Desk(DeliveryLimits(log=NEVER_OLD, project_idle_s=1))
    connection = desk.connect()
    desk.subscribe(connection)
    desk.clock.advance(1000)
    desk.node.sweep()
    desk.publish()
    assert client_of(connection).offsets == [1]


def test_all_logs_together_are_kept_within_their_maximum_least_recently_used_first() -> None:
    each = len(wire(b"{}", 1, "a", round(WALL * 1000))) + PUBLICATION_OVERHEAD_BYTES
    desk = Desk(DeliveryLimits(log=NEVER_OLD, log_bytes_total=3 * each))
    for name in "aabb":
        desk.clock.advance(1)
        desk.publish(name)
    assert desk.node.projects.retained_bytes == 4 * each
    desk.node.sweep()
    assert desk.node.projects.retained_bytes == 3 * each
    assert (len(desk.node.project("a").journal.log), len(desk.node.project("b").journal.log)) == (1, 2)


def test_a_project_whose_store_does_not_answer_is_opened_anew_by_the_next_use() -> None:
    store = HandStore()
    desk = Desk(store=store)
    answers = desk.publish()
    store.opened(Unavailable("down"))
    assert code_of(answers[0]) is ErrorCode.STORE_UNAVAILABLE
    again = desk.publish()
    store.opened(tail(1, 3))
    desk.scheduler.settle()
    store.appended(Committed())
    assert again == [Position("e", 4)]


class _RefusesAtOnce(HandStore):
    """A store that knows at once that it is not there, as its port allows."""

    is_down = True

    def open(self, project_id: str, done: Any, is_wanted: Any = always) -> None:
        done(Unavailable("down") if self.is_down else EMPTY)


def test_a_store_that_refuses_before_it_returns_is_asked_again_by_the_next_use() -> None:
    store = _RefusesAtOnce()
    desk = Desk(store=store)
    connection = desk.connect()
    assert code_of(desk.publish()[0]) is ErrorCode.STORE_UNAVAILABLE
    assert code_of(desk.subscribe(connection)[0]) is ErrorCode.STORE_UNAVAILABLE
    assert connection.subscriptions == {}
    assert [project.is_idle for project in desk.node.projects] == [True], "it is closed when nobody comes back"
    store.is_down = False
    assert isinstance(desk.subscribe(connection)[0], Confirmed)
    desk.publish()
    store.appended(Committed())
    assert client_of(connection).offsets == [1]


# Connections and subscriptions


def test_as_many_connections_as_allowed_and_not_one_more() -> None:
    desk = Desk(DeliveryLimits(log=NEVER_OLD, connections=2))
    first = desk.connect("a")
    desk.connect("b")
    assert desk.node.is_full
    with pytest.raises(CommandError) as caught:
        desk.connect("c")
    assert caught.value.code is ErrorCode.TOO_MANY_CONNECTIONS
    desk.node.unregister(first)
    desk.node.unregister(first)
    assert not desk.node.is_full
    desk.connect("c")


def test_no_limit_on_connections_and_subscriptions_where_it_is_zero() -> None:
    desk = Desk(DeliveryLimits(log=NEVER_OLD, connections=0, subscriptions=0))
    connection = desk.connect()
    for number in range(300):
        assert isinstance(desk.subscribe(connection, f"p{number}")[0], Confirmed)
    assert not desk.node.is_full


def test_as_many_subscriptions_as_allowed_and_not_one_more() -> None:
    desk = Desk(DeliveryLimits(log=NEVER_OLD, subscriptions=2))
    connection = desk.connect()
    desk.subscribe(connection, "a")
    desk.subscribe(connection, "b")
    with pytest.raises(CommandError) as caught:
        desk.subscribe(connection, "c")
    assert caught.value.code is ErrorCode.TOO_MANY_SUBSCRIPTIONS
    assert isinstance(desk.subscribe(connection, "b")[0], Confirmed)
    desk.node.unsubscribe(connection, "a", lambda: None)
    assert isinstance(desk.subscribe(connection, "c")[0], Confirmed)


def test_subscribing_twice_is_confirmed_again_and_replays_nothing() -> None:
    desk = Desk()
    connection = desk.connect()
    desk.subscribe(connection)
    desk.publish()
    assert desk.subscribe(connection, since=Position("f4240-id2", 0)) == [
        Confirmed(Position("f4240-id2", 1), recovered=True)
    ]
    assert client_of(connection).offsets == [1]
    assert desk.noted.changes == ["c"]


def test_subscribing_twice_before_the_log_is_known_is_confirmed_twice() -> None:
    store = HandStore()
    desk = Desk(store=store)
    connection = desk.connect()
    first, second = desk.subscribe(connection), desk.subscribe(connection)
    assert first == second == []
    store.opened(tail(1, 3))
    assert first == second == [Confirmed(Position("e", 3), recovered=True)]


def test_a_second_subscribe_that_waited_for_a_refused_one_tries_itself() -> None:
    store = HandStore()
    desk = Desk(store=store)
    connection = desk.connect()
    first, second = desk.subscribe(connection), desk.subscribe(connection)
    store.opened(Unavailable("down"))
    assert code_of(first[0]) is ErrorCode.STORE_UNAVAILABLE
    assert second == []
    store.opened(tail(1, 3))
    assert second == [Confirmed(Position("e", 3), recovered=True)]


def test_a_second_subscribe_that_cannot_try_itself_is_answered() -> None:
    store = HandStore()
    desk = Desk(DeliveryLimits(log=NEVER_OLD, projects=1), store)
    connection, other = desk.connect("a"), desk.connect("b")

    def take_the_place(_answer: object) -> None:
        desk.subscribe(other, "q")

    desk.node.subscribe(connection, Subscribe(project_id="p"), take_the_place)
    second = desk.subscribe(connection)
    store.opened(Unavailable("down"))
    assert code_of(second[0]) is ErrorCode.TOO_MANY_PROJECTS


def test_nothing_of_a_project_follows_its_unsubscription() -> None:
    desk = Desk()
    connection = desk.connect()
    desk.subscribe(connection)
    done: list[int] = []
    desk.node.unsubscribe(connection, "p", lambda: done.append(1))
    desk.node.unsubscribe(connection, "p", lambda: done.append(2))
    desk.publish()
    assert done == [1, 2]
    assert client_of(connection).offsets == []
    assert desk.noted.changes == ["c", "c"]


def test_unsubscribing_before_the_log_is_known_waits_for_the_confirmation() -> None:
    store = HandStore()
    desk = Desk(store=store)
    connection = desk.connect()
    order: list[str] = []
    desk.node.subscribe(connection, Subscribe(project_id="p"), lambda _answer: order.append("confirmed"))
    desk.node.unsubscribe(connection, "p", lambda: order.append("ended"))
    third = desk.subscribe(connection)
    store.opened(tail(1, 3))
    assert order == ["confirmed", "ended"]
    assert third == [Confirmed(Position("e", 3), recovered=True)]
    assert list(connection.subscriptions) == ["p"]


def test_a_connection_that_ends_leaves_every_project() -> None:
    desk = Desk()
    connection = desk.connect()
    desk.subscribe(connection, "p")
    desk.node.unregister(connection)
    desk.publish("p")
    desk.broadcast(b"{}")
    desk.scheduler.settle()
    assert client_of(connection).writes == []
    assert desk.node.presence("p") == []
    connection.push(b"{}")
    assert client_of(connection).writes == []


def test_recoveries_are_counted() -> None:
    desk = Desk()
    connection = desk.connect()
    desk.publish("p")
    desk.subscribe(connection, "p", Position("f4240-id2", 0))
    desk.subscribe(connection, "q", Position("other", 0))
    assert desk.engine.counters.recoveries == {"recovered": 1, "lost": 1}


def test_presence_is_who_follows_on_this_node() -> None:
    desk = Desk()
    assert desk.node.presence("p") == ()
    first, second = desk.connect("a"), desk.connect("b")
    desk.subscribe(first)
    desk.subscribe(second)
    assert desk.node.presence("p") == [first, second]


def test_a_node_is_settled_when_every_publication_was_answered() -> None:
    store = HandStore()
    desk = Desk(store=store)
    desk.publish()
    assert not desk.node.projects.is_settled
    store.opened(EMPTY)
    desk.scheduler.settle()
    assert not desk.node.projects.is_settled
    store.appended(Committed())
    assert desk.node.projects.is_settled


def test_a_client_that_fills_up_while_it_resumes_waits_with_the_rest() -> None:
    desk = Desk()
    connection = desk.connect()
    for name in ("p", "q"):
        desk.subscribe(connection, name)
    connection.pause()
    for name in ("p", "q"):
        desk.publish(name)
    client = client_of(connection)
    client.high_water = 10
    client.drain()
    assert [message["project_id"] for message in client.messages] == ["p"]
    client.drain()
    assert [message["project_id"] for message in client.messages] == ["p", "q"]
