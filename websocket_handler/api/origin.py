"""Browsers and their pages: which origins may use the API, and what they may read (CORS, Fetch standard)."""

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from websocket_handler.access.origins import Origins
from websocket_handler.api.gateway import error_response
from websocket_handler.protocol.codes import CommandError, ErrorCode

API = "/api/"
METHODS = "GET, POST, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"
MAX_AGE_S = "600"


class OriginCheck:
    """Refuses pages of other origins, and tells browsers which may read the answers where the operator named them.
    `/health`, `/ready` and the console's files tell nothing and stay open."""

    def __init__(self, app: ASGIApp, origins: Origins, refused: Callable[[CommandError], None]) -> None:
        self._app = app
        self._origins = origins
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        values = headers.getlist("origin")
        origin = ", ".join(values) if values else None
        is_guarded = scope["path"].startswith(API) or scope["path"] == "/metrics"
        if origin is None or not is_guarded:
            await self._app(scope, receive, send)
            return
        if not self._origins.allow(origin, headers.get("host")):
            fault = CommandError(ErrorCode.FORBIDDEN, "this page's origin is not allowed")
            self._refused(fault)
            await error_response(fault)(scope, receive, send)
            return
        if not self._origins.are_named:
            await self._app(scope, receive, send)
            return
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                if is_preflight:
                    message["status"] = 204
                _allow(MutableHeaders(scope=message), origin, is_preflight=is_preflight)
            await send(message)

        if is_preflight:
            await send_with_headers({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._app(scope, receive, send_with_headers)


def _allow(headers: MutableHeaders, origin: str, *, is_preflight: bool) -> None:
    """No credentials mode: the gateway knows no cookies, and a token in a header is the page's own."""
    headers["Access-Control-Allow-Origin"] = origin
    headers.add_vary_header("Origin")
    if is_preflight:
        headers["Access-Control-Allow-Methods"] = METHODS
        headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = MAX_AGE_S
    else:
        headers["Access-Control-Expose-Headers"] = "Retry-After, WWW-Authenticate"
