"""Every error code and every close code of the protocol, in one place.

An *error code* answers one command and the connection stays; a *close code* ends the connection.
`spec/protocol.md` prints the same tables and a test compares them.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType


class ErrorCode(StrEnum):
    """The `code` of an `error` reply, on the socket and over HTTP."""

    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    DUPLICATE_KEY = "duplicate_key"
    TOO_DEEP = "too_deep"
    UNKNOWN_ACTION = "unknown_action"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    RESERVED_FIELD = "reserved_field"
    PROJECT_MISMATCH = "project_mismatch"
    INVALID_PROJECT_ID = "invalid_project_id"
    UNKNOWN_AGENT_TYPE = "unknown_agent_type"
    BINARY_NOT_SUPPORTED = "binary_not_supported"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    MESSAGE_TOO_LARGE = "message_too_large"
    INVALID_CHARACTERS = "invalid_characters"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    TOO_MANY_PROJECTS = "too_many_projects"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    FORWARD_FAILED = "forward_failed"
    FORWARD_REJECTED = "forward_rejected"
    QUEUE_UNAVAILABLE = "queue_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    CONFLICT = "conflict"
    LEASE_LOST = "lease_lost"
    RUN_NOT_LOST = "run_not_lost"
    ALREADY_DECIDED = "already_decided"
    DRAINING = "draining"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UPGRADE_REQUIRED = "upgrade_required"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    AUTHENTICATION_UNAVAILABLE = "authentication_unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """What a client may conclude from an error code: its HTTP status, and whether a retry can help."""

    status: int
    retryable: bool


ERRORS: dict[ErrorCode, ErrorSpec] = {
    ErrorCode.INVALID_JSON: ErrorSpec(400, retryable=False),
    ErrorCode.NOT_AN_OBJECT: ErrorSpec(400, retryable=False),
    ErrorCode.DUPLICATE_KEY: ErrorSpec(400, retryable=False),
    ErrorCode.TOO_DEEP: ErrorSpec(400, retryable=False),
    ErrorCode.UNKNOWN_ACTION: ErrorSpec(400, retryable=False),
    ErrorCode.MISSING_FIELD: ErrorSpec(400, retryable=False),
    ErrorCode.INVALID_FIELD: ErrorSpec(400, retryable=False),
    ErrorCode.RESERVED_FIELD: ErrorSpec(400, retryable=False),
    ErrorCode.PROJECT_MISMATCH: ErrorSpec(400, retryable=False),
    ErrorCode.INVALID_PROJECT_ID: ErrorSpec(400, retryable=False),
    ErrorCode.UNKNOWN_AGENT_TYPE: ErrorSpec(400, retryable=False),
    ErrorCode.BINARY_NOT_SUPPORTED: ErrorSpec(415, retryable=False),
    ErrorCode.UNSUPPORTED_ENCODING: ErrorSpec(415, retryable=False),
    ErrorCode.MESSAGE_TOO_LARGE: ErrorSpec(413, retryable=False),
    ErrorCode.INVALID_CHARACTERS: ErrorSpec(400, retryable=False),
    ErrorCode.TOO_MANY_SUBSCRIPTIONS: ErrorSpec(429, retryable=False),
    ErrorCode.TOO_MANY_PROJECTS: ErrorSpec(503, retryable=True),
    ErrorCode.TOO_MANY_CONNECTIONS: ErrorSpec(503, retryable=True),
    ErrorCode.RATE_LIMITED: ErrorSpec(429, retryable=True),
    ErrorCode.OVERLOADED: ErrorSpec(503, retryable=True),
    ErrorCode.FORWARD_FAILED: ErrorSpec(502, retryable=True),
    ErrorCode.FORWARD_REJECTED: ErrorSpec(422, retryable=False),
    ErrorCode.QUEUE_UNAVAILABLE: ErrorSpec(503, retryable=True),
    ErrorCode.STORE_UNAVAILABLE: ErrorSpec(503, retryable=True),
    ErrorCode.CONFLICT: ErrorSpec(409, retryable=False),
    ErrorCode.LEASE_LOST: ErrorSpec(409, retryable=False),
    ErrorCode.RUN_NOT_LOST: ErrorSpec(409, retryable=False),
    ErrorCode.ALREADY_DECIDED: ErrorSpec(409, retryable=False),
    ErrorCode.DRAINING: ErrorSpec(503, retryable=True),
    ErrorCode.NOT_FOUND: ErrorSpec(404, retryable=False),
    ErrorCode.METHOD_NOT_ALLOWED: ErrorSpec(405, retryable=False),
    ErrorCode.UPGRADE_REQUIRED: ErrorSpec(426, retryable=False),
    ErrorCode.UNAUTHORIZED: ErrorSpec(401, retryable=False),
    ErrorCode.FORBIDDEN: ErrorSpec(403, retryable=False),
    ErrorCode.AUTHENTICATION_UNAVAILABLE: ErrorSpec(503, retryable=True),
    ErrorCode.INTERNAL: ErrorSpec(500, retryable=True),
}


class CloseCode(IntEnum):
    """Why a connection ended: a code of RFC 6455 section 7.4.1 if one fits; else 4000-4499 for "come back" and
    4500-4999 for "do not reconnect"."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    INVALID_UTF8 = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    """Older gateways close with it at a hand-over. This one never does; see HANDED_OVER."""
    TRY_AGAIN_LATER = 1013
    SLOW_CLIENT = 4000
    PONG_TIMEOUT = 4001
    TOKEN_EXPIRED = 4002
    AUTHENTICATION_TIMEOUT = 4003
    HANDED_OVER = 4012
    """Says the same as 1012, which several libraries report as 1002: docs/decisions/0017-close-code-at-drain.md."""
    DISCONNECTED = 4500
    IDENTITY_CHANGED = 4501


class CommandError(Exception):
    """The answer to a command or an HTTP request that the gateway could not carry out. Nothing was done."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        command_id: str | None = None,
        action: str | None = None,
        setting: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
        retry_after_ms: int | None = None,
        details: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`setting` is the name of the setting that would allow the request. It goes to the operator's log. The HTTP
        response has `headers` beside those of its status, and the error object has `details` beside its own fields."""
        super().__init__(code, message)
        self.setting = setting
        self.code = code
        self.message = message
        self.id = command_id
        self.action = action
        self.headers = headers
        self.details = details
        self.retry_after_ms = retry_after_ms
        """When the same request is welcome again, in milliseconds; None if nobody knows."""

    def as_answer(self, command_id: str | None, action: str) -> "CommandError":
        """The same error, as the answer to this command."""
        answer = copy(self)
        answer.id, answer.action = command_id, action
        return answer

    @property
    def retryable(self) -> bool:
        """True if the same request may succeed later."""
        return ERRORS[self.code].retryable

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return ERRORS[self.code].status
