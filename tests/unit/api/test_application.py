"""The routes: who may ask what, in which way, and how every refusal looks."""

from typing import Any

import pytest

from tests.support.http_api import Api, Exchange, KnownTokens, bearer, known
from tests.support.nodes import NotedEvents
from tests.support.virtual_time import in_virtual_time

PROJECT = "/api/v1/projects/p"
ROUTES: dict[tuple[str, str], str | None] = {
    ("GET", "/metrics"): "admin",
    ("GET", "/api/v1/connections"): "admin",
    ("DELETE", "/api/v1/connections/c"): "admin",
    ("POST", "/api/v1/users/ada/disconnect"): "admin",
    ("POST", "/api/v1/tickets"): None,
    ("POST", "/api/v1/broadcast"): "admin",
    ("GET", f"{PROJECT}/messages"): "subscribe",
    ("POST", f"{PROJECT}/messages"): "publish",
    ("GET", f"{PROJECT}/events"): "subscribe",
    ("GET", f"{PROJECT}/presence"): "presence",
}
"""Each route that needs a token, and the right that it needs."""
ALL_RIGHTS = ("subscribe", "publish", "presence", "admin")


@in_virtual_time
async def test_without_a_token_only_health_and_readiness_answer() -> None:
    api = Api(tokens=KnownTokens())
    for method, path in ROUTES:
        answer = await api.ask(method, path, b"{}")
        assert (answer.status, answer.code) == (401, "unauthorized"), path
    for path in ("/health", "/ready"):
        assert (await api.ask("GET", path)).status == 200


@in_virtual_time
async def test_each_route_needs_its_own_right_and_no_other() -> None:
    for (method, path), right in ROUTES.items():
        others = [one for one in ALL_RIGHTS if one != right]
        tokens = {"all": known("ada"), "others": known("eve", rights=others if right else [])}
        api = Api(tokens=KnownTokens(**tokens))
        body = b'{"n":1}' if method == "POST" else b""
        refused = await api.ask(method, path, body, authorization=bearer("others"))
        assert (refused.status == 403) == (right is not None), path
        if not path.endswith("/events"):  # it would not end
            allowed = await api.ask(method, path, body, authorization=bearer("all"))
            assert allowed.status in (200, 204, 404), (path, allowed.body)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/health", {"GET", "HEAD"}),
        ("DELETE", "/ready", {"GET", "HEAD"}),
        ("GET", "/api/v1/broadcast", {"POST"}),
        ("GET", "/api/v1/tickets", {"POST"}),
        ("GET", "/api/v1/connections/c", {"DELETE"}),
        ("PUT", f"{PROJECT}/messages", {"GET", "HEAD", "POST"}),
        ("POST", f"{PROJECT}/events", {"GET", "HEAD"}),
        ("BREW", "/health", {"GET", "HEAD"}),
    ],
)
@in_virtual_time
async def test_a_wrong_method_is_told_all_that_are_right(method: str, path: str, allowed: set[str]) -> None:
    answer = await Api().ask(method, path)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "path", ["/nothing", "/health/", "/api/v1/projects", f"{PROJECT}/", f"{PROJECT}/messages/", "//health", "/", "/ws/"]
)
@in_virtual_time
async def test_where_there_is_nothing_nobody_is_sent_anywhere_else(path: str) -> None:
    answer = await Api().ask("GET", path, host="evil.example")
    assert (answer.status, answer.code) == (404, "not_found")
    assert "location" not in answer.headers
    assert b"evil" not in answer.body


@in_virtual_time
async def test_the_sockets_path_speaks_websocket_only() -> None:
    answer = await Api().ask("GET", "/ws")
    assert (answer.status, answer.code) == (426, "upgrade_required")
    assert answer.headers["upgrade"] == "websocket"


@in_virtual_time
async def test_head_is_answered_as_get_without_its_body_or_its_wait() -> None:
    api = Api()
    for path in (f"{PROJECT}/messages?wait=60", f"{PROJECT}/events"):
        answer = await api.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")
    assert (await api.ask("HEAD", f"{PROJECT}/messages?wait=x")).status == 400


@in_virtual_time
async def test_an_error_has_the_same_headers_for_head_as_for_get() -> None:
    """Its length, too (RFC 9110 section 8.6)."""
    api = Api()
    for path in ("/nothing", "/ws", "/api/v1/broadcast", "/api/v1/connections/c", f"{PROJECT}/messages?after=x"):
        by_head, by_get = await api.ask("HEAD", path), await api.ask("GET", path)
        assert (by_head.status, by_head.headers) == (by_get.status, by_get.headers), path


@in_virtual_time
async def test_head_asks_no_other_node() -> None:
    """What GET would ask the directory of all nodes for is not counted, so it has no length."""
    api = Api()
    for path in (f"{PROJECT}/presence", "/api/v1/connections"):
        answer = await api.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")
        assert "content-length" not in answer.headers
    for path in ("/api/v1/projects/a%20b/presence", "/api/v1/connections?limit=0"):
        assert (await api.ask("HEAD", path)).status == 400


@in_virtual_time
async def test_every_refusal_is_counted_by_its_code() -> None:
    api = Api()
    errors = api.core.ports.counters.errors
    await api.ask("POST", f"{PROJECT}/messages", b"{")
    await api.ask("GET", f"{PROJECT}/messages?after=-1")
    await api.ask("GET", f"{PROJECT}/messages?after=x")
    assert {name: count for name, count in errors.items() if count} == {"invalid_json": 1, "invalid_field": 2}


@in_virtual_time
async def test_a_page_that_may_not_come_in_is_counted_and_logged() -> None:
    api = Api(tokens=KnownTokens(), allowed_origins="https://app.example.com")
    answer = await api.ask("GET", f"{PROJECT}/messages", origin="https://evil.example")
    assert (answer.status, answer.code) == (403, "forbidden")
    assert api.core.ports.counters.errors["forbidden"] == 1
    log = api.core.ports.log
    assert isinstance(log, NotedEvents)
    assert log.names == ["page.refused"]


@in_virtual_time
async def test_a_bug_is_logged_once_and_told_as_no_more_than_that() -> None:
    logged: list[tuple[str, Any]] = []

    class Log(NotedEvents):
        def exception(self, event: str, fault: BaseException, **fields: object) -> None:
            logged.append((event, fields))

    api = Api(ports={"log": Log()})

    def broken(_project_id: str, _done: object) -> None:
        raise RuntimeError("secret")

    object.__setattr__(api.gateway, "presence", broken)
    answer = Exchange("GET", f"{PROJECT}/presence")
    with pytest.raises(RuntimeError):
        await answer.run(api.application)  # Starlette raises it again, for the server's own log
    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret" not in answer.body
    assert logged == [("task.failed", {"path": f"{PROJECT}/presence"})]
