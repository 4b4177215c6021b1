"""What an operator does on one node holds on all of them: two nodes over one store."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clock import SteeredClock
from tests.support.doubles import DOWN, EMPTY, NEVER_OLD, WALL, HandStore, client_of, code_of
from tests.support.http_api import KnownTokens
from tests.unit.delivery.desk import Desk
from websocket_handler.access.access import AccessOptions
from websocket_handler.access.credentials import Credential, Kind
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.control import ANSWER_S, DRAINING_MAX, WAITING_MAX, Control
from websocket_handler.hub.control_messages import Drain
from websocket_handler.ports.log_store import Committed, LogStore, Tail
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity

ADA = Identity("ada", None, ("*",), frozenset(), WALL - 100)
FRESH = Identity("ada", None, ("*",), frozenset(), WALL + 100)


class SharedMemory(MemoryLogStore):
    """One store for several nodes."""

    is_shared = True

    def lose_everything(self) -> None:
        """The server comes back without its data."""
        self._logs.clear()


class Post:
    """One node with its control, and what it answered."""

    def __init__(self, store: LogStore | None, node_id: str = "") -> None:
        self.desk = Desk(common_store=store)
        tokens = KnownTokens(ada=ADA, fresh=FRESH)
        clock, scheduler = self.desk.clock, self.desk.scheduler
        self.access = TokenAccess(tokens, clock, scheduler, AccessOptions(), lambda: "ticket")
        self.is_announced = True
        self.met = 0
        self.rebalanced: list[float] = []
        self.control = Control(
            self.desk.node,
            self.access,
            store,
            node_id,
            is_announced=lambda: self.is_announced,
            met=self._meet,
            rebalance=self.rebalanced.append,
        )
        self.answers: list[Any] = []

    def _meet(self) -> None:
        self.met += 1

    def connect(self, name: str, identity: Identity = ADA) -> Connection:
        connection = self.desk.connect(name)
        connection.identity = identity
        self.access.begin(connection)
        return connection

    def disconnect(self, connection_id: str) -> None:
        self.control.disconnect(connection_id, self.answers.append)
        self.desk.scheduler.settle()

    def look(self) -> None:
        """Hear of what the other node wrote, and let the loop turn."""
        for log in self.desk.node.projects.common.values():
            log.look()
        self.desk.scheduler.settle()

    def accepts(self, token: str) -> bool:
        answers: list[Identity | CommandError] = []
        self.access.identify_request((Credential(Kind.TOKEN, token),), answers.append)
        return isinstance(answers[0], Identity)


def two() -> tuple[Post, Post]:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    return Post(store), Post(store)


def end_of(connection: Connection) -> int | None:
    closed = client_of(connection).closed
    return None if closed is None else closed[0]


def test_a_broadcast_reaches_the_clients_of_every_node_once() -> None:
    here, there = two()
    clients = [client_of(here.connect("a")), client_of(there.connect("b"))]
    assert here.desk.broadcast(b'{"n":1}') == 1
    here.desk.scheduler.settle()
    for _ in range(2):
        there.look()
        here.look()
    assert [client.messages for client in clients] == [[{"n": 1}]] * 2
    assert there.desk.engine.counters.broadcasts == 1


def test_a_broadcast_that_was_sent_before_a_node_started_is_not_for_its_clients() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    early = Post(store)
    early.desk.broadcast(b'{"n":1}')
    early.desk.scheduler.settle()
    late = Post(store)
    client = client_of(late.connect("b"))
    late.look()
    assert client.messages == []


def test_a_connection_of_another_node_is_closed_and_the_answer_says_so() -> None:
    here, there = two()
    far, near = there.connect("far"), here.connect("near")
    here.disconnect("near")
    assert (end_of(near), here.answers) == (CloseCode.DISCONNECTED, [True])
    here.disconnect("far")
    assert here.answers == [True]
    there.look()
    assert end_of(far) == CloseCode.DISCONNECTED
    here.look()
    assert here.answers == [True, True]
    here.desk.scheduler.advance(ANSWER_S)
    assert here.answers == [True, True], "each is answered once"


def test_another_node_is_drained_by_its_name_and_the_answer_waits_for_its_word() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    here, there = Post(store, "a"), Post(store, "b")
    here.control.ask_to_leave("b", here.answers.append)
    here.control.ask_to_leave("c", lambda answer: here.answers.append(answer))
    here.desk.scheduler.settle()
    there.look()
    assert (here.control.is_asked_to_leave, there.control.is_asked_to_leave, here.answers) == (False, True, [])
    there.control.drain(20.0)
    there.desk.scheduler.settle()
    here.look()
    assert here.answers == [True]
    here.desk.scheduler.advance(ANSWER_S)
    assert here.answers == [True, False], "there is no node c"
    here.control.ask_to_leave("a", here.answers.append)
    assert here.control.is_asked_to_leave
    assert here.answers[-1] is True


def test_a_node_that_starts_later_does_not_leave() -> None:
    """The message in the log was for the one before it, which had the same name."""
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    here = Post(store, "a")
    here.control.ask_to_leave("b", here.answers.append)
    here.desk.scheduler.settle()
    late = Post(store, "b")
    late.look()
    assert not late.control.is_asked_to_leave


def test_a_node_alone_knows_no_other() -> None:
    alone = Post(None, "a")
    alone.control.ask_to_leave("b", alone.answers.append)
    assert alone.answers == [False]


def test_a_connection_that_no_node_has_is_not_found() -> None:
    here, there = two()
    here.disconnect("nobody")
    there.look()
    here.look()
    here.desk.scheduler.advance(ANSWER_S / 2)
    assert here.answers == []
    here.desk.scheduler.advance(ANSWER_S / 2)
    assert here.answers == [False]


def test_as_many_disconnects_wait_as_allowed_and_not_one_more() -> None:
    here, _ = two()
    for number in range(WAITING_MAX):
        here.control.disconnect("nobody", lambda _answer, number=number: here.answers.append(number))  # type: ignore[misc]
    with pytest.raises(CommandError) as caught:
        here.disconnect("nobody")
    assert caught.value.code is ErrorCode.OVERLOADED
    here.desk.scheduler.settle()
    here.desk.scheduler.advance(ANSWER_S)
    assert here.answers == list(range(WAITING_MAX))
    here.disconnect("nobody")


def test_a_revocation_closes_what_came_in_with_an_older_token_on_every_node() -> None:
    here, there = two()
    near, far, fresh = here.connect("near"), there.connect("far"), there.connect("fresh", FRESH)
    told: list[object] = []
    assert here.control.revoke("ada", told.append) == 1
    assert (end_of(near), told, here.accepts("ada")) == (CloseCode.DISCONNECTED, [], False)
    here.desk.scheduler.settle()
    assert told == [None]
    there.look()
    assert (end_of(far), end_of(fresh)) == (CloseCode.DISCONNECTED, None)
    assert (there.accepts("ada"), there.accepts("fresh")) == (False, True)


def test_a_node_that_starts_later_knows_what_was_revoked() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    early = Post(store)
    early.control.revoke("ada", early.answers.append)
    early.desk.scheduler.settle()
    late = Post(store)
    assert (late.accepts("ada"), late.accepts("fresh"), late.control.failure()) == (False, True, None)


def test_a_node_whose_store_does_not_answer_is_not_ready_and_its_clients_are_judged_when_it_does() -> None:
    store = HandStore()
    post = Post(store)
    assert post.control.failure() is not None
    client = post.connect("early")
    for log in post.desk.node.projects.common.values():
        log.look()
    for _ in range(len(store.opens)):
        store.opened(DOWN)
    assert post.control.failure() is not None
    written = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    other = Post(written)
    other.control.revoke("ada", other.answers.append)
    other.desk.scheduler.settle()
    tails: list[Any] = []
    written.open("~control", tails.append)
    for log, answer in zip(post.desk.node.projects.common.values(), (EMPTY, *tails), strict=True):
        log.look()
        assert isinstance(answer, Tail)
        store.opened(answer)
    assert (post.control.failure(), end_of(client)) == (None, CloseCode.DISCONNECTED)


def test_an_operator_learns_that_the_other_nodes_could_not_be_told() -> None:
    store = HandStore()
    post = Post(store)
    near = post.connect("near")
    told: list[CommandError | None] = []
    assert post.control.revoke("ada", told.append) == 1
    post.disconnect("far")
    assert (end_of(near), told) == (CloseCode.DISCONNECTED, []), "here it holds at once"
    while store.opens:
        store.opened(DOWN)
    assert [code_of(answer) for answer in (*told, *post.answers)] == [ErrorCode.STORE_UNAVAILABLE] * 2


def test_a_node_that_runs_alone_does_everything_at_once() -> None:
    post = Post(None)
    near, client = post.connect("near"), client_of(post.connect("other", FRESH))
    post.disconnect("near")
    post.disconnect("nobody")
    assert (end_of(near), post.answers, post.control.failure()) == (CloseCode.DISCONNECTED, [True, False], None)
    assert post.control.revoke("ada", post.answers.append) == 2
    assert post.answers == [True, False, None]
    assert client.closed is not None


def test_a_store_that_lost_its_revocations_gets_them_back_once() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    posts = Post(store), Post(store)
    posts[0].control.revoke("ada", posts[0].answers.append)
    for post in posts:
        post.look()
    store.lose_everything()
    for post in (*posts, *posts):
        post.look()
    tails: list[Any] = []
    store.open("~control", tails.append)
    assert [len(segment.records) for segment in tails[0].segments] == [1]
    assert not Post(store).accepts("ada")


# Nodes that go away


def test_every_node_knows_which_ones_go_away_until_they_are_gone() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    here, there = Post(store, "here"), Post(store, "there")
    here.control.drain(30.0)
    here.desk.scheduler.settle()
    there.look()
    late = Post(store, "late")
    late.look()
    assert [set(post.control.draining) for post in (here, there, late)] == [{"here"}] * 3
    there.desk.clock.advance(30.0)
    assert not there.control.draining


def test_a_node_says_once_that_it_has_started_when_the_others_can_find_it() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    there, here = Post(store, "there"), Post(store, "here")
    there.look()
    for is_announced in (False, True, True):
        here.is_announced = is_announced
        here.control.introduce()
        here.desk.scheduler.settle()
        there.look()
        assert (here.met, there.met) == (0, int(is_announced))


def test_a_node_that_could_not_say_that_it_has_started_tries_again() -> None:
    hand = HandStore()
    here = Post(hand, "here")
    here.control.introduce()
    for _ in range(2):  # the broadcasts, and the control log
        hand.opened(EMPTY)
    for answer in (DOWN, Committed(), None):
        here.control.introduce()
        here.desk.scheduler.settle()
        assert bool(hand.appends) == (answer is not None)
        if answer is not None:
            hand.appended(answer)


def test_a_node_that_comes_back_under_its_name_says_that_it_serves() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    there = Post(store, "there")
    before = Post(store, "here")
    before.control.drain(30.0)
    before.desk.scheduler.settle()
    again = Post(store, "here")
    again.look()
    assert set(again.control.draining) == {"here"}
    again.control.introduce()
    again.desk.scheduler.settle()
    there.look()
    assert [set(post.control.draining) for post in (again, there)] == [set(), set()]


def test_a_node_that_goes_away_says_so_again_if_the_log_is_lost() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    here, there = Post(store, "here"), Post(store, "there")
    here.control.disconnect("nobody", here.answers.append)
    here.desk.scheduler.settle()
    here.control.drain(30.0)
    here.desk.scheduler.settle()
    store.lose_everything()
    for post in (here, there):
        post.look()
    there.look()
    assert set(there.control.draining) == {"here"}


def test_as_many_nodes_are_known_to_go_away_as_allowed_and_not_one_more() -> None:
    store = SharedMemory(SteeredClock(wall=WALL), NEVER_OLD)
    here = Post(store, "here")
    for number in range(DRAINING_MAX + 1):
        here.control._do(Drain(f"n{number}", WALL + 1))
    assert len(here.control.draining) == DRAINING_MAX


def test_an_order_to_rebalance_reaches_every_node_and_none_that_starts_later() -> None:
    one, two_ = two()
    for post in (one, two_):
        post.look()
    one.control.rebalance(30.0, one.answers.append)
    one.desk.scheduler.settle()
    two_.look()
    assert one.answers == [None]
    assert (one.rebalanced, two_.rebalanced) == ([30.0], [30.0])


def test_a_node_that_runs_alone_has_nobody_to_move_clients_to() -> None:
    alone = Post(None)
    alone.control.rebalance(30.0, alone.answers.append)
    assert (alone.answers, alone.rebalanced) == ([None], [])
