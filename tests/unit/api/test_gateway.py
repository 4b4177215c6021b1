"""How the API reads requests and writes answers: each limit at its maximum and one beyond."""

import asyncio

import pytest

from tests.support.http_api import BODY_BYTES_MAX, BODY_TIMEOUT_S, Api, Exchange
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.api.gateway import (
    Waiter,
    error_response,
    json_response,
    page_limit,
    parameter,
    read_body,
    whole_number,
)
from websocket_handler.protocol.codes import CommandError, ErrorCode


async def read(*chunks: bytes, **headers: str) -> bytes | ErrorCode:
    """A body as an endpoint reads it, or the code of its refusal."""
    try:
        return await read_body(Exchange("POST", "/", chunks, **headers).request(), Api().gateway)
    except CommandError as fault:
        return fault.code


@in_virtual_time
async def test_a_body_is_read_whole_up_to_its_maximum() -> None:
    assert await read(b"") == b""
    assert await read(b"a", b"", b"bc") == b"abc"
    most = b"x" * BODY_BYTES_MAX
    assert await read(most, content_length=str(len(most))) == most
    assert await read(most[1:], b"x") == most
    assert await read(most, b"x") is ErrorCode.MESSAGE_TOO_LARGE
    assert await read(most + b"x", content_length="7") is ErrorCode.MESSAGE_TOO_LARGE


@in_virtual_time
async def test_a_body_that_announces_too_much_is_refused_before_it_is_read() -> None:
    exchange = Exchange("POST", "/", [b"x"], content_length=str(BODY_BYTES_MAX + 1))
    with pytest.raises(CommandError) as refused:
        await read_body(exchange.request(), Api().gateway)
    assert refused.value.code is ErrorCode.MESSAGE_TOO_LARGE
    assert (await exchange.receive())["body"] == b"x", "it is still there"


@in_virtual_time
async def test_a_body_that_does_not_come_in_time_is_refused_at_its_deadline() -> None:
    exchange = Exchange("POST", "/", [b"a"])
    request = exchange.request()
    exchange.scope["headers"].append((b"content-length", b"2"))

    async def slow() -> dict[str, object]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    request._receive = slow
    begun = asyncio.get_running_loop().time()
    with pytest.raises(CommandError, match="did not come in time") as refused:
        await read_body(request, Api().gateway)
    assert refused.value.code is ErrorCode.INVALID_FIELD
    assert asyncio.get_running_loop().time() - begun == BODY_TIMEOUT_S


@in_virtual_time
async def test_a_client_that_goes_before_its_body_is_whole_has_sent_none() -> None:
    exchange = Exchange("POST", "/", ())
    exchange.hang_up()
    with pytest.raises(CommandError, match="shorter than announced"):
        await read_body(exchange.request(), Api().gateway)


@in_virtual_time
async def test_an_answer_that_comes_before_or_after_it_is_awaited_is_given_once() -> None:
    early, late = Waiter(), Waiter()
    early.done("one")
    early.done("two")
    assert await early.result(str) == "one"
    waiting = asyncio.create_task(late.result(str))
    await settle()
    assert not waiting.done()
    late.done("three")
    assert await waiting == "three"


@in_virtual_time
async def test_a_refusal_is_raised_and_an_answer_that_nobody_waits_for_is_dropped() -> None:
    waiter, given_up = Waiter(), Waiter()
    waiter.done(CommandError(ErrorCode.OVERLOADED, "too much"))
    with pytest.raises(CommandError, match="too much"):
        await waiter.result(str)
    waiting = asyncio.create_task(given_up.result(str))
    await settle()
    waiting.cancel()
    await settle()
    given_up.done("late")
    assert waiting.cancelled()


@in_virtual_time
async def test_a_parameter_stands_once() -> None:
    request = Exchange("GET", "/?a=1&b=&c=2&c=3&%64=4").request()
    assert [parameter(request, name) for name in "abde"] == ["1", "", "4", None]
    with pytest.raises(CommandError, match="c stands once"):
        parameter(request, "c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("0", 0), ("0007", 7), ("9007199254740991", 2**53 - 1), ("9007199254740992", None), ("-1", None)]
    + [(text, None) for text in ("", "1.0", "1e3", "+1", "%C2%B2", "%D9%A1", "1_0", "0" * 17, "%201", "x")],
)
@in_virtual_time
async def test_a_whole_number_has_digits_only_and_keeps_its_bounds(text: str, expected: int | None) -> None:
    request = Exchange("GET", f"/?after={text}").request()
    if expected is not None:
        assert whole_number(request, "after", 5, 0, 2**53 - 1) == expected
        return
    with pytest.raises(CommandError, match="after must be an integer from 0 to 9007199254740991") as refused:
        whole_number(request, "after", 5, 0, 2**53 - 1)
    assert refused.value.code is ErrorCode.INVALID_FIELD


@in_virtual_time
async def test_a_number_that_is_missing_has_its_default() -> None:
    assert whole_number(Exchange("GET", "/").request(), "after", 5, 0, 10) == 5


@pytest.mark.parametrize(
    ("query", "most", "expected"),
    [
        ("", 1000, 100),
        ("", 50, 50),
        ("?limit=1", 1000, 1),
        ("?limit=1000", 1000, 1000),
        ("?limit=1001", 1000, 1000),
        ("?limit=001", 1000, 1),
        (f"?limit={'9' * 5000}", 1000, 1000),
        ("?limit=0", 1000, None),
        ("?limit=", 1000, None),
        ("?limit=000", 1000, None),
        ("?limit=-1", 1000, None),
        ("?limit=%C2%B2", 1000, None),
        ("?limit=1&limit=1", 1000, None),
    ],
    ids=range(13),
)
@in_virtual_time
async def test_a_page_has_at_least_one_and_is_capped(query: str, most: int, expected: int | None) -> None:
    request = Exchange("GET", f"/{query}").request()
    if expected is not None:
        assert page_limit(request, most) == expected
        return
    with pytest.raises(CommandError) as refused:
        page_limit(request, most)
    assert refused.value.code is ErrorCode.INVALID_FIELD


def test_no_answer_is_kept_by_a_cache() -> None:
    response = json_response(b"{}", 201, {"X-More": "1"})
    assert (response.status_code, response.body, response.media_type) == (201, b"{}", "application/json")
    assert (response.headers["cache-control"], response.headers["x-more"]) == ("no-store", "1")
    refusal = error_response(CommandError(ErrorCode.RATE_LIMITED, "slow down"))
    assert (refusal.status_code, refusal.headers["content-type"]) == (429, "application/json")
    assert b'"slow down"' in refusal.body
