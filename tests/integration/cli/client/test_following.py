"""A reader of a project: each update once, through cuts and hand-overs, and a word about all that is missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.support.broken_aws import refused_port
from tests.support.patience import PATIENCE_S
from websocket_handler.cli import EXIT_NOT_ALLOWED, EXIT_UNREACHABLE
from websocket_handler.cli.client import following
from websocket_handler.cli.client.asking import ClientError
from websocket_handler.cli.client.following import Follower
from websocket_handler.cli.client.place import START, Age, Begin, Position
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import dialing

pytestmark = pytest.mark.asyncio
Message = dict[str, Any]


def confirmed(offset: int, epoch: str = "e", *, recovered: bool = True) -> Message:
    return {"type": "subscription_confirmed", "epoch": epoch, "offset": offset, "recovered": recovered}


def update(offset: int) -> Message:
    return {"type": "step", "offset": offset}


class Scripted:
    """A gateway that answers the subscription of each connection with the next list of messages, and ends it then. The
    last connection stays. Its log has one publication for each second before now."""

    def __init__(self, connections: Sequence[Sequence[Message]], log_length: int = 0) -> None:
        self.subscriptions: list[Message] = []
        self.port = 0
        self._connections = list(connections)
        self._log_length = log_length
        self.questions = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "connected"})
        async for frame in socket:
            command = json.loads(frame.data)
            if command["action"] == "subscribe":
                self.subscriptions.append(command)
                first, *rest = self._connections.pop(0)
                for message in ({**first, "id": command["id"]}, *rest):
                    await socket.send_json(message)
                if self._connections:
                    await socket.close(code=1012)
            else:
                self.questions += 1
                await socket.send_json({**self._answer(command), "id": command["id"]})
        return socket

    def _answer(self, command: Message) -> Message:
        if command["action"] == "ping":
            return {"type": "pong", "timestamp": "2026-11-22T20:00:00.000Z"}
        after = command["after"]
        if after >= self._log_length:
            return {"epoch": "e", "messages": [], "offset": self._log_length, "recovered": after == self._log_length}
        age_s = self._log_length - after
        at = 1_795_377_600_000 - age_s * 1000
        return {
            "epoch": "e",
            "messages": [{"offset": after + 1, "published_at": at}],
            "offset": after + 1,
            "recovered": True,
        }


@asynccontextmanager
async def scripted(*connections: Sequence[Message], log_length: int = 0) -> AsyncIterator[Scripted]:
    gateway = Scripted(connections, log_length)
    application = web.Application()
    application.router.add_get("/ws", gateway.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway.port = runner.addresses[0][1]
    try:
        yield gateway
    finally:
        await runner.cleanup()


async def followed(port: int, begin: Begin, count: int) -> tuple[list[str], list[str]]:
    """The positions of the first updates, and what was told."""
    told: list[str] = []
    async with asyncio.timeout(PATIENCE_S), dialing() as dial:
        updates = Follower(dial, Target(f"ws://127.0.0.1:{port}", None), "p", begin, told.append).updates()
        async with aclosing(updates):
            found = [await anext(updates) for _ in range(count)]
    assert [json.loads(each.text)["offset"] for each in found] == [each.position.offset for each in found]
    return [f"{each.position.epoch}:{each.position.offset}" for each in found], told


async def test_it_resumes_by_itself_and_shows_nothing_twice() -> None:
    connections = ([confirmed(5), update(6), update(7)], [confirmed(7), update(7), update(8)])
    async with scripted(*connections) as gateway:
        positions, told = await followed(gateway.port, None, 3)
    assert positions == ["e:6", "e:7", "e:8"]
    assert "since" not in gateway.subscriptions[0]
    assert gateway.subscriptions[1]["since"] == {"epoch": "e", "offset": 7}
    assert told == ["close 1012: trying again", "connected again, behind p@e:7"]


async def test_a_gap_is_asked_for_once_and_then_told() -> None:
    connections = ([confirmed(5), update(6), update(9)], [confirmed(6), update(9)])
    async with scripted(*connections) as gateway:
        positions, told = await followed(gateway.port, None, 2)
    assert positions == ["e:6", "e:9"]
    assert told[-1] == "gap: offsets 7 to 8 did not come"


async def test_what_the_log_lost_is_told() -> None:
    reset = {"type": "subscription_reset", "epoch": "f", "offset": 0, "recovered": False}
    connections = (
        [confirmed(5), update(6)],
        [confirmed(8, recovered=False), update(9), reset, update(1)],
    )
    async with scripted(*connections) as gateway:
        positions, told = await followed(gateway.port, None, 3)
    assert positions == ["e:6", "e:9", "f:1"]
    assert [each for each in told if each.startswith("gap")] == [
        "gap: offsets 7 to 8 are no longer retained",
        "gap: the log is a new one (f)",
    ]


async def test_a_gateway_that_drains_is_left_when_it_says() -> None:
    leave = {"type": "reconnect", "reason": "draining", "after_ms": 1}
    connections = ([confirmed(0), update(1), leave], [confirmed(1), update(2)])
    async with scripted(*connections) as gateway:
        assert (await followed(gateway.port, None, 2))[0] == ["e:1", "e:2"]


@pytest.mark.parametrize(
    ("begin", "asked"),
    [
        (Position("e", 3), {"since": {"epoch": "e", "offset": 3}}),
        (START, {"rewind": 2**53 - 1}),
        (None, {}),
    ],
    ids=["position", "start", "now"],
)
async def test_it_begins_where_it_is_told(begin: Begin, asked: Message) -> None:
    async with scripted([confirmed(3), update(4)]) as gateway:
        assert (await followed(gateway.port, begin, 1))[0] == ["e:4"]
    [command] = gateway.subscriptions
    assert {name: command[name] for name in ("since", "rewind") if name in command} == asked


@pytest.mark.parametrize(
    ("age_s", "offset"), [(10, 990), (0.5, 1000), (5000, 0), (999.5, 1)], ids=["some", "none", "all", "all but one"]
)
async def test_an_age_becomes_the_position_before_the_first_publication_that_is_not_older(
    age_s: float, offset: int
) -> None:
    """A log of a thousand seconds, one publication each, is asked at most thirty times."""
    async with scripted([confirmed(offset), update(offset + 1)], log_length=1000) as gateway:
        await followed(gateway.port, Age(age_s), 1)
    assert gateway.subscriptions[0]["since"] == {"epoch": "e", "offset": offset}
    assert gateway.questions < 30


async def test_where_no_gateway_is_at_the_beginning_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE_S", 0.0)
    with refused_port() as port, pytest.raises(ClientError, match="unreachable") as caught:
        await followed(port, None, 1)
    assert caught.value.exit_code == EXIT_UNREACHABLE


@pytest.mark.parametrize(
    "end",
    [
        {"type": "error", "code": "forbidden", "message": "no", "retryable": False},
        {"type": "unsubscription_confirmed", "project_id": "p"},
    ],
    ids=["error", "unsubscribed"],
)
async def test_a_right_that_is_gone_ends_it(end: Message) -> None:
    async with scripted([confirmed(0), update(1), end]) as gateway:
        with pytest.raises(ClientError, match="forbidden") as caught:
            await followed(gateway.port, None, 2)
    assert caught.value.exit_code == EXIT_NOT_ALLOWED
