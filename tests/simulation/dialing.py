"""A client's handshake: what its request says, and what the answer says."""

import json
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from tests.simulation.door_plan import HOST
from tests.simulation.identities import Token
from tests.support.frames import ACCEPT, handshake_head

_ACCEPT_LINE: Final = f"\r\nsec-websocket-accept: {ACCEPT}\r\n".lower().encode()


@dataclass(frozen=True, slots=True)
class Credential:
    """How a client says who it is. `way` is `header`, `subprotocol`, `ticket` or `later` (with `authenticate`)."""

    way: str
    token: Token | None = None
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for when it connects: the projects that its URL names, and the positions."""

    named: list[tuple[str, dict[str, Any] | None]] = field(default_factory=list)
    credential: Credential = field(default_factory=lambda: Credential("later"))
    origin: str | None = None
    has_compression: bool = False
    path: str = "/ws"
    folds: bool = False

    @property
    def described(self) -> str:
        """The wish as the trace shows it."""
        credential = self.credential
        shown = credential.token.text if credential.token else credential.ticket
        return f"{json.dumps(self.named)} {credential.way} {shown} {self.origin}"


def request(wish: Wish, forwarded_for: str | None) -> bytes:
    """The head of the handshake. `forwarded_for` is the entry that a load balancer adds."""
    named = sorted(wish.named, key=lambda one: one[1] is None)  # the k-th position belongs to the k-th project
    fields = [("project_id", project) for project, _since in named]
    fields += [("since", f"{since['epoch']}:{since['offset']}") for _project, since in named if since]
    fields += [("fold", "true")] if wish.folds else []
    credential, headers = wish.credential, dict[str, str | None]()
    if credential.way == "ticket":
        fields.append(("ticket", credential.ticket))
    elif credential.way == "header" and credential.token:
        headers["authorization"] = f"Bearer {credential.token.text}"
    elif credential.way == "subprotocol" and credential.token:
        headers["sec_websocket_protocol"] = f"bearer, {credential.token.text}"
    if wish.origin:
        headers["origin"] = wish.origin
    if wish.has_compression:
        headers["sec_websocket_extensions"] = "permessage-deflate"
    if forwarded_for is not None:
        headers["x_forwarded_for"] = f"10.66.66.66, {forwarded_for}"  # the client itself has made up the first entry
    query = f"?{urlencode(fields)}" if fields else ""
    return handshake_head(wish.path + query, host=HOST, **headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a handshake. `rest` are the bytes after it. `code` is the error code; empty if the handshake was
    accepted."""

    code: str
    rest: bytes = b""


def answer_in(data: bytes) -> Answer | None:
    """The answer, once it is complete; None before. Raises AssertionError if it is no answer."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    lower = head.lower() + b"\r\n"
    if lower.startswith(b"http/1.1 101 "):
        assert _ACCEPT_LINE in lower, "the answer belongs to another handshake"
        return Answer("", rest)
    size = int(lower.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
    return Answer(str(json.loads(rest)["code"])) if len(rest) >= size else None
