"""One request to the ECS agent: what is sent, and which addresses are none."""

import pytest

from tests.support.scripted_server import http_answer, scripted_server
from tests.support.wire_testing import EVER_S
from websocket_handler.adapters.aws.ecs_agent import LIMITS, ask_agent
from websocket_handler.adapters.aws.http_connections import ConnectionFault

pytestmark = pytest.mark.asyncio


async def test_each_request_is_sent_on_a_connection_of_its_own() -> None:
    async with scripted_server([http_answer(b"{}", 404)]) as server:
        for body in (b"", b"body"):
            answer = await ask_agent("PUT", f"{server.url}/api/x", EVER_S, body)
            assert (answer.status, answer.body) == (404, b"{}")
        assert [request.connection for request in server.requests] == [0, 1]
        assert [request.body for request in server.requests] == [b"", b"body"]
        assert server.requests[0].head.startswith(b"PUT /api/x HTTP/1.1\r\nHost: localhost:")


@pytest.mark.parametrize("uri", ["", "https://127.0.0.1/x", "http://", "http:///x", "ftp://x", "no URL", "http://[x"])
async def test_what_is_no_http_address_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"address|URL"):
        await ask_agent("GET", uri, EVER_S)


@pytest.mark.parametrize("more", [0, 1])
async def test_an_answer_has_a_maximum(more: int) -> None:
    head = len(http_answer(b"x" * 10_000)) - 10_000
    async with scripted_server([http_answer(b"x" * (LIMITS.answer_bytes - head + more))]) as server:
        if more:
            with pytest.raises(ConnectionFault, match="too long"):
                await ask_agent("GET", server.url, EVER_S)
        else:
            assert (await ask_agent("GET", server.url, EVER_S)).status == 200
