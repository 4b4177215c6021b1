"""PURE: how a client says who it is. The handshake and the HTTP API both read credentials here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise
from typing import Final

from websocket_handler.access.rights import unauthorized
from websocket_handler.protocol.request_head import OWS

BEARER: Final = "bearer"
"""The authentication scheme (RFC 6750), and the subprotocol that stands before a token."""


IN_QUERY: Final = "ALLOW_TOKEN_IN_QUERY"
"""The setting that accepts a token in the URL."""


class Kind(Enum):
    """Where in the request a credential was found."""

    TOKEN = auto()
    """In `Authorization: Bearer` or `Sec-WebSocket-Protocol: bearer, TOKEN`."""
    QUERY_TOKEN = auto()
    TICKET = auto()
    UNKNOWN = auto()
    """`Authorization` with another scheme."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client says to prove who it is. Its text appears in no log and no answer."""

    kind: Kind
    text: str = field(repr=False)


def credentials_in(
    authorization: Iterable[str], fields: Iterable[tuple[str, str]], subprotocols: Iterable[str] = ()
) -> list[Credential]:
    """Every credential of a request, in this order: from the values of `Authorization`, from the subprotocol that
    follows `bearer`, and from the fields of the query string."""
    found: list[Credential] = []
    for value in authorization:
        scheme, _, text = value.partition(" ")
        found.append(Credential(Kind.TOKEN if scheme.lower() == BEARER else Kind.UNKNOWN, text.strip(OWS)))
    for name, following in pairwise(subprotocols):
        if name == BEARER:
            found.append(Credential(Kind.TOKEN, following))
    for name, value in fields:
        if name == "ticket":
            found.append(Credential(Kind.TICKET, value))
        elif name == "access_token":
            found.append(Credential(Kind.QUERY_TOKEN, value))
    return found


def handshake_credential(credentials: Sequence[Credential], *, is_token_in_query_allowed: bool) -> Credential:
    """The one credential of a handshake that has at least one. Raises CommandError with `unauthorized` unless there is
    exactly one, of a kind that this node accepts."""
    if len(credentials) > 1:
        raise unauthorized("a credential stands in one place only")
    credential = credentials[0]
    if credential.kind is Kind.UNKNOWN:
        raise unauthorized("the credential is of a kind that is not taken here")
    if credential.kind is Kind.QUERY_TOKEN and not is_token_in_query_allowed:
        raise unauthorized("a token does not belong into a URL; use a header or a ticket", IN_QUERY)
    return credential


def bearer_token(credentials: Sequence[Credential]) -> str:
    """The token of an HTTP request. Raises CommandError with `unauthorized` unless the request has exactly one
    `Authorization` header, with a bearer token, and no credential in its URL."""
    in_headers = [each for each in credentials if each.kind in (Kind.TOKEN, Kind.UNKNOWN)]
    if len(in_headers) != 1:
        raise unauthorized("one Authorization header with a bearer token is needed")
    if len(credentials) > 1:
        raise unauthorized("a credential stands in one place only")
    if in_headers[0].kind is Kind.UNKNOWN:
        raise unauthorized("a bearer token is needed")
    return in_headers[0].text
