"""What is refused before it becomes a WebSocket or a request: bad handshakes, bad URLs, unknown routes."""

from __future__ import annotations

import pytest

from tests.support.api import Http, check_error, refused_handshake
from tests.support.gateway import Gateway
from tests.support.links import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?project_id=a%20b", "invalid_project_id"),
        ("?project_id=", "invalid_project_id"),
        (f"?project_id={'p' * 129}", "invalid_project_id"),
        ("?project_id=p&project_id=%2e%2e%2f", "invalid_project_id"),
        ("?project_id=p&since=nonsense", "invalid_field"),
        ("?project_id=p&since=e:1&since=e:2", "invalid_field"),
        ("?since=e:1", "invalid_field"),
        ("?project_id=p&project_id=q&since=e:1&since=e:2&since=e:3", "invalid_field"),
    ],
)
async def test_a_bad_url_is_answered_before_the_upgrade(
    gateway: Gateway, bystander: Client, query: str, code: str
) -> None:
    """400 with the error object."""
    status, _, error = await refused_handshake(gateway, query)

    assert status == 400
    check_error(error, code)


async def test_more_projects_on_the_url_than_allowed_are_refused(small_gateway: Gateway) -> None:
    """429 `too_many_subscriptions`, as the table of handshakes says."""
    status, headers, error = await refused_handshake(small_gateway, "?project_id=a&project_id=b&project_id=c")

    assert (status, headers["Retry-After"]) == (429, "1")
    check_error(error, "too_many_subscriptions")


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/wss", {}, 404, "not_found"),
        ("/", {}, 404, "not_found"),
        ("/ws/", {}, 404, "not_found"),
        ("/ws", {"Sec_WebSocket_Version": "8"}, 426, "upgrade_required"),
        ("/ws", {"Sec_WebSocket_Version": ""}, 426, "upgrade_required"),
        ("/ws", {"Sec_WebSocket_Key": "short"}, 400, "invalid_field"),
        ("/ws", {"Sec_WebSocket_Key": ""}, 400, "invalid_field"),
        ("/ws", {"Connection": "keep-alive"}, 400, "invalid_field"),
        ("/ws", {"Upgrade": "h2c"}, 426, "upgrade_required"),
        ("/ws", {"Upgrade": "", "Connection": "close"}, 426, "upgrade_required"),
    ],
    ids=[
        "a longer path",
        "the root",
        "a slash behind",
        "an old version",
        "no version",
        "a short key",
        "no key",
        "Connection without upgrade",
        "Upgrade to another protocol",
        "no upgrade",
    ],
)
async def test_a_bad_handshake_is_refused(
    gateway: Gateway, bystander: Client, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    """Another path, another version, no key, no upgrade."""
    answered, response_headers, error = await refused_handshake(gateway, path=path, **headers)

    assert answered == status
    check_error(error, code)
    if "Sec_WebSocket_Version" in headers:
        assert response_headers["Sec-WebSocket-Version"] == "13"
    elif status == 426:
        assert response_headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allowed"),
    [
        ("GET", "/nowhere", 404, "not_found", None),
        ("POST", "/nowhere", 404, "not_found", None),
        ("GET", "/api/v1/projects", 404, "not_found", None),
        ("GET", "/console/../server.py", 404, "not_found", None),
        ("GET", "/console/%2e%2e%2fserver.py", 404, "not_found", None),
        ("DELETE", "/api/v1/connections/none", 404, "not_found", None),
        ("POST", "/health", 405, "method_not_allowed", {"GET", "HEAD"}),
        ("POST", "/api/v1/projects/p/presence", 405, "method_not_allowed", {"GET", "HEAD"}),
        ("DELETE", "/api/v1/projects/p/messages", 405, "method_not_allowed", {"GET", "HEAD", "POST"}),
        ("GET", "/api/v1/broadcast", 405, "method_not_allowed", {"POST"}),
        ("PUT", "/api/v1/connections/none", 405, "method_not_allowed", {"DELETE"}),
        ("POST", "/ws", 405, "method_not_allowed", {"GET", "HEAD"}),
    ],
)
async def test_unknown_routes_and_methods_get_the_error_object(
    api: Http, bystander: Client, method: str, path: str, status: int, code: str, allowed: set[str] | None
) -> None:
    """404, or 405 with what is allowed."""
    async with api.session.request(method, path, json={}) as response:
        assert response.status == status
        check_error(await response.json(), code)
        if allowed:
            assert set(response.headers["Allow"].replace(" ", "").split(",")) == allowed
