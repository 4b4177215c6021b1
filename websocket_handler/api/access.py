"""Who asks: the bearer token of a request, and what it allows. Every route of the API goes through here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.api.gateway import Gateway, Waiter
from websocket_handler.delivery.access import check, unauthorized
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.identity import ANYONE, Identity
from websocket_handler.protocol.names import is_project_id

SLACK_S: Final = 0.01
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose request it is, and until when in monotonic seconds."""

    identity: Identity
    ends_at: float | None = None


_ANY_VISITOR = Visitor(ANYONE)


def guarded(gateway: Gateway, right: str | None, endpoint: Endpoint) -> Endpoint:
    """An endpoint that only those reach who have a right, on the project where the path names one. With `right`
    None a valid token is enough."""

    async def checked(request: Request) -> Response:
        visitor = await identify(request, gateway)
        request.state.visitor = visitor
        project_id = request.path_params.get("project_id")
        if project_id is not None and not is_project_id(project_id):
            raise invalid_project_id()
        if right is not None and visitor.identity is not ANYONE:
            check(visitor.identity, right, project_id)
        return await endpoint(request)

    return checked


def visitor_of(request: Request) -> Visitor:
    """Whose request it is, once it passed its guard."""
    visitor: Visitor = request.state.visitor
    return visitor


def is_over(visitor: Visitor, gateway: Gateway) -> bool:
    """For what takes long: whether the visitor may no longer be here."""
    return gateway.access is not None and gateway.access.is_over(visitor.identity, visitor.ends_at)


def check_still(visitor: Visitor, gateway: Gateway) -> None:
    """`is_over` as an answer. Raises CommandError with `unauthorized`."""
    if is_over(visitor, gateway):
        raise unauthorized("the token has expired, or was revoked")


def patience_s(visitor: Visitor, gateway: Gateway, most_s: float) -> float:
    """How long to wait for news: at most so many seconds, and not beyond the visitor's time."""
    if visitor.ends_at is None:
        return most_s
    return min(most_s, max(0.0, visitor.ends_at - gateway.clock.monotonic()) + SLACK_S)


async def identify(request: Request, gateway: Gateway) -> Visitor:
    """The visitor that the request's one bearer token names. Raises CommandError."""
    access = gateway.access
    if access is None or access.is_open:
        return _ANY_VISITOR
    headers = request.headers.getlist("authorization")
    if len(headers) != 1:
        raise unauthorized("one Authorization header with a bearer token is needed")
    if {"access_token", "ticket"} & request.query_params.keys():
        raise unauthorized("a credential stands in one place only")
    scheme, _, token = headers[0].partition(" ")
    if scheme.lower() != "bearer":
        raise unauthorized("a bearer token is needed")
    waiter = Waiter()
    access.authenticate(token.strip(" "), waiter.done)
    identity = await waiter.result(Identity)
    return Visitor(identity, access.ends_at(identity))
