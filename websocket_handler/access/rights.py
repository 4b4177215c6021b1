"""PURE: the right that each command needs, and the answers to a client that lacks it."""

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import FORWARD, PRESENCE, PUBLISH, SUBSCRIBE, Identity
from websocket_handler.protocol.messages import (
    AnyCommand,
    Authenticate,
    Forward,
    History,
    Ping,
    Presence,
    Publish,
    Subscribe,
    Unsubscribe,
)
from websocket_handler.protocol.names import agent_named


def unauthorized(reason: str = "a valid token is needed", setting: str = "") -> CommandError:
    """The answer to a client that did not say who it is. `setting` is the name of the setting that would let it in."""
    return CommandError(ErrorCode.UNAUTHORIZED, reason, setting=setting)


def forbidden() -> CommandError:
    """The answer to a client that lacks a right. It is the same for projects that exist and for those that do not."""
    return CommandError(ErrorCode.FORBIDDEN, "not permitted")


def check(identity: Identity, right: str, project_id: str | None = None) -> None:
    """Raises CommandError with `forbidden` unless the identity has the right, on the project if one is named."""
    if not identity.may(right, project_id):
        raise forbidden()


def check_command(identity: Identity | None, command: AnyCommand) -> None:
    """Raises CommandError unless the identity may send the command: `unauthorized`, `forbidden`."""
    if isinstance(command, Ping | Authenticate):
        return
    if identity is None:
        raise unauthorized("authenticate first")
    match command:
        case Subscribe() | History():
            check(identity, SUBSCRIBE, command.project_id)
        case Publish():
            check(identity, PUBLISH, command.project_id)
        case Presence():
            check(identity, PRESENCE, command.project_id)
        case Forward():
            agent = agent_named(command.type)
            assert agent is not None, "the codec refuses unknown agents"
            check(identity, FORWARD[agent], command.project_id if isinstance(command.project_id, str) else None)
        case Unsubscribe():
            return
