"""The event types of AG-UI: those of version 1.0, and those of 0.0.59, whose clients are still in use."""

from enum import StrEnum
from typing import Any, Final

Fields = dict[str, Any]
"""A JSON object. Its values are whatever JSON has; `shapes.py` checks those that the gateway reads."""


class Generation(StrEnum):
    """The two generations of AG-UI clients. They stop at different events."""

    V1 = "1.0"
    V0 = "0.0.59"


BOTH: Final = (Generation.V1, Generation.V0)


def generation_of(protocol_version: object) -> Generation:
    """The generation of a client that sent this `protocolVersion` in its RunAgentInput. Clients of 0.0.x send none."""
    if isinstance(protocol_version, str) and not protocol_version.startswith("0."):
        return Generation.V1
    return Generation.V0


class Kind(StrEnum):
    """What an event can open, and another one closes. An id means one thing of each kind."""

    TEXT = "text"
    CALL = "call"
    REASONING = "reasoning"
    SPAN = "span"
    """A span of reasoning, with any number of reasoning messages in it."""
    STEP = "step"
    SUBAGENT = "subagent"


class Act(StrEnum):
    """What an event does with the thing that it names."""

    OPEN = "open"
    GO_ON = "go_on"
    CLOSE = "close"


ACTS: Final[dict[str, tuple[Kind, Act, str]]] = {
    "TEXT_MESSAGE_START": (Kind.TEXT, Act.OPEN, "messageId"),
    "TEXT_MESSAGE_CONTENT": (Kind.TEXT, Act.GO_ON, "messageId"),
    "TEXT_MESSAGE_END": (Kind.TEXT, Act.CLOSE, "messageId"),
    "TOOL_CALL_START": (Kind.CALL, Act.OPEN, "toolCallId"),
    "TOOL_CALL_ARGS": (Kind.CALL, Act.GO_ON, "toolCallId"),
    "TOOL_CALL_END": (Kind.CALL, Act.CLOSE, "toolCallId"),
    "REASONING_START": (Kind.SPAN, Act.OPEN, "messageId"),
    "REASONING_END": (Kind.SPAN, Act.CLOSE, "messageId"),
    "REASONING_MESSAGE_START": (Kind.REASONING, Act.OPEN, "messageId"),
    "REASONING_MESSAGE_CONTENT": (Kind.REASONING, Act.GO_ON, "messageId"),
    "REASONING_MESSAGE_END": (Kind.REASONING, Act.CLOSE, "messageId"),
    "STEP_STARTED": (Kind.STEP, Act.OPEN, "stepName"),
    "STEP_FINISHED": (Kind.STEP, Act.CLOSE, "stepName"),
    "SUBAGENT_STARTED": (Kind.SUBAGENT, Act.OPEN, "subagentRunId"),
    "SUBAGENT_FINISHED": (Kind.SUBAGENT, Act.CLOSE, "subagentRunId"),
    "SUBAGENT_ERROR": (Kind.SUBAGENT, Act.CLOSE, "subagentRunId"),
}
"""The events that open, continue or close something, and the field that names it."""
CHUNKS: Final = {
    "TEXT_MESSAGE_CHUNK": Kind.TEXT,
    "TOOL_CALL_CHUNK": Kind.CALL,
    "REASONING_MESSAGE_CHUNK": Kind.REASONING,
}
"""Events that stand for START, CONTENT and END of a thing."""
_OTHERS: Final = (
    "TOOL_CALL_RESULT",
    "STATE_SNAPSHOT",
    "STATE_DELTA",
    "MESSAGES_SNAPSHOT",
    "ACTIVITY_SNAPSHOT",
    "ACTIVITY_DELTA",
    "REASONING_ENCRYPTED_VALUE",
    "RAW",
    "CUSTOM",
    "RUN_STARTED",
    "RUN_FINISHED",
    "RUN_ERROR",
)
TYPES_1_0: Final = frozenset((*ACTS, *CHUNKS, *_OTHERS))
"""The 31 types of AG-UI 1.0."""
THINKING: Final = {
    "THINKING_START": "REASONING_START",
    "THINKING_END": "REASONING_END",
    "THINKING_TEXT_MESSAGE_START": "REASONING_MESSAGE_START",
    "THINKING_TEXT_MESSAGE_CONTENT": "REASONING_MESSAGE_CONTENT",
    "THINKING_TEXT_MESSAGE_END": "REASONING_MESSAGE_END",
}
"""What old agents send, and the event of 1.0 that means the same. They have no ids."""
TYPES_0_0_59: Final = TYPES_1_0 | frozenset(THINKING)
"""The 36 types of 0.0.59. Its clients stop at every other type; those of 1.0 leave it out."""
TYPES: Final = TYPES_0_0_59
"""A publication of one of these types is an event of a run."""
TERMINAL: Final = frozenset(("RUN_FINISHED", "RUN_ERROR"))
OUR_NAMES: Final = "wsh."
"""The `name` of a CUSTOM event that this project has given a meaning begins with it."""
DECIDED: Final = "wsh.decided"
"""The `name` of the CUSTOM event that says that somebody answered an interrupt: `value` has its `interruptId`."""
ANSWERED: Final = "wsh.answered"
"""The `name` of the CUSTOM event that says that the queue has the answer to an interrupt."""
UPDATE: Final = "wsh.update"
"""The `name` of the CUSTOM event as which AG-UI clients get a publication of another type."""
QUEUED: Final = "wsh.queued"
"""The `name` of the CUSTOM event that says that the task waits for an agent."""
ALIVE: Final = "wsh.alive"
"""The `name` of the CUSTOM event with which an agent that has nothing to say keeps the lease of its run."""
STALLED: Final = "wsh.stalled"
"""The `name` of the CUSTOM event with which the gateway says that the lease of a run is over."""
STOP: Final = "wsh.stop"
"""The `name` of the CUSTOM event that asks the agent of a run to stop."""
SAID_BY_OTHERS: Final = frozenset((ANSWERED, DECIDED, STALLED, STOP))
"""Events about a run that do not come from its agent, and so do not keep its lease."""
ATTEMPT_MAX: Final = 1_000_000


def attempt_of(fields: Fields) -> int:
    """Which attempt of its run an event belongs to: its `attempt`, or else the first."""
    attempt = fields.get("attempt")
    return attempt if type(attempt) is int and 1 <= attempt <= ATTEMPT_MAX else 1
