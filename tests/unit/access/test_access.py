"""What both forms of access promise, whether clients have to say who they are or not."""

from typing import Protocol

import pytest

from tests.support.clock import SteeredClock
from tests.support.doubles import WALL, HandScheduler
from tests.unit.access.doubles import ADA, Holder, Keys, ticket, token
from websocket_handler.access.access import Access, AccessOptions
from websocket_handler.access.credentials import Credential
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import RIGHTS, Identity

LONG_S = 1e9


class Scene:
    """An access, and the time that it is told."""

    def __init__(self, kind: str) -> None:
        self.clock = SteeredClock(wall=WALL)
        self.scheduler = HandScheduler(self.clock)
        names = iter(f"ticket{number}" for number in range(100))
        self.access: Access = OpenAccess(lambda: next(names))
        if kind == "token":
            self.access = TokenAccess(Keys(), self.clock, self.scheduler, AccessOptions(), lambda: next(names))


class Ask(Protocol):
    """One of the questions of who somebody is."""

    def __call__(self, access: Access, answers: list[object]) -> None: ...


@pytest.fixture(params=["open", "token"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def identity(scene: Scene, credential: Credential | None = None) -> Identity:
    """Who opens a handshake with this credential, or with a valid token."""
    answers: list[Identity | CommandError | None] = []
    scene.access.identify([credential or token()], answers.append)
    (answer,) = answers
    assert isinstance(answer, Identity)
    return answer


@pytest.mark.parametrize(
    "ask",
    [
        lambda access, answers: access.authenticate("ada's", answers.append),
        lambda access, answers: access.identify([token()], answers.append),
        lambda access, answers: access.identify_request([token()], answers.append),
    ],
    ids=["authenticate", "identify", "identify_request"],
)
def test_a_client_with_a_valid_token_is_known_before_the_question_returns(scene: Scene, ask: Ask) -> None:
    answers: list[object] = []
    ask(scene.access, answers)
    assert [type(answer) for answer in answers] == [Identity]


def test_a_ticket_opens_a_handshake_for_whom_it_was_issued(scene: Scene) -> None:
    known = identity(scene)
    issued = [scene.access.issue_ticket(known) for _ in range(3)]
    assert len(set(issued)) == 3
    assert identity(scene, ticket(issued[1])) == known


def test_a_fresh_identity_is_not_over_and_has_room(scene: Scene) -> None:
    known = identity(scene)
    ends_at = scene.access.ends_at(known)
    assert not scene.access.is_over(known, ends_at)
    assert ends_at is None or ends_at > scene.clock.monotonic()
    scene.access.check_user(known)
    scene.access.take_place(known)()
    assert scene.access.failure() is None


def test_a_connection_has_the_identity_that_was_granted_and_goes_on_when_it_is_renewed(scene: Scene) -> None:
    holder = Holder()
    scene.access.begin(holder)
    for _ in range(2):
        scene.access.grant(holder, identity(scene))
        assert holder.identity == identity(scene)
        assert holder.is_open


def test_a_connection_that_has_ended_is_not_touched_any_more(scene: Scene) -> None:
    """Leaving twice, or without having begun, changes nothing."""
    known, stranger = Holder(identity(scene)), Holder()
    scene.access.begin(known)
    anonymous = Holder()
    scene.access.begin(anonymous)
    for holder in (known, known, anonymous, stranger):
        scene.access.leave(holder)
    scene.scheduler.advance(LONG_S)
    scene.access.revoke(ADA.user_id)
    assert [holder.closed for holder in (known, anonymous, stranger)] == [None] * 3
    assert [holder.pushed for holder in (known, anonymous, stranger)] == [[]] * 3


def test_nobody_is_closed_for_somebody_else(scene: Scene) -> None:
    holder = Holder(identity(scene))
    scene.access.begin(holder)
    assert scene.access.revoke("somebody-else") == 0
    assert holder.is_open


def test_a_ping_is_always_allowed_and_the_rights_decide_about_the_rest(scene: Scene) -> None:
    scene.access.check_command(None, decode_command(b'{"action":"ping"}'))
    publish = decode_command(b'{"action":"publish","project_id":"p","message":{}}')
    scene.access.check_command(Identity("ada", None, ("p",), RIGHTS), publish)
