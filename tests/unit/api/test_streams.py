"""What takes long over HTTP: its place, its end, and the answer to HEAD. In virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from tests.support.http_api import Api, Exchange, known
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.access.admission import AdmissionOptions
from websocket_handler.api.access import Visitor
from websocket_handler.api.gateway import bodiless
from websocket_handler.api.streams import EVENT_STREAM, HeldStream, place_taken, unless_gone
from websocket_handler.protocol.codes import CommandError, ErrorCode


def visited(**headers: str) -> Exchange:
    """A request that has passed its guard."""
    exchange = Exchange("GET", "/", **headers)
    exchange.scope["state"]["visitor"] = Visitor(known("ada"), None)
    return exchange


@in_virtual_time
async def test_a_place_is_counted_for_as_long_as_it_is_used() -> None:
    api = Api()
    counters = api.core.ports.counters
    with place_taken(visited().request(), api.gateway):
        with place_taken(visited().request(), api.gateway):
            assert counters.streams == 2
        assert counters.streams == 1
    assert counters.streams == 0
    with pytest.raises(ZeroDivisionError), place_taken(visited().request(), api.gateway):
        raise ZeroDivisionError
    assert counters.streams == 0


@in_virtual_time
async def test_one_beyond_the_places_of_an_address_is_refused_and_counted_until_one_is_given_back() -> None:
    api = Api(admission=AdmissionOptions(connections_per_address=2))
    counters = api.core.ports.counters
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(place_taken(visited().request(), api.gateway))
        with pytest.raises(CommandError) as refused, place_taken(visited().request(), api.gateway):
            raise AssertionError("there is no third place")
        assert refused.value.code is ErrorCode.TOO_MANY_CONNECTIONS
        assert (counters.streams, dict(counters.streams_refused)) == (2, {"too_many_connections": 1})
    with place_taken(visited().request(), api.gateway):
        assert counters.streams == 1


@in_virtual_time
async def test_behind_a_proxy_a_place_counts_for_the_client_and_not_for_the_proxy() -> None:
    api = Api(admission=AdmissionOptions(connections_per_address=1, trusted_proxy_hops=1))
    with ExitStack() as held:
        for address in ("198.51.100.1", "198.51.100.2"):
            held.enter_context(place_taken(visited(x_forwarded_for=address).request(), api.gateway))
        with pytest.raises(CommandError):
            held.enter_context(place_taken(visited(x_forwarded_for="198.51.100.1").request(), api.gateway))


async def two_parts() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


@in_virtual_time
async def test_a_stream_lets_go_at_its_end() -> None:
    let_go: list[str] = []
    with ExitStack() as held:
        held.callback(let_go.append, "held")
        stream = HeldStream(two_parts()).hold(held.pop_all())
    assert let_go == []
    exchange = Exchange("GET", "/")
    await exchange.run(stream)
    assert (exchange.body, exchange.headers["content-type"]) == (b"onetwo", f"{EVENT_STREAM}; charset=utf-8")
    assert let_go == ["held"]


@in_virtual_time
async def test_a_stream_that_never_began_lets_go_too() -> None:
    let_go: list[str] = []
    held = ExitStack()
    held.callback(let_go.append, "held")
    stream = HeldStream(two_parts()).hold(held)

    async def refuses(_message: object) -> None:
        raise OSError("the client is gone")

    exchange = Exchange("GET", "/")
    with pytest.raises(OSError, match="gone"):
        await stream(exchange.scope, exchange.receive, refuses)
    assert let_go == ["held"]


def test_the_answer_to_head_has_no_length_that_only_the_work_would_tell() -> None:
    response = bodiless({"Cache-Control": "no-store"}, EVENT_STREAM)
    assert response.body == b""
    assert "content-length" not in response.headers
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"].startswith(EVENT_STREAM)


@in_virtual_time
async def test_work_is_done_while_its_client_is_there() -> None:
    async def work() -> str:
        await asyncio.sleep(30)
        return "done"

    assert await unless_gone(Exchange("GET", "/").request(), work()) == "done"
    assert len(asyncio.all_tasks()) == 1, "nobody waits for the client any more"


@in_virtual_time
async def test_work_is_given_up_when_its_client_hangs_up() -> None:
    ended: list[str] = []

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")
        return "done"

    exchange = Exchange("GET", "/")
    begun = asyncio.get_running_loop().time()
    answering = asyncio.create_task(unless_gone(exchange.request(), work()))
    await settle()
    exchange.hang_up()
    assert await answering is None
    assert (ended, asyncio.get_running_loop().time()) == (["cancelled"], begun)


@in_virtual_time
async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise CommandError(ErrorCode.STORE_UNAVAILABLE, "down")

    with pytest.raises(CommandError, match="down"):
        await unless_gone(Exchange("GET", "/").request(), work())


@in_virtual_time
async def test_work_ends_with_the_request_that_is_cancelled() -> None:
    async def work() -> None:
        await asyncio.get_running_loop().create_future()

    answering = asyncio.create_task(unless_gone(Exchange("GET", "/").request(), work()))
    await settle()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await settle()
    assert len(asyncio.all_tasks()) == 1
