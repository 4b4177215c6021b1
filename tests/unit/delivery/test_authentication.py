"""The command `authenticate`, with an access that answers when the test says so."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.support.clock import SteeredClock
from tests.support.doubles import NEVER_OLD, WALL, HandScheduler, client_of, connect, engine_over
from tests.support.observers import NotedConnections
from websocket_handler.access.rights import unauthorized
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.answers import Answers
from websocket_handler.delivery.authentication import Authentication
from websocket_handler.delivery.node import Node
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.identity import PUBLISH, SUBSCRIBE, Identity
from websocket_handler.protocol.messages import Authenticate, Subscribe
from websocket_handler.telemetry.counters import Counters

COMMAND: Final = Authenticate(token="t", id="1")  # noqa: S106 - the access of these tests looks at no token
Done = Callable[[Identity | CommandError], None]


def ada(*rights: str, projects: tuple[str, ...] = ("*",)) -> Identity:
    return Identity("ada", 1_000_060.0, projects, frozenset(rights))


class Scene:
    """A connection that has no identity yet. The scene is its access, too."""

    def __init__(self) -> None:
        clock, counters = SteeredClock(wall=WALL), Counters()
        self.scheduler = HandScheduler(clock)
        store = MemoryLogStore(clock, NEVER_OLD)
        engine = engine_over(store, clock, self.scheduler, DeliveryLimits(log=NEVER_OLD), counters)
        self.noted = NotedConnections()
        self.node = Node(engine, MemoryLogStore(clock, NEVER_OLD), self.noted)
        self.connection = connect()
        self.connection.identity = None
        self.connection.session.may_publish = False
        self.node.register(self.connection)
        self.asked: list[tuple[str, Done]] = []
        self.begun: list[Any] = []
        self.is_full = False
        self.is_revoked = False
        self.counted: list[str] = []
        access: Any = self
        answers = Answers(counters, 10)
        begin = lambda _connection, subscriptions: self.begun.append(subscriptions)  # noqa: E731
        self.authentication = Authentication(self.node, access, answers, clock, begin)

    def authenticate(self, token: str, done: Done) -> None:
        self.asked.append((token, done))

    def count_user(self, identity: Identity, done: Done) -> None:
        self.counted.append(identity.user_id)
        if self.is_revoked:
            done(unauthorized("the token was revoked"))
        else:
            done(identity)

    def grant(self, connection: Any, identity: Identity) -> None:
        if self.is_full:
            raise CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "this user has as many as it may")
        connection.identity = identity

    def send(self, answer: Identity | CommandError) -> list[dict[str, Any]]:
        """Send a token whose verification ends with `answer`. Returns what the client is told."""
        self.authentication.authenticate(self.connection, COMMAND)
        client_of(self.connection).forget()
        self.asked.pop()[1](answer)
        return client_of(self.connection).messages


def test_who_is_let_in_is_told_and_gets_what_waited_once() -> None:
    scene = Scene()
    waiting = scene.connection.waiting = [Subscribe(project_id="p")]
    (told,) = scene.send(ada(SUBSCRIBE, PUBLISH))
    assert (told["type"], told["id"], told["user_id"]) == ("authenticated", "1", "ada")
    assert told["expires_at"].startswith("1970-01-12T13:47:40")
    assert scene.begun == [waiting]
    assert not scene.connection.waiting
    assert scene.connection.session.may_publish
    assert scene.connection.broadcasts is not None
    assert scene.connection.in_flight.is_empty
    scene.send(ada(SUBSCRIBE))
    assert len(scene.begun) == 1
    assert not scene.connection.session.may_publish


def test_one_token_of_a_connection_is_verified_at_a_time() -> None:
    scene = Scene()
    scene.authentication.authenticate(scene.connection, COMMAND)
    with pytest.raises(CommandError) as refused:
        scene.authentication.authenticate(scene.connection, COMMAND)
    assert (refused.value.code, len(scene.asked)) == (ErrorCode.OVERLOADED, 1)
    assert not scene.connection.in_flight.is_empty


def test_a_token_that_is_refused_is_told_and_the_next_one_is_verified() -> None:
    scene = Scene()
    (told,) = scene.send(CommandError(ErrorCode.UNAUTHORIZED, "forged"))
    assert (told["code"], told["action"], scene.connection.identity) == ("unauthorized", "authenticate", None)
    (told,) = scene.send(ada(SUBSCRIBE))
    assert told["type"] == "authenticated"


def test_a_token_of_another_user_ends_the_connection() -> None:
    scene = Scene()
    scene.send(ada(SUBSCRIBE))
    (told,) = scene.send(Identity("eve", None, ("*",), frozenset({SUBSCRIBE})))
    assert told["code"] == "unauthorized"
    closed = client_of(scene.connection).closed
    assert closed is not None
    assert closed[0] == CloseCode.IDENTITY_CHANGED
    assert scene.connection.identity == ada(SUBSCRIBE)


def test_a_user_without_room_is_not_let_in() -> None:
    scene = Scene()
    scene.is_full = True
    (told,) = scene.send(ada(SUBSCRIBE))
    assert (told["code"], scene.begun) == ("too_many_connections", [])


def test_a_narrower_token_ends_the_subscriptions_that_it_does_not_permit() -> None:
    scene = Scene()
    scene.send(ada(SUBSCRIBE))
    for project_id in ("p", "q"):
        scene.node.subscribe(scene.connection, Subscribe(project_id=project_id), lambda _answer: None)
    scene.scheduler.settle()
    told = scene.send(ada(SUBSCRIBE, projects=("p",)))
    assert [one["type"] for one in told] == ["authenticated", "unsubscription_confirmed"]
    assert told[1]["project_id"] == "q"
    assert list(scene.connection.subscriptions) == ["p"]


def test_a_new_token_is_told_to_those_who_list_connections() -> None:
    """Also if it only ends later."""
    scene = Scene()
    scene.send(ada(SUBSCRIBE))
    before = len(scene.noted.changes)
    scene.send(ada(SUBSCRIBE))
    assert len(scene.noted.changes) == before + 1


def test_who_comes_in_is_counted_on_the_other_nodes_first_and_who_is_in_is_not() -> None:
    scene = Scene()
    scene.is_revoked = True
    (refused,) = scene.send(ada(SUBSCRIBE))
    assert (refused["code"], scene.connection.identity) == (ErrorCode.UNAUTHORIZED, None)
    scene.is_revoked = False
    for _ in range(2):
        assert scene.send(ada(SUBSCRIBE))[0]["type"] == "authenticated"
    assert scene.counted == ["ada", "ada"], "once for each time that somebody was to come in"


def test_a_client_that_has_gone_is_told_nothing() -> None:
    scene = Scene()
    scene.authentication.authenticate(scene.connection, COMMAND)
    scene.node.unregister(scene.connection)
    scene.asked.pop()[1](ada(SUBSCRIBE))
    assert (client_of(scene.connection).messages, scene.begun) == ([], [])
    assert scene.connection.in_flight.is_empty
