"""Makes the HTTP server's protocol objects of one node."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.server import ServerState

from websocket_handler.api.answers import dated
from websocket_handler.api.http_limits import KEEP_ALIVE_S, EndSocket, GiveBack, HttpLimits
from websocket_handler.api.http_server import HttpProtocol, HttpShared, ShortWay
from websocket_handler.api.requests import Requests
from websocket_handler.telemetry.counters import Counters


def http_protocol_factory(
    application: Starlette,
    date: Callable[[], str],
    end_socket: EndSocket,
    limits: HttpLimits | None = None,
    counters: Counters | None = None,
    requests: Requests | None = None,
    short_way: ShortWay = lambda _head: None,
) -> Callable[[GiveBack], asyncio.Protocol]:
    """Make the factory of protocols for HTTP sockets. If the next request of a socket is a handshake, the protocol
    gives the socket back. `date` gives the time as HTTP writes it. `end_socket` closes a socket whose client may still
    be sending. Without `short_way` every request goes through the application."""
    under_way = requests or Requests()
    config = Config(
        dated(under_way.ended_quietly(application), date),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    config.load()
    state = ServerState()
    state.tasks, state.connections = cast(Any, under_way.running), cast(Any, under_way.connections)
    shared = HttpShared(config, state, limits or HttpLimits(), counters or Counters(), date, end_socket, short_way)
    return lambda give_back: HttpProtocol(shared, give_back)
