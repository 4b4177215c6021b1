"""What an endpoint of any kind answers becomes a message, or a refusal with its reason."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from tests.support.broken_aws import refused_port
from tests.support.lying_gateway import lying_gateway
from tests.support.patience import PATIENCE_S
from tests.support.scripted_server import Deed, http_answer, scripted_server
from websocket_handler.cli.verify.links import WAIT_MAX_S, Message, RefusedError, SocketLink, dialing, wait_s_of

pytestmark = pytest.mark.asyncio
COMMAND = {"action": "publish", "id": "7", "project_id": "p", "message": {"n": 7}, "key": "run.7"}


async def posted(answer: bytes) -> Message:
    """What a publisher gets if the HTTP API answers so."""
    async with scripted_server([answer]) as server, dialing() as dial:
        link = await dial(server.url, "token")
        try:
            await link.send(COMMAND)
            message = await link.receive()
        finally:
            await link.close()
    head = server.requests[0]
    assert head.head.startswith(b"POST /api/v1/projects/p/messages ")
    assert (head.headers["Idempotency-Key"], head.headers["Authorization"]) == ("run.7", "Bearer token")
    assert head.body == b'{"n":7}'
    return message


async def test_an_answer_of_the_api_is_like_that_of_a_socket() -> None:
    confirmed = b'{"type":"publish_confirmed","project_id":"p","epoch":"e","offset":3}'
    assert await posted(http_answer(confirmed)) == {
        "type": "publish_confirmed",
        "project_id": "p",
        "epoch": "e",
        "offset": 3,
        "id": "7",
    }


async def test_an_error_of_the_api_says_when_to_come_back() -> None:
    error = b'{"type":"error","code":"overloaded","message":"m","retryable":true}'
    message = await posted(http_answer(error, 503, retry_after="2"))
    assert (message["code"], message["retryable"], wait_s_of(message)) == ("overloaded", True, 2.0)


@pytest.mark.parametrize(("status", "is_retryable"), [(502, True), (404, True), (401, False), (403, False)])
async def test_a_page_of_a_load_balancer_is_an_error_too(status: int, is_retryable: bool) -> None:
    message = await posted(http_answer(b"<html>", status))
    assert (message["code"], message["retryable"]) == (f"status {status}", is_retryable)


async def test_a_connection_that_ends_without_an_answer_is_told() -> None:
    async with scripted_server([Deed.CLOSE]) as server, dialing() as dial:
        link = await dial(server.url, None)
        await link.send(COMMAND)
        with pytest.raises(RefusedError, match="unreachable"):
            await link.receive()
        await link.close()


@pytest.mark.parametrize("status", [401, 404, 503])
async def test_a_refused_handshake_has_its_status(status: int) -> None:
    async with lying_gateway(status=status) as gateway, dialing() as dial:
        with pytest.raises(RefusedError) as refusal:
            await dial(gateway.url, None)
    assert (refusal.value.reason, refusal.value.status, refusal.value.wait_s) == (f"handshake {status}", status, 0.0)


async def test_a_port_where_nobody_listens_is_told() -> None:
    with refused_port() as port:
        async with dialing() as dial:
            with pytest.raises(RefusedError, match="unreachable"):
                await dial(f"ws://127.0.0.1:{port}", None)


async def test_nobody_waits_longer_than_the_maximum() -> None:
    assert RefusedError("busy", WAIT_MAX_S + 1).wait_s == WAIT_MAX_S
    assert wait_s_of({"retry_after_ms": 1000 * WAIT_MAX_S + 1}) == WAIT_MAX_S
    assert wait_s_of({}) is None


async def pinged_and_gone(request: web.Request) -> web.WebSocketResponse:
    """A server that pings, and is gone before the answer."""
    server = web.WebSocketResponse()
    await server.prepare(request)
    await server.ping()
    assert request.transport is not None
    request.transport.abort()
    return server


async def test_a_connection_that_ends_while_a_ping_waits_for_its_answer_is_told() -> None:
    application = web.Application()
    application.router.add_get("/", pinged_and_gone)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
            socket = await session.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}")
            while socket.get_extra_info("peername") is not None:  # noqa: ASYNC110 - aiohttp tells nobody
                await asyncio.sleep(0)
            with pytest.raises(RefusedError, match="connection lost"):
                await SocketLink(socket).receive()
    finally:
        await runner.cleanup()
