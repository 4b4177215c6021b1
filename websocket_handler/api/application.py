"""The HTTP API as one ASGI application. Every error answer contains the protocol's error object."""

from __future__ import annotations

from random import Random

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from websocket_handler.access.origins import ANY_ORIGIN, Origins
from websocket_handler.api.access import Endpoint, guarded
from websocket_handler.api.agents import AgentRoutes
from websocket_handler.api.agui import AgUiRoutes
from websocket_handler.api.ai import AiRoutes
from websocket_handler.api.console_page import ConsoleRoutes
from websocket_handler.api.events import EventRoutes
from websocket_handler.api.gateway import Gateway, error_response
from websocket_handler.api.interrupts import InterruptRoutes
from websocket_handler.api.operations import OperationRoutes
from websocket_handler.api.origin import OriginCheck
from websocket_handler.api.projects import ProjectRoutes
from websocket_handler.api.queues import QueueRoutes
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import ADMIN, PRESENCE, PUBLISH, SUBSCRIBE


def make_application(
    gateway: Gateway,
    metrics: CollectorRegistry,
    *,
    has_console: bool,
    is_console_read_only: bool = False,
    path: str,
    random: Random,
    origins: Origins = ANY_ORIGIN,
) -> Starlette:
    """The API's routes for this node. Everybody may use health, readiness and the console's files, and nothing else."""
    projects, events = ProjectRoutes(gateway), EventRoutes(gateway, random)
    operations, agui, ai = OperationRoutes(gateway, metrics), AgUiRoutes(gateway), AiRoutes(gateway)
    interrupts, queues = InterruptRoutes(gateway), QueueRoutes(gateway)

    async def upgrade(_request: Request) -> Response:
        return error_response(CommandError(ErrorCode.UPGRADE_REQUIRED, f"{path} speaks WebSocket only"))

    def needs(right: str | None, endpoint: Endpoint) -> Endpoint:
        return guarded(gateway, right, endpoint)

    project = "/api/v1/projects/{project_id}"
    routes = [
        Route("/health", operations.health),
        Route("/ready", operations.ready),
        Route("/metrics", needs(ADMIN, operations.metrics)),
        Route("/api/v1/connections", needs(ADMIN, operations.connections)),
        Route("/api/v1/connections/{connection_id}", needs(ADMIN, operations.disconnect), methods=["DELETE"]),
        Route("/api/v1/users/{user_id}/disconnect", needs(ADMIN, operations.disconnect_user), methods=["POST"]),
        Route("/api/v1/rebalance", needs(ADMIN, operations.rebalance), methods=["POST"]),
        Route("/api/v1/nodes/{node_id}/drain", needs(ADMIN, operations.drain), methods=["POST"]),
        Route("/api/v1/agents", needs(ADMIN, AgentRoutes(gateway).list)),
        Route("/api/v1/queues", needs(ADMIN, queues.list)),
        Route("/api/v1/queues/{queue}/redrive", needs(ADMIN, queues.redrive), methods=["POST"]),
        Route("/api/v1/tickets", needs(None, operations.ticket), methods=["POST"]),
        Route("/api/v1/broadcast", needs(ADMIN, projects.broadcast), methods=["POST"]),
        Route(
            f"{project}/messages",
            _by_method(GET=needs(SUBSCRIBE, projects.messages), POST=needs(PUBLISH, projects.publish)),
            methods=["GET", "POST"],
        ),
        Route(f"{project}/events", events.or_reconnect(needs(SUBSCRIBE, events.events))),
        Route(f"{project}/interrupts", needs(SUBSCRIBE, interrupts.list)),
        Route(f"{project}/interrupts/{{interrupt_id:path}}", needs(SUBSCRIBE, interrupts.answer), methods=["POST"]),
        Route(f"{project}/presence", needs(PRESENCE, projects.presence)),
        Route("/agui/info", needs(None, agui.info)),
        Route("/agui/agent/{agent}/run", needs(None, agui.run), methods=["POST"]),
        Route("/agui/agent/{agent}/connect", needs(None, agui.connect), methods=["POST"]),
        Route("/agui/agent/{agent}/stop/{project_id}", needs(None, agui.stop), methods=["POST"]),
        Route("/ai", needs(None, ai.send), methods=["POST"]),
        Route("/ai/{project_id}", needs(None, ai.send), methods=["POST"]),
        Route("/ai/{project_id}/stream", needs(SUBSCRIBE, ai.resume)),
        Route("/ai/{project_id}/stop", needs(None, ai.stop), methods=["POST"]),
        Route(path, upgrade),
    ]
    if has_console:
        console = ConsoleRoutes(is_read_only=is_console_read_only)
        routes += [
            Route("/", console.page),
            Route("/p/{position}", console.page),
            Route("/console/{name}", console.asset),
        ]
    refusals = Refusals(gateway)
    handlers = {CommandError: refusals.command, HTTPException: refusals.http, Exception: refusals.bug}
    middleware = [Middleware(OriginCheck, origins=origins, refused=refusals.page)]
    application = Starlette(routes=routes, exception_handlers=handlers, middleware=middleware)  # type: ignore[arg-type]
    application.router.redirect_slashes = False  # it would lead to the host that the client names
    return application


def _by_method(**endpoints: Endpoint) -> Endpoint:
    """Make one route with one endpoint per method. A wrong method then gets 405 with the list of the right ones."""

    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await endpoints[method](request)

    return endpoint


class Refusals:
    """Makes error answers of exceptions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def count(self, fault: CommandError) -> None:
        """Count one more error answer."""
        self._gateway.counters.errors[fault.code.value] += 1

    def page(self, fault: CommandError, address: str, origin: str) -> None:
        """Log that a page of another origin was refused."""
        self.count(fault)
        self._gateway.refusals.page(fault, address, origin)

    async def command(self, _request: Request, fault: CommandError) -> Response:
        """Answer with an error of the protocol."""
        self.count(fault)
        return error_response(fault)

    async def http(self, request: Request, fault: HTTPException) -> Response:
        """Answer what the router refuses, such as an unknown path."""
        if fault.status_code == 405:
            method = "GET" if request.method == "HEAD" else request.method  # HEAD announces the length of GET's answer
            response = error_response(CommandError(ErrorCode.METHOD_NOT_ALLOWED, f"{method} is not allowed here"))
        else:
            response = error_response(CommandError(ErrorCode.NOT_FOUND, "there is nothing here"))
        response.headers.update(fault.headers or {})
        return response

    async def bug(self, request: Request, fault: Exception) -> Response:
        """Answer an exception that nobody expected. It is logged once, and the client learns only that it happened."""
        self._gateway.log.exception("task.failed", fault, path=request.url.path)
        return error_response(CommandError(ErrorCode.INTERNAL, "internal error"))
