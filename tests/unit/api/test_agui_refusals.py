"""What AG-UI's routes refuse: bad requests, missing rights, and runs that no queue takes. In virtual time."""

import asyncio

import pytest

from tests.support.agui import CONNECT, RUN, Scene, asked, frames, user
from tests.support.http_api import KnownTokens, bearer, known
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.delivery.forwarding import ForwardLimits


@in_virtual_time
async def test_a_run_that_no_queue_takes_has_not_begun() -> None:
    scene = Scene(forward=ForwardLimits(waiting_messages=0))
    exchange, answering = scene.begin(RUN, asked())
    await answering
    assert (exchange.status, exchange.code) == (503, "overloaded")
    connected, done = scene.begin(CONNECT, asked())
    await done
    assert frames(connected) == []


@in_virtual_time
async def test_each_route_needs_its_rights_on_the_thread() -> None:
    tokens = KnownTokens(
        reader=known("ada", "p", rights=["subscribe"]),
        sender=known("ada", "p", rights=["forward:dev"]),
        other=known("ada", "q", rights=["subscribe", "forward:dev"]),
        wrong=known("ada", "p", rights=["subscribe", "forward:qa"]),
        right=known("ada", "p", rights=["subscribe", "forward:dev"]),
    )
    scene = Scene(tokens=tokens)
    stop = "/agui/agent/dev/stop/p"

    async def code(target: str, name: str) -> str:
        exchange, answering = scene.begin(target, asked(), authorization=bearer(name))
        await settle()
        if not answering.done():
            exchange.hang_up()
            await asyncio.wait([answering])
            return "open"
        return exchange.code if exchange.status != 200 else "open"

    assert [await code(RUN, name) for name in ("reader", "sender", "other", "wrong", "nobody")] == [
        "forbidden",
        "forbidden",
        "forbidden",
        "forbidden",
        "unauthorized",
    ]
    assert [await code(CONNECT, name) for name in ("sender", "other", "reader")] == ["forbidden", "forbidden", "open"]
    assert [await code(stop, name) for name in ("reader", "other", "wrong", "sender", "right")] == [
        "forbidden",
        "forbidden",
        "forbidden",
        "forbidden",
        "open",
    ]
    assert await code(RUN, "right") == "open"
    info = await scene.api.ask("GET", "/agui/info", authorization=bearer("reader"))
    assert sorted(info.json["agents"]) == ["dev", "ops", "pm", "qa"]


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("/agui/agent/root/run", asked(), "not_found"),
        (RUN, b"{", "invalid_json"),
        (RUN, b"[]", "not_an_object"),
        (RUN, b'{"threadId":"p"}', "missing_field"),
        (RUN, asked(thread="a/b"), "invalid_project_id"),
        (RUN, asked("with space"), "invalid_field"),
        (RUN, asked(messages=[{"role": "user"}]), "invalid_field"),
        (RUN, asked(messages="all"), "invalid_field"),
        (RUN, asked(messages=[user("u", "x" * 10_000)]), "message_too_large"),
        (CONNECT, b"7", "not_an_object"),
        ("/agui/agent/dev/stop/%2E%2E", b"", "invalid_project_id"),
    ],
)
def test_a_bad_request_has_a_code(target: str, body: bytes, code: str) -> None:
    @in_virtual_time
    async def ask() -> None:
        assert (await Scene().api.ask("POST", target, body)).code == code

    ask()


@in_virtual_time
async def test_what_copilotkit_tries_first_is_not_there() -> None:
    scene = Scene()
    assert (await scene.api.ask("POST", "/agui", b'{"method":"info"}')).code == "not_found"
    assert (await scene.api.ask("GET", RUN)).code == "method_not_allowed"
