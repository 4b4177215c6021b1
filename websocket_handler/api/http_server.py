"""The HTTP server behind the node's one port: uvicorn's protocol object, one per socket, with our answers."""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from websocket_handler.protocol import replies
from websocket_handler.protocol.codes import CommandError, ErrorCode

KEEP_ALIVE_S: Final = 75
"""Longer than an ALB's idle timeout of 60 s by default, so that the ALB closes first."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, answering what is not HTTP with the protocol's error object."""

    def send_400_response(self, msg: str) -> None:
        body = replies.error(CommandError(ErrorCode.INVALID_FIELD, "not an HTTP request"))
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        self.transport.close()


def http_protocol_factory(application: Starlette) -> tuple[Callable[[], asyncio.Protocol], ServerState]:
    """What makes the protocol of each HTTP socket, and the state they share."""
    config = Config(
        application,
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
    return lambda: HttpProtocol(config, state, {}), state
