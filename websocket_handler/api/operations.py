"""Routes of the node itself: health, readiness, metrics, connections."""

import re

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from websocket_handler.access.tickets import TICKET_SECONDS
from websocket_handler.api.access import note_action, visitor_of
from websocket_handler.api.gateway import Gateway, Waiter, head_of_json, json_response, page_limit, parameter
from websocket_handler.delivery.census import Connections
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import USER_ID

CONNECTIONS_LISTED_MAX = 1000
REBALANCE_S = 60
SECONDS_MAX = 3600
_SECONDS = re.compile(r"[0-9]{1,4}", re.ASCII)
NODE_ID_CHARACTERS_MAX = 256
_CONNECTION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class OperationRoutes:
    """Answers what operators and load balancers ask."""

    def __init__(self, gateway: Gateway, metrics: CollectorRegistry) -> None:
        self._gateway = gateway
        self._metrics = metrics

    async def health(self, _request: Request) -> Response:
        """Answer that the process lives and its event loop runs."""
        return PlainTextResponse("OK", headers={"Cache-Control": "no-store"})

    async def ready(self, _request: Request) -> Response:
        """Answer if the load balancer should send new clients here; if not, why."""
        readiness = self._gateway.readiness
        reasons, flaws = readiness.reasons(), readiness.flaws()
        verdict: dict[str, object] = {"status": "not_ready" if reasons else "ready", "reasons": reasons}
        if flaws:
            verdict["flaws"] = flaws
        return json_response(msgspec.json.encode(verdict), 503 if reasons else 200)

    async def metrics(self, _request: Request) -> Response:
        """Answer with the metrics, in the text format of Prometheus."""
        return Response(generate_latest(self._metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def connections(self, request: Request) -> Response:
        """Answer with the connections in the order of their ids, a page of those after `after`."""
        limit = page_limit(request, CONNECTIONS_LISTED_MAX)
        after = parameter(request, "after")
        if after is not None and _CONNECTION_ID.fullmatch(after) is None:
            raise CommandError(ErrorCode.INVALID_FIELD, "after must be a connection_id")
        if request.method == "HEAD":
            return head_of_json()
        waiter = Waiter()
        self._gateway.census.connections(after or "", limit, waiter.done)
        found = await waiter.result(Connections)
        listed = [
            {
                "connection_id": each.connection_id,
                "connected_at": self._gateway.clock.text(each.connected_at),
                **({"user_id": each.user_id} if each.user_id else {}),
                **({} if each.expires_at is None else {"expires_at": self._gateway.clock.text(each.expires_at)}),
                **({"node_id": each.node_id} if each.node_id and found.nodes else {}),
                "projects": each.projects,
            }
            for each in found.page
        ]
        answer: dict[str, object] = {"connections": listed, "count": found.count}
        if found.nodes:
            answer["nodes"] = [
                {"node_id": each.node_id, "connections": each.connections, "draining": each.is_draining}
                for each in found.nodes
            ]
        return json_response(msgspec.json.encode(answer))

    async def disconnect(self, request: Request) -> Response:
        """Close one connection for good, on whichever node it is."""
        connection_id, waiter = request.path_params["connection_id"], Waiter()
        if _CONNECTION_ID.fullmatch(connection_id) is not None:  # otherwise nobody has it
            self._gateway.control.disconnect(connection_id, waiter.done)
            if await waiter.result(bool):
                note_action(self._gateway, request, "disconnect", connection_id=connection_id)
                return Response(status_code=204)
        raise CommandError(ErrorCode.NOT_FOUND, "no node has said that it has this connection")

    async def drain(self, request: Request) -> Response:
        """Let a node hand its clients over and take no new ones, whichever node it is."""
        node_id, waiter = request.path_params["node_id"], Waiter()
        if len(node_id) <= NODE_ID_CHARACTERS_MAX:  # otherwise nobody is it
            self._gateway.control.ask_to_leave(node_id, waiter.done)
            if await waiter.result(bool):
                note_action(self._gateway, request, "drain", node_id=node_id)
                return json_response(msgspec.json.encode({"type": "drain_begun", "node_id": node_id}))
        raise CommandError(ErrorCode.NOT_FOUND, "no node has said that this is its name")

    async def disconnect_user(self, request: Request) -> Response:
        """Close all connections of a user for good, and refuse every token that was issued to them until now."""
        user_id = request.path_params["user_id"]
        if USER_ID.fullmatch(user_id) is None:
            raise CommandError(ErrorCode.INVALID_FIELD, "a user id has 1 to 128 printable ASCII characters")
        waiter = Waiter()
        ended = self._gateway.control.revoke(user_id, waiter.done)
        await waiter.result(type(None))
        note_action(self._gateway, request, "disconnect_user", of_user_id=user_id, connections=ended)
        return json_response(msgspec.json.encode({"type": "user_disconnected", "connections": ended}))

    async def rebalance(self, request: Request) -> Response:
        """Let each node that has more clients than its share move the surplus."""
        asked = parameter(request, "seconds")
        text = str(REBALANCE_S) if asked is None else asked
        if not _SECONDS.fullmatch(text) or not 1 <= int(text) <= SECONDS_MAX:
            raise CommandError(ErrorCode.INVALID_FIELD, f"seconds is a whole number from 1 to {SECONDS_MAX}")
        waiter = Waiter()
        self._gateway.control.rebalance(float(text), waiter.done)
        await waiter.result(type(None))
        note_action(self._gateway, request, "rebalance", seconds=int(text))
        answer = {"type": "rebalance_requested", "seconds": int(text)}
        return json_response(msgspec.json.encode(answer), 202)

    async def ticket(self, request: Request) -> Response:
        """Answer with a one-time ticket for the visitor's handshake."""
        waiter = Waiter()
        ticket = self._gateway.access.issue_ticket(visitor_of(request).identity, waiter.done)
        await waiter.result(type(None))
        return json_response(msgspec.json.encode({"ticket": ticket, "expires_in_s": TICKET_SECONDS}))
