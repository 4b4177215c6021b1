"""PURE: names of environment variables that look like a setting but are none. Most of them are typing mistakes."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from websocket_handler.variables.quotes import clean

OURS: Final = ("WEBSOCKET_", "SQS_QUEUE_", "DYNAMODB_TABLE", "JWT_")
"""A name with one of these beginnings is probably meant for the gateway."""
_OF_OTHERS: Final = re.compile(
    r"WEBSOCKET_HANDLER_(URL|TOKEN)"  # clients and agents read them
    r"|ECS_CONTAINER_METADATA_URI"  # ECS sets it beside the one that the gateway reads
    r"|AWS_(ACCESS|CA|CONFIG|CONTAINER|DEFAULT|EC2|ENDPOINT_URL_|EXECUTION|IGNORE|MAX|PROFILE|REQUEST|RESPONSE|RETRY|ROLE"
    r"|SDK|SECRET|SESSION|SHARED|STS|USE|WEB).*"  # the SDK reads them
    # Kubernetes (and the links of old Docker versions) set them for a service that is called websocket-something.
    r"|.*_SERVICE_(HOST|PORT)(_.+)?|.*_PORT_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?"
)
_UNITS: Final = frozenset({"S", "SEC", "SECS", "SECOND", "SECONDS", "MS", "BYTE", "BYTES", "SIZE", "URL", "URI"})
NAMES_MAX: Final = 20


def unknown_names(environment: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """The names that look like one of `known` but are none, each with the nearest known name, or with an empty text.
    There are at most NAMES_MAX, in order."""
    found: dict[str, str] = {}
    for name in sorted(environment):
        if name in known or _OF_OTHERS.fullmatch(name) or environment[name].startswith(("tcp://", "udp://")):
            continue
        near = _nearest(name, known)
        if near or name.startswith(OURS):
            found[name] = near
        if len(found) == NAMES_MAX:
            break
    return found


def tell_unknown(unknown: Mapping[str, str]) -> list[str]:
    """One line for each of the unknown names."""
    return [
        f"{name}: is no setting and has no effect{f'; did you mean {near}?' if near else ''}"
        for name, near in unknown.items()
    ]


def hidden_mode(environment: Mapping[str, str], known: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """A misspelt AUTH_MODE=jwt must not open the gateway to everybody, so this one unknown name is a problem. Yields
    the variable, what is wrong, and the value that was meant."""
    if environment.get("AUTH_MODE"):
        return
    for name, near in unknown_names(environment, known).items():
        if near == "AUTH_MODE" and clean(environment[name]).casefold() == "jwt":
            yield near, f"is not set, but {name} is: without {near} everybody may come in", "jwt"


def _nearest(name: str, known: Collection[str]) -> str:
    text = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    for plain in (text, re.sub(r"^WEBSOCKET_(HANDLER_)?", "", text)):
        if plain in known:
            return plain
    words = _words(text)
    for candidate in known:
        if _is_slip(text, candidate) or (len(words) > 1 and words == _words(candidate)):
            return candidate
    return next(iter(get_close_matches(text, known, n=1, cutoff=0.84)), "") if text.startswith(OURS) else ""


def _words(name: str) -> frozenset[str]:
    """The words of a name without their order, plural and unit. So MESSAGE_BYTES_MAX has the words of
    MAX_MESSAGE_BYTES."""
    return frozenset(word.removesuffix("S") for word in name.split("_") if word and word not in _UNITS)


def _is_slip(text: str, candidate: str) -> bool:
    """True if one typing mistake made `text` of `candidate`, or two in a long name. In a short name, one letter in
    place of another does not count: NODE_IP belongs to somebody else, and does not mean NODE_ID."""
    slips_max = 2 if len(candidate) >= 12 else 1
    is_far = abs(len(text) - len(candidate)) > slips_max or (Counter(text) - Counter(candidate)).total() > slips_max
    if is_far or _slips(text, candidate) > slips_max:
        return False
    return len(candidate) >= 9 or len(text) != len(candidate) or sorted(text) == sorted(candidate)


def _slips(left: str, right: str) -> int:
    """How many letters are missing, too many, changed, or exchanged with their neighbour (optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        here = [row]
        for column, other in enumerate(right, 1):
            cost = min(above[column] + 1, here[-1] + 1, above[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            here.append(cost)
        before, above = above, here
    return above[-1]
