"""A node's HTTP API without the HTTP server below it: requests go straight into the application."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.types import ASGIApp, Message

from tests.support.doubles import Client
from tests.support.nodes import core_options, memory_ports
from websocket_handler.api.application import make_application
from websocket_handler.api.cut import CUT
from websocket_handler.api.half_close import HALF_CLOSE, HalfClose
from websocket_handler.assembly import Core, assemble
from websocket_handler.composition import http_gateway
from websocket_handler.delivery.connection import Connection
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.frames import PLAIN
from websocket_handler.protocol.identity import ANYONE, RIGHTS, Identity
from websocket_handler.protocol.messages import Subscribe

BODY_BYTES_MAX = 10_000
BODY_TIMEOUT_S = 10.0
HOST = "gateway.example"


class KnownTokens:
    """An authenticator that knows tokens by heart."""

    def __init__(self, **known: Identity) -> None:
        self.known = known

    def authenticate(self, token: str, done: Authenticated) -> None:
        done(self.known.get(token) or CommandError(ErrorCode.UNAUTHORIZED, "unknown"))

    def failure(self) -> str | None:
        return None


def known(user_id: str, *projects: str, rights: Sequence[str] = tuple(RIGHTS), expires_at: float = 4e9) -> Identity:
    """Who a token may stand for."""
    return Identity(user_id, expires_at, projects or ("*",), frozenset(rights), issued_at=1.0)


class Exchange:
    """One request, and its answer as far as it has come."""

    def __init__(self, method: str, target: str, chunks: Sequence[bytes] = (b"",), /, **headers: str) -> None:
        """`chunks` are the parts of the body; `last_event_id` stands for `Last-Event-ID`."""
        url = urlsplit(target)
        names = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.half_close = HalfClose()
        self.is_cut = False
        """True once the node has ended the connection in the middle of the answer."""
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": unquote(url.path),
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in names.items()],
            "client": ("203.0.113.7", 50_000),
            "server": (HOST, 80),
            "scheme": "http",
            "root_path": "",
            "state": {HALF_CLOSE: self.half_close, CUT: self._cut},
        }
        self.sent: list[Message] = []
        self._chunks = list(chunks)
        self._parts = len(chunks)
        self._gone = asyncio.Event()
        self._news = asyncio.Event()

    def request(self) -> Request:
        """The request as an endpoint gets it."""
        return Request(self.scope, self.receive)

    async def receive(self) -> Message:
        if self._chunks:
            chunk = self._chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self._news.set()

    def _cut(self) -> None:
        self.is_cut = True

    def hang_up(self) -> None:
        """The client goes."""
        self._gone.set()

    async def run(self, application: ASGIApp) -> "Exchange":
        """Have the application answer, to the end."""
        await application(self.scope, self.receive, self.send)
        return self

    async def until(self, text: bytes) -> bytes:
        """The body so far, once it holds this text."""
        while text not in self.body:
            self._news.clear()
            await self._news.wait()
        return self.body

    @property
    def status(self) -> int:
        """The status of the answer."""
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """Its headers, in small letters; each of them once."""
        pairs = [(name.decode().lower(), value.decode("latin-1")) for name, value in self.sent[0]["headers"]]
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    @property
    def body(self) -> bytes:
        """What has come of its body."""
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def json(self) -> Any:
        """The body as JSON."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        assert self.json["type"] == "error"
        return str(self.json["code"])


class Api:
    """The HTTP API of a node in memory."""

    def __init__(
        self, *, tokens: KnownTokens | None = None, has_console: bool = False, ports: Any = None, **options: Any
    ) -> None:
        """With `tokens` every client needs one. `options` are those of the node's core. A loop has to run."""
        others = {} if tokens is None else {"authenticator": tokens}
        self.core: Core = assemble(memory_ports(**others, **(ports or {})), core_options(**options))
        core = self.core
        self.gateway = http_gateway(core, BODY_BYTES_MAX, BODY_TIMEOUT_S)
        self.application = make_application(
            self.gateway,
            CollectorRegistry(),
            has_console=has_console,
            path="/ws",
            random=core.ports.random,
            origins=core.origins,
        )

    async def ask(self, method: str, target: str, body: bytes = b"", /, **headers: str) -> Exchange:
        """One request, answered."""
        return await Exchange(method, target, [body], **headers).run(self.application)

    def begin(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> "tuple[Exchange, asyncio.Task[Any]]":
        """A request that takes long, and the task that answers it."""
        exchange = Exchange(method, target, [body], **headers)
        return exchange, asyncio.create_task(exchange.run(self.application))


def bearer(name: str) -> str:
    """The value of `Authorization` for one of the known tokens."""
    return f"Bearer {name}"


def client_on(core: Core, identity: Identity = ANYONE, *project_ids: str) -> Connection:
    """A WebSocket client of the node, which follows these projects."""
    client = Client()
    client.connection = core.server.register_connection(client, identity, PLAIN)
    core.server.begin(client.connection, [Subscribe(project_id=project_id) for project_id in project_ids])
    return client.connection
