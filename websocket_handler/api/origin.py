"""Which web pages may use the API, and what they may read (CORS, Fetch standard)."""

import re
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from websocket_handler.access.origins import Origins
from websocket_handler.api.gateway import error_response
from websocket_handler.protocol.codes import CommandError

API: Final = ("/api/", "/agui/", "/ai/")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", re.ASCII)
"""A header's name (RFC 9110 section 5.6.2)."""
PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Max-Age": "600",
    "Vary": "Origin, Access-Control-Request-Headers",
}
REQUEST_HEADERS: Final = (
    "Accept",
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
)
"""The headers that clients of the API send. `eventsource` (npm) sends `Cache-Control` and `Accept` as well."""
ASKED_HEADERS_MAX: Final = 50


class OriginCheck:
    """Refuses pages that may not come in by WebSocket either, and tells browsers that the other pages may read the
    answers. `/health`, `/ready` and the console's files are open to every page, because they contain no secret.

    Why this is not Starlette's `CORSMiddleware`: docs/decisions/0015-cors.md.
    """

    def __init__(self, app: ASGIApp, origins: Origins, refused: Callable[[CommandError, str, str], None]) -> None:
        """`refused` is called with the error, the client's address and the page's origin."""
        self._app = app
        self._origins = origins
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        values = headers.getlist("origin")
        if not values:
            await self._app(scope, receive, send)
            return
        origin = ", ".join(values)
        try:
            self._origins.check(origin, headers.get("host"))
        except CommandError as fault:
            await self._refuse(fault, origin, scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            permission = {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Headers": _request_headers(headers),
                **PREFLIGHT,
            }
            await Response(status_code=204, headers=permission)(scope, receive, send)
        else:
            await self._app(scope, receive, _readable(send, origin))

    async def _refuse(self, fault: CommandError, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_guarded(scope["path"]):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        self._refused(fault, client[0] if client else "", origin)
        await error_response(fault)(scope, receive, send)


def _request_headers(headers: Headers) -> str:
    """The headers that an allowed page may send: those that clients of the API need, and those that the page asks for,
    such as the headers of a tracing library. A header gives a page no more than it gives any program."""
    asked = ",".join(headers.getlist("access-control-request-headers")).split(",")
    names = [name for entry in asked[:ASKED_HEADERS_MAX] if _TOKEN.fullmatch(name := entry.strip())]
    known = {name.lower() for name in REQUEST_HEADERS}
    return ", ".join([*REQUEST_HEADERS, *(name for name in dict.fromkeys(names) if name.lower() not in known)])


def _is_guarded(path: str) -> bool:
    return path.startswith(API) or path in ("/ai", "/metrics")


def _readable(send: Send, origin: str) -> Send:
    """Let pages of this origin read a response. It allows no credentials: the gateway uses no cookies, and a page puts
    its token into a header itself."""

    async def send_readable(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "Retry-After, WWW-Authenticate"
            headers.add_vary_header("Origin")
        await send(message)

    return send_readable
