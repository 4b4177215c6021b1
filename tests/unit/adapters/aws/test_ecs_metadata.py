"""What a task learns about itself from the metadata endpoint, over real HTTP."""

import json
import socket

import pytest

from tests.support.patience import PATIENCE_S
from tests.support.scripted_server import Deed, scripted_server
from tests.support.web_server import Answer, Request, running_web_server
from websocket_handler.adapters.aws import ecs_metadata
from websocket_handler.adapters.aws.ecs_metadata import own_address

pytestmark = pytest.mark.asyncio

TASK = {
    "DockerId": "ea32192c8553fbff06c9340478a2ff089b2bb5646fb718b4ee206641c9086d66",
    "Name": "gateway",
    "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.61", "10.0.2.62"], "MACAddress": "0e:10"}],
}


async def test_the_address_is_the_first_one_of_the_first_network() -> None:
    asked: list[tuple[str, str]] = []

    def respond(request: Request) -> Answer:
        asked.append((request.method, request.path))
        return Answer(200, json.dumps(TASK).encode())

    with running_web_server(respond) as url:
        assert await own_address(f"{url}/v4/ea32192c") == "10.0.2.61"
    assert asked == [("GET", "/v4/ea32192c")]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, b'{"error":"unknown task"}'),
        Answer(500),
        Answer(200, b""),
        Answer(200, b"no JSON"),
        Answer(200, b"\xff"),
        Answer(200, b"[]"),
        Answer(200, b'"text"'),
        Answer(200, b"{}"),
        Answer(200, b'{"Networks":[]}'),
        Answer(200, b'{"Networks":{}}'),
        Answer(200, b'{"Networks":[{"NetworkMode":"none"}]}'),
        Answer(200, b'{"Networks":[{"IPv4Addresses":[]}]}'),
        Answer(200, b'{"Networks":[{"IPv4Addresses":null}]}'),
        None,
    ],
    ids=str,
)
async def test_an_endpoint_that_does_not_tell_gives_no_address(answer: Answer | None) -> None:
    with running_web_server(lambda _request: answer) as url:
        assert await own_address(url) == ""


async def test_a_place_without_an_endpoint_gives_no_address() -> None:
    """Nothing listens there; or the variable is empty, as outside of ECS."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for uri in (f"http://127.0.0.1:{port}/v4/x", "", "no URL", "http://"):
        assert await own_address(uri) == ""


async def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setattr(ecs_metadata, "TIMEOUT_S", PATIENCE_S)
    with running_web_server(lambda _request: Answer(200, json.dumps(TASK).encode())) as url:
        assert await own_address(url) == "10.0.2.61"


async def test_a_slow_endpoint_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ecs_metadata, "TIMEOUT_S", 0.1)
    async with scripted_server([Deed.STALL]) as server:
        assert await own_address(server.url) == ""
