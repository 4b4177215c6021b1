"""Which right each command needs."""

import msgspec
import pytest

from websocket_handler.access.rights import check, check_command
from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import ANYONE, RIGHTS, Identity
from websocket_handler.protocol.messages import AnyCommand


def command(action: str, **fields: object) -> AnyCommand:
    """A command as the codec reads it."""
    return decode_command(msgspec.json.encode({"action": action, **fields}))


def user(*rights: str, projects: tuple[str, ...] = ("p",)) -> Identity:
    return Identity("ada", None, projects, frozenset(rights))


FREE = [command("ping"), command("authenticate", token="t")]  # noqa: S106
NEEDS = [
    (command("subscribe", project_id="p"), "subscribe"),
    (command("history", project_id="p"), "subscribe"),
    (command("publish", project_id="p", message={}), "publish"),
    (command("presence", project_id="p"), "presence"),
    (command("forward", type="code", data={}, project_id="p"), "forward:dev"),
    (command("forward", type="qa", data={}), "forward:qa"),
]


@pytest.mark.parametrize(("asked", "right"), NEEDS)
def test_each_command_needs_its_right_and_no_other(asked: AnyCommand, right: str) -> None:
    check_command(user(right), asked)
    with pytest.raises(CommandError) as refusal:
        check_command(user(*RIGHTS - {right}), asked)
    assert refusal.value.code is ErrorCode.FORBIDDEN


@pytest.mark.parametrize("asked", [asked for asked, _ in NEEDS if getattr(asked, "project_id", None) == "p"])
def test_a_right_holds_on_its_projects_only(asked: AnyCommand) -> None:
    with pytest.raises(CommandError) as refusal:
        check_command(user(*RIGHTS, projects=("q", "other-*")), asked)
    assert refusal.value.code is ErrorCode.FORBIDDEN


@pytest.mark.parametrize("asked", [asked for asked, _ in NEEDS] + [command("unsubscribe", project_id="p")])
def test_without_an_identity_a_client_has_to_authenticate_first(asked: AnyCommand) -> None:
    with pytest.raises(CommandError) as refusal:
        check_command(None, asked)
    assert refusal.value.code is ErrorCode.UNAUTHORIZED
    check_command(ANYONE, asked)


@pytest.mark.parametrize("asked", FREE)
def test_a_client_may_always_ping_and_authenticate(asked: AnyCommand) -> None:
    check_command(None, asked)
    check_command(user(), asked)


def test_who_follows_a_project_may_always_stop() -> None:
    check_command(user(), command("unsubscribe", project_id="p"))


def test_a_right_without_a_project_holds_everywhere() -> None:
    check(user("admin"), "admin")
    with pytest.raises(CommandError) as refusal:
        check(user(), "admin")
    assert refusal.value.code is ErrorCode.FORBIDDEN
