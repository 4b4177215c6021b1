"""What can be wrong with an event of a run, and which AG-UI clients stop at it."""

from enum import StrEnum
from typing import Final, NamedTuple

from websocket_handler.logs.runs.vocabulary import BOTH, Generation

ONLY_V1: Final = (Generation.V1,)
ONLY_V0: Final = (Generation.V0,)


class Rule(StrEnum):
    """The rules that an event can break."""

    MALFORMED = "malformed"
    NULL_FIELD = "null_field"
    UNKNOWN_VALUE = "unknown_value"
    NOT_IN_0_0_59 = "not_in_0.0.59"
    NO_ROLE = "no_role"
    UNKNOWN_TYPE = "unknown_type"
    NO_RUN = "no_run"
    RUN_OPEN = "run_open"
    RUN_NOT_OPEN = "run_not_open"
    OLD_ATTEMPT = "old_attempt"
    STILL_OPEN = "still_open"
    ALREADY_OPEN = "already_open"
    NOT_OPEN = "not_open"
    UNKNOWN_PARENT = "unknown_parent"
    SUBAGENT_REUSED = "subagent_reused"
    BAD_CHUNK = "bad_chunk"
    WRONG_OWNER = "wrong_owner"
    ID_TOO_LONG = "id_too_long"
    TOO_MANY_RUNS = "too_many_runs"
    TOO_MANY_OPEN = "too_many_open"
    MESSAGES_FULL = "messages_full"
    STATE_FULL = "state_full"
    PATCH_FAILED = "patch_failed"
    PATCH_TOO_LONG = "patch_too_long"
    WRONG_ROLE = "wrong_role"
    NO_MESSAGE = "no_message"
    TOO_MANY_INTERRUPTS = "too_many_interrupts"


class Problem(NamedTuple):
    """A rule that an event broke, in words, and the clients that stop at it."""

    rule: Rule
    text: str
    stops: tuple[Generation, ...] = BOTH
