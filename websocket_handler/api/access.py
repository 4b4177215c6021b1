"""Finds out who sends an HTTP request: it reads the credential from Starlette's request, asks `access`, and keeps the
answer on the request. Every route of the API uses it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.access.credentials import credentials_in
from websocket_handler.access.rights import check, unauthorized
from websocket_handler.api.gateway import Gateway, Waiter
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.names import is_project_id

SLACK_S: Final = 0.01
REFUSAL: Final = "refusal"
"""The entry of a request's state that holds the error to answer with. The HTTP server then refuses the request."""
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sends a request, and until which monotonic second they may do so; None if there is no end."""

    identity: Identity
    ends_at: float | None


def guarded(gateway: Gateway, right: str | None, endpoint: Endpoint) -> Endpoint:
    """Make an endpoint that only visitors with a right can use, on the project if the path names one. If `right` is
    None, any valid token is enough."""

    async def checked(request: Request) -> Response:
        refusal: CommandError | None = getattr(request.state, REFUSAL, None)
        if refusal is not None:
            raise refusal
        visitor = await identify(request, gateway)
        request.state.visitor = visitor
        project_id = request.path_params.get("project_id")
        if project_id is not None and not is_project_id(project_id):
            raise invalid_project_id()
        if right is not None:
            check(visitor.identity, right, project_id)
        return await endpoint(request)

    return checked


def visitor_of(request: Request) -> Visitor:
    """The visitor of a request that has passed `guarded`."""
    visitor: Visitor = request.state.visitor
    return visitor


def note_action(gateway: Gateway, request: Request, action: str, **target: object) -> None:
    """Note what an operator did, in the log of the process and in the one in which the node tells about itself."""
    user_id = visitor_of(request).identity.user_id
    gateway.own_log.acted(action, user_id, target)


def is_over(visitor: Visitor, gateway: Gateway) -> bool:
    """True once the visitor's identity has ended or was revoked. For requests that take long."""
    return gateway.access.is_over(visitor.identity, visitor.ends_at)


def check_still(visitor: Visitor, gateway: Gateway) -> None:
    """Raises CommandError with `unauthorized` once the visitor's identity has ended or was revoked."""
    if is_over(visitor, gateway):
        raise unauthorized("the token has expired, or was revoked")


def patience_s(visitor: Visitor, gateway: Gateway, most_s: float) -> float:
    """How many seconds to wait for news: at most `most_s`, and not much beyond the end of the visitor's identity."""
    if visitor.ends_at is None:
        return most_s
    return min(most_s, max(0.0, visitor.ends_at - gateway.clock.monotonic()) + SLACK_S)


async def identify(request: Request, gateway: Gateway) -> Visitor:
    """The visitor whom the request's bearer token names. Raises CommandError."""
    fields = request.query_params.multi_items()
    credentials = tuple(credentials_in(request.headers.getlist("authorization"), fields))
    waiter = Waiter()
    gateway.access.identify_request(credentials, waiter.done)
    identity = await waiter.result(Identity)
    return Visitor(identity, gateway.access.ends_at(identity))
