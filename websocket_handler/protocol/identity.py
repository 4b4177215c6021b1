"""Who a client is, and what it may do: makes rights on projects from verified claims."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from websocket_handler.protocol.names import OWN_LOG, Agent, is_project_id

SUBSCRIBE: Final = "subscribe"
PUBLISH: Final = "publish"
PRESENCE: Final = "presence"
ADMIN: Final = "admin"
FORWARD: Final = {agent: f"forward:{agent.value}" for agent in Agent}
FORWARD_ANY: Final = "forward:*"
RIGHTS: Final = frozenset({SUBSCRIBE, PUBLISH, PRESENCE, ADMIN, *FORWARD.values()})
_OF_OWN_LOG: Final = frozenset({SUBSCRIBE, PRESENCE})
"""What operators may do with the log in which a node tells about itself."""

USER_ID: Final = re.compile(r"[!-~]{1,128}", re.ASCII)
"""Printable ASCII without space: safe in queue attributes, log lines and headers."""
PATTERNS_MAX: Final = 256
RIGHTS_MAX: Final = 64
TIME_MAX: Final = 253_402_300_799.0
"""The last second of the year 9999, the latest that a timestamp can express."""


class InvalidClaims(Exception):
    """The claims do not say who the user is and what they may do. The text never repeats a claim's value."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and their rights.

    `expires_at` and `issued_at` are wall-clock seconds; None if the token has no such time. Each of `projects` is an
    exact id, a prefix that ends in `*`, or `*` alone.
    """

    user_id: str
    expires_at: float | None
    projects: tuple[str, ...]
    rights: frozenset[str]
    issued_at: float | None = None

    def may(self, right: str, project_id: str | None = None) -> bool:
        """True if this user has the right, on the project if one is named."""
        if project_id == OWN_LOG:
            return ADMIN in self.rights and right in _OF_OWN_LOG
        return right in self.rights and (project_id is None or self._covers(project_id))

    def _covers(self, project_id: str) -> bool:
        for pattern in self.projects:
            if project_id == pattern or (pattern.endswith("*") and project_id.startswith(pattern[:-1])):
                return True
        return False


ANYONE: Final = Identity("", None, ("*",), RIGHTS)
"""The identity of every client if nobody has to say who they are (`AUTH_MODE=none`)."""


def identity_from_claims(claims: Mapping[str, object]) -> Identity:
    """The identity in a token's verified claims: `sub`, `exp`, and the lists `projects` and `rights`.

    Objects in `claims` are as `json_text.parse_object` gives them. Raises InvalidClaims.
    """
    user_id = claims.get("sub")
    if not isinstance(user_id, str) or USER_ID.fullmatch(user_id) is None:
        raise InvalidClaims("sub must have 1 to 128 printable ASCII characters, without space")
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise InvalidClaims("exp is missing")
    _time(claims, "nbf")
    projects = _texts(claims, "projects", PATTERNS_MAX)
    if not all(is_pattern(pattern) for pattern in projects):
        raise InvalidClaims("each entry of projects must be a project id, a prefix that ends with *, or *")
    return Identity(
        user_id, expires_at, tuple(projects), _granted(_texts(claims, "rights", RIGHTS_MAX)), _time(claims, "iat")
    )


def is_pattern(text: str) -> bool:
    """True if `text` names projects: an id, a prefix with `*`, or `*`."""
    return text == "*" or is_project_id(text) or (text.endswith("*") and is_project_id(f"{text[:-1]}x"))


def _granted(rights: Sequence[str]) -> frozenset[str]:
    """The rights that this version knows. A right that it does not know grants nothing here."""
    granted = frozenset(rights) & RIGHTS
    return granted | frozenset(FORWARD.values()) if FORWARD_ANY in rights else granted


def _time(claims: Mapping[str, object], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= TIME_MAX:
        raise InvalidClaims(f"{name} must be a number of seconds since 1970")
    return float(value)


def _texts(claims: Mapping[str, object], name: str, count_max: int) -> Sequence[str]:
    value = claims.get(name, ())
    texts = [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else None
    if texts is None or not isinstance(value, Sequence) or len(texts) != len(value) or len(texts) > count_max:
        raise InvalidClaims(f"{name} must be a list of at most {count_max} strings")
    return texts
