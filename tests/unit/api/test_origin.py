"""Pages of other origins: which may use the API, and what a browser is told about the answers."""

import pytest
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.http_api import HOST, Exchange
from tests.support.virtual_time import in_virtual_time
from websocket_handler.access.origins import ANY_ORIGIN, Origins, read_origins
from websocket_handler.api.origin import ASKED_HEADERS_MAX, REQUEST_HEADERS, OriginCheck
from websocket_handler.protocol.codes import CommandError

ALLOWED = "https://app.example.com"
FOREIGN = "https://evil.example"
ASKED = "access-control-request-headers"


class Guarded:
    """An application behind the check."""

    def __init__(self, origins: Origins | None = None) -> None:
        self.reached: list[str] = []
        self.refused: list[tuple[str, str, str]] = []
        known = Origins(read_origins(ALLOWED), has_loopback=False)
        self._check = OriginCheck(self._answer, origins or known, self._note)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope["type"])
        if scope["type"] == "http":
            await Response("OK", headers={"Vary": "Accept-Encoding"})(scope, receive, send)

    def _note(self, fault: CommandError, address: str, origin: str) -> None:
        self.refused.append((fault.code.value, address, origin))

    async def ask(self, path: str = "/api/v1/x", method: str = "GET", **headers: str) -> Exchange:
        """One request."""
        return await Exchange(method, path, **headers).run(self._check)

    async def preflight(self, **headers: str) -> Exchange:
        """What a browser asks before a page's request."""
        return await self.ask(method="OPTIONS", origin=ALLOWED, access_control_request_method="POST", **headers)


@in_virtual_time
async def test_whoever_is_no_page_is_asked_nothing_and_told_nothing() -> None:
    guarded = Guarded()
    answer = await guarded.ask()
    assert (answer.status, guarded.reached) == (200, ["http"])
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["vary"] == "Accept-Encoding"


@in_virtual_time
async def test_an_allowed_page_may_read_the_answer_and_a_cache_keeps_it_apart() -> None:
    answer = await Guarded().ask(origin=ALLOWED)
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert answer.headers["access-control-expose-headers"] == "Retry-After, WWW-Authenticate"
    assert answer.headers["vary"] == "Accept-Encoding, Origin"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", [FOREIGN, "null", f"{ALLOWED}.evil.example", f"{ALLOWED}, {FOREIGN}", ""])
@in_virtual_time
async def test_any_other_page_is_refused_and_the_refusal_is_told_with_its_address(origin: str) -> None:
    guarded = Guarded()
    for path in ("/api/v1/x", "/api/", "/metrics"):
        answer = await guarded.ask(path, origin=origin)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
    assert guarded.reached == []
    assert guarded.refused == [("forbidden", "203.0.113.7", origin)] * 3


@in_virtual_time
async def test_what_tells_no_secret_is_open_to_every_page_but_not_readable() -> None:
    guarded = Guarded()
    for path in ("/health", "/ready", "/", "/console/page.js", "/api", "/metricsx"):
        answer = await guarded.ask(path, origin=FOREIGN)
        assert answer.status == 200
        assert "access-control-allow-origin" not in answer.headers
    assert guarded.refused == []


@in_virtual_time
async def test_a_page_of_the_gateways_own_host_needs_no_permission() -> None:
    assert (await Guarded().ask(origin=f"http://{HOST}")).status == 200


@in_virtual_time
async def test_a_refusal_of_a_client_without_an_address_is_told_without_one() -> None:
    guarded, exchange = Guarded(), Exchange("GET", "/api/v1/x", origin=FOREIGN)
    exchange.scope["client"] = None
    await exchange.run(guarded._check)
    assert guarded.refused == [("forbidden", "", FOREIGN)]


@in_virtual_time
async def test_a_preflight_is_answered_without_asking_the_application() -> None:
    guarded = Guarded()
    answer = await guarded.preflight()
    assert (answer.status, answer.body, guarded.reached) == (204, b"", [])
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    assert answer.headers["access-control-allow-headers"] == ", ".join(REQUEST_HEADERS)
    assert answer.headers["vary"] == "Origin, Access-Control-Request-Headers"


@in_virtual_time
async def test_options_without_a_question_is_a_request_like_any_other() -> None:
    guarded = Guarded()
    answer = await guarded.ask(method="OPTIONS", origin=ALLOWED)
    assert (answer.status, guarded.reached) == (200, ["http"])


def allowed_headers(answer: Exchange) -> list[str]:
    """What a page may send beside the headers that every client of the API may."""
    names = Headers(answer.headers)["access-control-allow-headers"].split(", ")
    assert tuple(names[: len(REQUEST_HEADERS)]) == REQUEST_HEADERS
    return names[len(REQUEST_HEADERS) :]


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("traceparent, x-b3-traceid", ["traceparent", "x-b3-traceid"]),
        ("AUTHORIZATION,content-type", []),
        ("x,x, x", ["x"]),
        ("a" * 64, ["a" * 64]),
        ("a" * 65, []),
        ("x y,é,a:b,,;,*", ["*"]),
        ("x\r\nSet-Cookie: a=b", []),
    ],
    ids=range(7),
)
@in_virtual_time
async def test_a_page_may_send_the_headers_that_it_asks_for_if_they_are_any(asked: str, allowed: list[str]) -> None:
    assert allowed_headers(await Guarded().preflight(**{ASKED: asked})) == allowed


@in_virtual_time
async def test_a_page_asks_for_a_bounded_number_of_headers() -> None:
    names = [f"x-{index}" for index in range(ASKED_HEADERS_MAX + 1)]
    assert allowed_headers(await Guarded().preflight(**{ASKED: ",".join(names[:-1])})) == names[:-1]
    assert allowed_headers(await Guarded().preflight(**{ASKED: ",".join(names)})) == names[:-1]


@in_virtual_time
async def test_where_every_page_is_allowed_each_is_named_and_none_by_a_star() -> None:
    answer = await Guarded(ANY_ORIGIN).ask(origin=FOREIGN)
    assert answer.headers["access-control-allow-origin"] == FOREIGN


@in_virtual_time
async def test_what_is_no_request_passes() -> None:
    guarded, exchange = Guarded(), Exchange("GET", "/")
    exchange.scope["type"] = "lifespan"
    await exchange.run(guarded._check)
    assert guarded.reached == ["lifespan"]
