"""Cross-site WebSocket hijacking, look-alike origins, and what pages of other origins may read."""

from __future__ import annotations

import pytest

from tests.support.frames import handshake_head
from tests.support.gateway import Gateway, Start
from tests.support.peers import Peer, Raw, http
from tests.support.tokens import GUARDED, bearer
from websocket_handler.access.origins import read_origins

ALLOWED = "https://app.example.com"
LOOK_ALIKES = [
    "http://app.example.com",
    "https://app.example.com.evil.io",
    "https://app.example.com@evil.io",
    "https://evil.io/https://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com/",
    "https://APP.example.com",
    "https://sub.app.example.com",
    "https://xapp.example.com",
    "https://app.example.co",
    "https://app.example.com, https://evil.io",
    "https://app-example.com",
    "https://localhost:3000",
    "http://localhost",
    "http://127.0.0.1:3000",
    "file://",
    "null",
    "",
    "*",
]


@pytest.mark.usefixtures("witness")
@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_a_page_of_another_origin_gets_no_upgrade_although_its_token_is_valid(guarded: Gateway, origin: str) -> None:
    with Raw(guarded.port) as raw:
        raw.send(handshake_head(origin=origin, **bearer()))
        response = raw.response()
        assert (response.status, response.code) == (403, "forbidden")
        assert "sec-websocket-accept" not in response.headers
        assert raw.is_ended()


@pytest.mark.usefixtures("witness")
@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_a_page_of_another_origin_gets_nothing_from_the_api(guarded: Gateway, origin: str) -> None:
    response = http(guarded.port, "GET", "/api/v1/connections", origin=origin, **bearer())
    assert (response.status, response.code) == (403, "forbidden")
    assert "access-control-allow-origin" not in response.headers


def test_two_origin_headers_are_no_origin(guarded: Gateway) -> None:
    head = handshake_head(origin=ALLOWED, **bearer()).replace(b"\r\n\r\n", b"\r\nOrigin: https://evil.io\r\n\r\n")
    with Raw(guarded.port) as raw:
        raw.send(head)
        assert raw.response().status == 403
    request = head.replace(b"/ws", b"/api/v1/connections").replace(b"upgrade: websocket\r\n", b"")
    with Raw(guarded.port) as raw:
        raw.send(request)
        response = raw.response()
        assert (response.status, response.code) == (403, "forbidden")
        assert "access-control-allow-origin" not in response.headers


def test_a_request_from_a_page_of_another_origin_is_not_carried_out(guarded: Gateway) -> None:
    """A browser asks nothing before it sends a POST with a plain text, so that the headers for reading do not help."""
    path = "/api/v1/projects/team-origin/messages"
    sent = {"content_type": "text/plain", **bearer()}
    assert http(guarded.port, "POST", path, b'{"n":1}', origin="https://evil.io", **sent).status == 403
    assert http(guarded.port, "POST", path, b'{"n":2}', origin=ALLOWED, **sent).status == 200
    page = http(guarded.port, "GET", path, **bearer()).json()
    assert [message["n"] for message in page["messages"]] == [2]


def test_a_page_of_another_origin_that_asks_before_gets_no_permission(guarded: Gateway) -> None:
    response = http(
        guarded.port,
        "OPTIONS",
        "/api/v1/connections",
        origin="https://evil.io",
        access_control_request_method="GET",
    )
    assert (response.status, response.code) == (403, "forbidden")
    assert "access-control-allow-origin" not in response.headers


def test_an_allowed_page_and_a_program_without_origin_come_in(guarded: Gateway) -> None:
    with Peer.connect(guarded.port, origin=ALLOWED, **bearer()), Peer.connect(guarded.port, **bearer()):
        pass


def test_an_allowed_page_may_read_the_api_and_ask_before(guarded: Gateway) -> None:
    response = http(guarded.port, "GET", "/api/v1/connections", origin=ALLOWED, **bearer())
    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == ALLOWED
    assert "Origin" in response.headers["vary"]
    assert "access-control-allow-credentials" not in response.headers
    preflight = http(
        guarded.port, "OPTIONS", "/api/v1/connections", origin=ALLOWED, access_control_request_method="GET"
    )
    assert preflight.status == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]


def test_an_error_can_be_read_by_an_allowed_page_too(guarded: Gateway) -> None:
    response = http(guarded.port, "GET", "/api/v1/connections", origin=ALLOWED)
    assert response.status == 401
    assert response.headers["access-control-allow-origin"] == ALLOWED


def test_without_named_origins_only_pages_of_the_own_host_come_in(start: Start) -> None:
    with start(**{**GUARDED, "ALLOWED_ORIGINS": ""}) as gateway:
        for origin in ("https://gateway.example", "http://gateway.example"):
            with Peer.connect(gateway.port, origin=origin, **bearer()):
                pass
        for origin in ("https://evil.io", "https://gateway.example.evil.io", "null", "https://gateway.example:444"):
            with Raw(gateway.port) as raw:
                raw.send(handshake_head(origin=origin, **bearer()))
                assert raw.response().status == 403


