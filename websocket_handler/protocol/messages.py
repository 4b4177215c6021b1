"""The commands a client may send, with types. `replies.py` makes replies and pushes."""

from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from websocket_handler.protocol.json_text import JsonObject
from websocket_handler.protocol.names import EPOCH, IDEMPOTENCY_KEY, MESSAGE_ID, OFFSET_MAX, PROJECT_ID, Agent

CommandId = Annotated[str, Meta(min_length=1, max_length=64)]
ProjectId = Annotated[str, Meta(pattern=rf"\A{PROJECT_ID.pattern}\Z")]
Epoch = Annotated[str, Meta(pattern=rf"\A{EPOCH.pattern}\Z")]
Offset = Annotated[int, Meta(ge=0, le=OFFSET_MAX)]
MessageId = Annotated[str, Meta(pattern=rf"\A{MESSAGE_ID.pattern}\Z")]
IdempotencyKey = Annotated[str, Meta(pattern=rf"\A{IDEMPOTENCY_KEY.pattern}\Z")]


class Position(Struct, frozen=True, gc=False):
    """A position in a project's log: after the publication with this offset, in this epoch."""

    epoch: Epoch
    offset: Offset


class Command(Struct, tag_field="action", frozen=True, kw_only=True, gc=False):
    """What every command has: `action` (the tag) and an optional `id`, echoed in its reply or error."""

    id: CommandId | UnsetType = UNSET

    action: ClassVar[str]
    """The command's name on the wire."""


class Subscribe(Command, tag="subscribe", frozen=True, kw_only=True):
    """Follow a project: from now on, after `since`, from `rewind` publications back, or from the snapshot of its runs.
    With `fold`, the deltas that the client is behind by come joined."""

    action = "subscribe"
    project_id: ProjectId
    since: Position | UnsetType = UNSET
    rewind: Offset | UnsetType = UNSET
    from_: Literal["snapshot"] | UnsetType = field(default=UNSET, name="from")
    fold: bool = False


class Unsubscribe(Command, tag="unsubscribe", frozen=True, kw_only=True):
    """Stop following a project."""

    action = "unsubscribe"
    project_id: ProjectId


class Forward(Command, tag="forward", frozen=True, kw_only=True):
    """Hand `data` (any JSON value, passed on byte for byte) to an agent's queue."""

    action = "forward"
    type: str
    data: Raw
    project_id: ProjectId | UnsetType = UNSET
    message_id: MessageId | UnsetType = UNSET


class Ping(Command, tag="ping", frozen=True, kw_only=True):
    """Ask for a `pong`."""

    action = "ping"


class Publish(Command, tag="publish", frozen=True, kw_only=True):
    """Append an object to a project's log. `key` makes a retry harmless."""

    action = "publish"
    project_id: ProjectId
    message: JsonObject
    key: IdempotencyKey | UnsetType = UNSET


class History(Command, tag="history", frozen=True, kw_only=True):
    """Read a page of a project's log without following it."""

    action = "history"
    project_id: ProjectId
    after: Offset = 0
    limit: Annotated[int, Meta(ge=1)] = 100
    fold: bool = False


class Presence(Command, tag="presence", frozen=True, kw_only=True):
    """Ask who follows a project on this node."""

    action = "presence"
    project_id: ProjectId


class Authenticate(Command, tag="authenticate", frozen=True, kw_only=True):
    """Say who the client is, or bring a new token before the old one ends. No log and no answer contains the token."""

    action = "authenticate"
    token: Annotated[str, Meta(min_length=1)]


AnyCommand = Subscribe | Unsubscribe | Forward | Ping | Publish | History | Presence | Authenticate


class ForwardTask(Struct, frozen=True):
    """A forward on its way to an agent's queue. The queue message is made from it."""

    agent: Agent
    message_id: str
    data: bytes
    timestamp: str
    connection_id: str
    project_id: str | None = None
    user_id: str = ""
    """The verified user who sent it; empty if nobody has to say who they are."""
