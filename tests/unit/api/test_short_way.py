"""A publication over HTTP gets the same answer on the short way and on the long way; and which requests take which."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.support.http_api import BODY_BYTES_MAX, KnownTokens, known
from tests.support.http_sockets import OBJECT, TARGET, Client, request
from tests.support.nodes import NotedEvents
from tests.support.virtual_time import in_virtual_time, settle
from tests.support.wires import Wire
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.identity import SUBSCRIBE, Identity

REQUESTS = {
    "an object": request(),
    "spaces": request(b' {"type": "token", "n": 1} \n'),
    "its own project": request(b'{"project_id":"p","n":1}'),
    "another project": request(b'{"project_id":"q","n":1}'),
    "a reserved field": request(b'{"offset":1}'),
    "a name twice": request(b'{"n":1,"n":2}'),
    "no JSON": request(b'{"n":1'),
    "no object": request(b"7"),
    "no body": request(b""),
    "no UTF-8": request(b'{"n":"\xff"}'),
    "a control character": request(b'{"n":"\x01"}'),
    "too deep": request(b'{"n":' + b"[" * 300 + b"]" * 300 + b"}"),
    "a numbered object": request(b'{"producer":"a","sequence":1}'),
    "an object that is too large": request(b'{"n":"%b"}' % (b"x" * 100)),
    "a body that is too large": request(b"x" * (BODY_BYTES_MAX + 1)),
    "a key": request(idempotency_key="k"),
    "a wrong key": request(idempotency_key="a b"),
    "gzip": request(content_encoding="gzip"),
    "UTF-16": request(content_type="application/json; charset=utf-16"),
    "a project that cannot be": request(target="/api/v1/projects/../messages"),
    "a project that is too long": request(target=f"/api/v1/projects/{'p' * 129}/messages"),
    "a whole URL": request(target=f"http://gateway.example{TARGET}"),
    "a token that nobody asked for": request(authorization="Basic eDp5"),
    "a batch": request(b' [{"n":1},{"n":2}]'),
    "a broken batch": request(b'[{"n":1},'),
    "a query": request(target=TARGET + "?a=b"),
    "an escaped path": request(target="/api/v1/projects/%70/messages"),
    "a page": request(origin="https://page.example"),
    "HTTP/1.0": request(version="1.0"),
    "the last request": request(connection="close"),
    "another method": request(method="PUT"),
    "another path": request(target=TARGET + "/"),
}
LONG = {
    "a batch", "a broken batch", "a query", "an escaped path", "a page", "HTTP/1.0", "the last request",
    "another method", "another path",
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
@in_virtual_time
async def test_both_ways_give_the_same_answer(name: str) -> None:
    limits = DeliveryLimits(message_bytes=100)
    short, long = (Client(is_short=is_short, delivery=limits) for is_short in (True, False))
    answers = await short.send(REQUESTS[name], REQUESTS["an object"])
    assert answers == await long.send(REQUESTS[name], REQUESTS["an object"])
    assert short.wire.closed == long.wire.closed
    assert short.api.gateway.counters.errors == long.api.gateway.counters.errors
    client = Client(delivery=limits)
    await client.send(REQUESTS[name])
    assert client.was_short == (name not in LONG)


TOKENS = KnownTokens(good=known("u", "p"), reader=known("u", "p", rights=[SUBSCRIBE]), other=known("u", "q"))


@pytest.mark.parametrize(
    "fields",
    [{}, {"authorization": "Bearer good"}, {"authorization": "Bearer reader"}, {"authorization": "Bearer other"},
     {"authorization": "Bearer nobody"}, {"authorization": "Basic good"}],
    ids=["none", "good", "reader", "other", "nobody", "basic"],
)  # fmt: skip
@in_virtual_time
async def test_both_ways_ask_for_the_same_rights(fields: dict[str, str]) -> None:
    short, long = (Client(is_short=is_short, tokens=TOKENS) for is_short in (True, False))
    asked = request(OBJECT, TARGET, "POST", "1.1", **fields)
    assert await short.send(asked) == await long.send(asked)
    assert short.was_short


@in_virtual_time
async def test_both_ways_tell_what_an_operator_published() -> None:
    for is_short in (True, False):
        client = Client(is_short=is_short, tokens=KnownTokens(good=known("root", "*")))
        (answer,) = await client.send(request(authorization="Bearer good"))
        assert (answer.status, client.was_short) == (b"HTTP/1.1 200 OK", is_short)
        log = client.api.core.ports.log
        assert isinstance(log, NotedEvents)
        ((event, fields),) = log.events
        assert (event, fields["action"], fields["user_id"]) == ("operator.acted", "publish", "root")


@in_virtual_time
async def test_a_key_stands_for_one_object_on_both_ways() -> None:
    client = Client()
    first, again = await client.send(request(idempotency_key="k"), request(idempotency_key="k"))
    assert first == again
    whole = request(b'{"n":2}', idempotency_key="k")
    *_, long = await client.send(whole[:-1], whole[-1:])
    assert not client.was_short
    *_, short = await client.send(whole)
    assert long == short
    assert short.status == b"HTTP/1.1 409 Conflict"


@in_virtual_time
async def test_a_request_whose_body_comes_later_takes_the_long_way() -> None:
    whole = request()
    head = len(whole) - len(OBJECT)
    for at in (10, head - 1, head, head + 1, len(whole) - 1):
        client = Client()
        (answer,) = await client.send(whole[:at], whole[at:])
        assert answer.status == b"HTTP/1.1 200 OK"
        assert client.was_short == (at < head), "the end of its head and its body came in one read"


@in_virtual_time
async def test_requests_in_one_read_are_answered_in_their_order() -> None:
    client = Client()
    health = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
    answers = await client.send(request() + health + request() + request(b"[{}]"))
    bodies = [answer.body for answer in answers]
    assert [b'"offset":1' in bodies[0], bodies[1], b'"offset":2' in bodies[2], b'"offsets":[3]' in bodies[3]] == [
        True, b"OK", True, True,
    ]  # fmt: skip


@in_virtual_time
async def test_a_fault_of_ours_is_logged_and_the_client_learns_only_that_it_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client()

    def broken(*_arguments: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(client.api.gateway.node, "publish", broken)
    (answer,) = await client.send(request())
    assert answer.status == b"HTTP/1.1 500 Internal Server Error"
    assert b"secret" not in answer.body
    assert cast(Any, client.api.gateway.log).names == ["task.failed"]


class SlowTokens(KnownTokens):
    """Answers when the test says so."""

    def __init__(self, **tokens: Identity) -> None:
        super().__init__(**tokens)
        self.waiting: list[Callable[[], None]] = []

    def authenticate(self, token: str, done: Authenticated) -> None:
        self.waiting.append(lambda: super(SlowTokens, self).authenticate(token, done))


@in_virtual_time
async def test_later_requests_wait_for_one_whose_token_is_being_verified() -> None:
    tokens = SlowTokens(good=known("u", "p"))
    client = Client(tokens=tokens)
    health = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
    assert await client.send(request(authorization="Bearer good"), health) == []
    tokens.waiting.pop()()
    await settle()
    assert [answer.body[:2] for answer in client.answers] == [b'{"', b"OK"]


@in_virtual_time
async def test_a_client_may_leave_or_send_no_more_before_its_answer() -> None:
    for leave, is_answered in ((Wire.hang_up, False), (Wire.send_eof, True)):
        tokens = SlowTokens(good=known("u", "p"))
        client = Client(tokens=tokens)
        await client.send(request(authorization="Bearer good"))
        leave(client.wire)
        await settle()
        tokens.waiting.pop()()
        await settle()
        assert bool(client.answers) == is_answered
        assert client.wire.closed is not None


@in_virtual_time
async def test_the_end_of_the_node_waits_for_a_token_that_is_being_verified() -> None:
    tokens = SlowTokens(good=known("u", "p"))
    client = Client(tokens=tokens)
    await client.send(request(authorization="Bearer good"))
    end = asyncio.ensure_future(client.requests.stop())
    await settle()
    assert client.answers == []
    tokens.waiting.pop()()
    await end
    assert [answer.status for answer in client.answers] == [b"HTTP/1.1 200 OK"]
    assert client.wire.closed == "aborted"


@in_virtual_time
async def test_a_client_that_reads_no_answers_gets_no_more_of_them() -> None:
    client = Client()
    client.wire.is_full = True
    await client.send(request())
    assert client.was_short
    await client.send(request())
    assert not client.was_short, "the long way waits until the client has read"
    assert len(client.wire.writes) == 1
    client.wire.drain()
    await settle()
    assert len(client.answers) == 2
