"""The names in messages: projects, agents, ids. Their limited form keeps log lines, queue attributes and database keys
safe."""

import re
from enum import StrEnum
from typing import Final

PROJECT_ID: Final = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:-]{1,128}", re.ASCII)
"""`.` and `..` are not allowed, because every HTTP client removes them from a path."""
EPOCH: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,128}", re.ASCII)
PRODUCER: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}", re.ASCII)
SEQUENCE_MAX: Final = 2**53 - 1
"""The largest sequence: as for offsets."""
ID_LENGTH_MAX: Final = 64
OFFSET_MAX: Final = 2**53 - 1
"""The largest offset. A JavaScript client could not tell two larger ones apart."""
OWN_LOG: Final = "_node"
"""The project in which a node tells about itself. Nobody else publishes there, and only who has the right `admin` reads
it. Each node has one of its own, in its memory."""
LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""The names of the machine itself in settings and URLs. Only programs on the same machine can reach it by them."""


class Agent(StrEnum):
    """An agent that takes forwarded work. The value is the canonical type, in replies and in the messages to agents."""

    PM = "pm"
    DEV = "dev"
    QA = "qa"
    OPS = "ops"


_AGENTS: Final = {
    "pm": Agent.PM,
    "plan": Agent.PM,
    "planning": Agent.PM,
    "dev": Agent.DEV,
    "code": Agent.DEV,
    "develop": Agent.DEV,
    "qa": Agent.QA,
    "test": Agent.QA,
    "quality": Agent.QA,
    "ops": Agent.OPS,
    "deploy": Agent.OPS,
    "operations": Agent.OPS,
}


def agent_named(name: str) -> Agent | None:
    """The agent that the `type` of a forward names, in any case; None if it names none."""
    return _AGENTS.get(name) or _AGENTS.get(name.lower())


def is_project_id(text: str) -> bool:
    """True if `text` may name a project."""
    return PROJECT_ID.fullmatch(text) is not None