def test_the_console_lets_nothing_but_its_own_files_run(guarded: Gateway) -> None:
    headers = http(guarded.port, "GET", "/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "text",
    ["https://a.example/", "a.example", "https://", "https://A.example", "https://u@a.example", "https://*.a.example",
     "https://a.example:99999", "https://a.example?x", "null"],
)  # fmt: skip
def test_a_setting_that_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        read_origins(text)


@pytest.mark.parametrize("mode", ["none", "jwt"])
@pytest.mark.parametrize("named", ["", ALLOWED])
def test_one_rule_for_both_ways_in(start: Start, mode: str, named: str) -> None:
    """A page that may open a WebSocket may use the API and read its answers, and no other page may do either."""
    settings = GUARDED if mode == "jwt" else {"LOG_STORE": "memory"}
    loopback = {"http://localhost:5173", "http://127.0.0.1:3000", "https://app.localhost:8443"}
    inside = {"http://gateway.example", *(loopback if mode == "none" else ()), *([named] if named else ())}
    outside = {"https://evil.io", "null", "http://localhost.evil.io", ALLOWED, *loopback} - inside
    with start(**{**settings, "ALLOWED_ORIGINS": named}) as gateway:
        for origin in sorted(inside):
            with Peer.connect(gateway.port, origin=origin, **bearer()):
                pass
            for path in ("/api/v1/connections", "/ready", "/health", "/metrics"):
                response = http(gateway.port, "GET", path, origin=origin, **bearer())
                assert response.status == 200
                assert response.headers["access-control-allow-origin"] == origin
        for origin in sorted(outside):
            with Raw(gateway.port) as raw:
                raw.send(handshake_head(origin=origin, **bearer()))
                socket = raw.response()
            api = http(gateway.port, "GET", "/api/v1/connections", origin=origin, **bearer())
            for response, event in ((socket, "handshake.refused"), (api, "page.refused")):
                assert (response.status, response.code) == (403, "forbidden")
                assert "ALLOWED_ORIGINS" in response.json()["message"]
                record = gateway.wait_for_record(event, origin=origin)
                assert (record["code"], record["setting"]) == ("forbidden", "ALLOWED_ORIGINS")
                assert record["reason"] == response.json()["message"]
                assert record["address"] == "127.0.0.1"


def test_a_star_opens_both_ways(start: Start) -> None:
    with start(**{**GUARDED, "ALLOWED_ORIGINS": "*"}) as gateway:
        for origin in ("https://anywhere.example", "null"):
            with Peer.connect(gateway.port, origin=origin, **bearer()):
                pass
            response = http(gateway.port, "GET", "/api/v1/connections", origin=origin, **bearer())
            assert (response.status, response.headers["access-control-allow-origin"]) == (200, origin)


def test_every_refused_handshake_is_logged_with_its_reason_and_a_flood_of_them_is_bounded(start: Start) -> None:
    with start(**GUARDED, CONNECTIONS_PER_ADDRESS="1") as gateway:
        with Raw(gateway.port) as raw:
            raw.send(handshake_head(authorization="Bearer forged"))
            assert raw.response().status == 401
        assert "setting" not in gateway.wait_for_record("handshake.refused", code="unauthorized")
        with Peer.connect(gateway.port, **bearer()):
            for _ in range(50):
                with Raw(gateway.port) as raw:
                    raw.send(handshake_head(**bearer()))
                    assert raw.response().code == "too_many_connections"
        record = gateway.wait_for_record("handshake.refused", code="too_many_connections")
        assert record["setting"] == "CONNECTIONS_PER_ADDRESS"
        gateway.stop()
    logged = [one for one in gateway.records("handshake.refused") if one["code"] == "too_many_connections"]
    assert 20 <= len(logged) < 50


@pytest.mark.parametrize(
    "asked",
    ["cache-control", "cache-control,last-event-id,accept", "traceparent, baggage,sentry-trace", "authorization,x-a"],
)
def test_a_preflight_allows_what_the_page_asks_for(guarded: Gateway, asked: str) -> None:
    response = http(
        guarded.port,
        "OPTIONS",
        "/api/v1/projects/team-a/events",
        origin=ALLOWED,
        access_control_request_method="GET",
        access_control_request_headers=asked,
    )
    allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
    assert response.status == 204
    assert {name.strip() for name in asked.split(",")} <= allowed
    assert {"accept", "authorization", "cache-control", "last-event-id", "idempotency-key"} <= allowed


def test_a_preflight_repeats_nothing_that_is_no_header(guarded: Gateway) -> None:
    asked = "x-good, x bad, <script>, x:y, ,"
    preflight = {"access_control_request_method": "GET", "access_control_request_headers": asked}
    response = http(guarded.port, "OPTIONS", "/api/v1/connections", origin=ALLOWED, **preflight)
    allowed = [name.strip() for name in response.headers["access-control-allow-headers"].split(",")]
    assert allowed[-1] == "x-good"
    assert all(name.replace("-", "").isalnum() for name in allowed)
