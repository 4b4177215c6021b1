"""The HTTP API as one ASGI application. Every answer that is an error has the protocol's error object."""

from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from websocket_handler.api.console_page import ConsoleRoutes
from websocket_handler.api.events import EventRoutes
from websocket_handler.api.gateway import Gateway, error_response
from websocket_handler.api.operations import OperationRoutes
from websocket_handler.api.projects import ProjectRoutes
from websocket_handler.protocol.codes import CommandError, ErrorCode

Endpoint = Callable[[Request], Awaitable[Response]]


def make_application(gateway: Gateway, metrics: CollectorRegistry, *, has_console: bool, path: str) -> Starlette:
    """The API's routes over this node."""
    projects, events = ProjectRoutes(gateway), EventRoutes(gateway)
    operations = OperationRoutes(gateway, metrics)

    async def upgrade(_request: Request) -> Response:
        response = error_response(CommandError(ErrorCode.UPGRADE_REQUIRED, f"{path} speaks WebSocket only"))
        response.headers.update({"Upgrade": "websocket", "Connection": "Upgrade"})
        return response

    project = "/api/v1/projects/{project_id}"
    routes = [
        Route("/health", operations.health),
        Route("/ready", operations.ready),
        Route("/metrics", operations.metrics),
        Route("/api/v1/connections", operations.connections),
        Route("/api/v1/connections/{connection_id}", operations.disconnect, methods=["DELETE"]),
        Route("/api/v1/broadcast", projects.broadcast, methods=["POST"]),
        Route(
            f"{project}/messages",
            _by_method(GET=projects.messages, POST=projects.publish),
            methods=["GET", "POST"],
        ),
        Route(f"{project}/events", events.events),
        Route(f"{project}/presence", projects.presence),
        Route(path, upgrade),
    ]
    if has_console:
        console = ConsoleRoutes()
        routes += [Route("/", console.page), Route("/console/{name}", console.asset)]
    refusals = Refusals(gateway)
    handlers = {CommandError: refusals.command, HTTPException: refusals.http, Exception: refusals.bug}
    return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]


def _by_method(**endpoints: Endpoint) -> Endpoint:
    """One route, one endpoint per method: so that a wrong method gets 405 with all that are right."""

    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await endpoints[method](request)

    return endpoint


class Refusals:
    """Exceptions to answers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def command(self, _request: Request, fault: CommandError) -> Response:
        """A fault that the protocol names."""
        self._gateway.node.engine.counters.errors[fault.code.value] += 1
        return error_response(fault)

    async def http(self, request: Request, fault: HTTPException) -> Response:
        """What the router refuses."""
        if fault.status_code == 405:
            response = error_response(
                CommandError(ErrorCode.METHOD_NOT_ALLOWED, f"{request.method} is not allowed here")
            )
        else:
            response = error_response(CommandError(ErrorCode.NOT_FOUND, "there is nothing here"))
        response.headers.update(fault.headers or {})
        return response

    async def bug(self, request: Request, fault: Exception) -> Response:
        """What nobody foresaw: logged once, and the client learns no more than that."""
        self._gateway.log.exception("task.failed", fault, path=request.url.path)
        return error_response(CommandError(ErrorCode.INTERNAL, "internal error"))
