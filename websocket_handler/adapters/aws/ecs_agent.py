"""One request to the ECS agent of this task's host: no signature, no proxy, a new connection each time, because the
requests are minutes apart."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from websocket_handler.adapters.aws.http_connections import Answer, ConnectionLimits, HttpConnections

LIMITS: Final = ConnectionLimits(connections=1, connect_timeout_s=2.0, answer_bytes=65_536)


async def ask_agent(method: str, uri: str, timeout_s: float, body: bytes = b"") -> Answer:
    """The agent's answer, within `timeout_s` seconds. Raises OSError, which TimeoutError is, too; ValueError unless
    `uri` is an http address."""
    parts = urlsplit(uri)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("no http address")
    head = (
        f"{method} {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    connections = HttpConnections(parts.hostname, parts.port or 80, None, LIMITS)
    try:
        async with asyncio.timeout(timeout_s):
            return await connections.ask(head.encode("ascii") + body)
    finally:
        connections.close()
