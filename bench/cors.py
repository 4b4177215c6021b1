"""The measurement behind docs/decisions/0015: our origin check against Starlette's CORSMiddleware, alone and behind our
check, in turns in one process. Run: python -m bench.cors"""

import asyncio
import statistics
import time
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from websocket_handler.access.origins import Origins
from websocket_handler.api.origin import OriginCheck

ROUNDS: Final = 15
REQUESTS: Final = 3000
ALLOWED: Final = "https://app.example.com"
NAMED: Final = frozenset({ALLOWED, "http://localhost:3000"})
USUAL: Final = [(b"host", b"gateway.example"), (b"user-agent", b"x"), (b"accept", b"*/*"), (b"authorization", b"x")]


async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The smallest answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


def cors(app: ASGIApp) -> ASGIApp:
    """Starlette's, with our settings."""
    return CORSMiddleware(
        app,
        allow_origins=NAMED,
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"),
        expose_headers=("Retry-After", "WWW-Authenticate"),
    )


def check(app: ASGIApp) -> ASGIApp:
    """Ours."""
    return OriginCheck(app, Origins(NAMED), lambda _fault, _address, _origin: None)


CHAINS: Final[dict[str, ASGIApp]] = {
    "no check": application,
    "ours": check(application),
    "Starlette": cors(application),
}


def request(method: str = "GET", **headers: str) -> Scope:
    """A request to the API."""
    more = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/api/v1/connections", "headers": USUAL + more}


REQUESTS_OF: Final[dict[str, Scope]] = {
    "no Origin": request(),
    "allowed origin": request(origin=ALLOWED),
    "refused origin": request(origin="https://evil.example"),
    "preflight": request("OPTIONS", origin=ALLOWED, access_control_request_method="POST"),
}


async def receive() -> Message:
    """No body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Message) -> None:
    """To nobody."""


async def microseconds(chain: ASGIApp, scope: Scope) -> float:
    """CPU time of one request."""
    started = time.process_time()
    for _ in range(REQUESTS):
        await chain(scope, receive, send)
    return (time.process_time() - started) / REQUESTS * 1e6


async def main() -> None:
    """Print the table."""
    rounds: dict[tuple[str, str], list[float]] = {(case, name): [] for case in REQUESTS_OF for name in CHAINS}
    for _ in range(ROUNDS):
        for case, scope in REQUESTS_OF.items():
            for name, chain in CHAINS.items():
                rounds[case, name].append(await microseconds(chain, scope))
    print(f"{'µs per request':16}", *(f"{name:>10}" for name in CHAINS))
    for case in REQUESTS_OF:
        print(f"{case:16}", *(f"{statistics.median(rounds[case, name]):10.1f}" for name in CHAINS))


if __name__ == "__main__":
    asyncio.run(main())
