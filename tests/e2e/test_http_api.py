"""The HTTP side of the port: API, server-sent events, health, metrics, console files, and lies about bodies."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import Http, check_error
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import Open, new_project
from tests.support.patience import PATIENCE_S
from tests.support.publications import SOME_TIME

pytestmark = pytest.mark.asyncio(loop_scope="session")


def messages_of(project_id: str) -> str:
    """The path of a project's log."""
    return f"/api/v1/projects/{project_id}/messages"


async def test_one_message_is_published(api: Http, open_python: Open) -> None:
    """The answer has its position, and a subscriber gets it."""
    project_id = new_project()
    client = await open_python(project_id)
    epoch = (await client.next())["epoch"]

    answer = await api.json("POST", messages_of(project_id), json={"type": "hello"})
    assert answer == {"type": "publish_confirmed", "project_id": project_id, "epoch": epoch, "offset": 1}
    assert await client.next() == {"type": "hello", "project_id": project_id, "offset": 1, "published_at": SOME_TIME}


async def test_a_batch_is_published_in_order(api: Http, open_python: Open) -> None:
    """One answer with all offsets."""
    project_id = new_project()
    client = await open_python(project_id)
    await client.next()

    answer = await api.json("POST", messages_of(project_id), json=[{"n": n} for n in range(100)])
    assert answer["offsets"] == list(range(1, 101))
    assert [m["n"] for m in await client.take(100)] == list(range(100))


@pytest.mark.parametrize(
    ("body", "code", "contains"),
    [
        ('[{"n":1},{"offset":2}]', "reserved_field", "1"),
        ('[{"n":1},{"project_id":"other"}]', "project_mismatch", "1"),
        ('[{"n":1},7]', "not_an_object", "1"),
        ("[]", "invalid_field", ""),
        (json.dumps([{}] * 101), "invalid_field", ""),
        ('[{"n":1}', "invalid_json", "Invalid JSON"),
        ("", "invalid_json", "Invalid JSON"),
        ('"text"', "not_an_object", "Invalid JSON"),
        ('{"a":1,"a":2}', "duplicate_key", ""),
        ("\xff", "invalid_json", "Invalid JSON"),
    ],
)
async def test_a_bad_batch_is_refused_as_a_whole(api: Http, body: str, code: str, contains: str) -> None:
    """The message names the index of the item, and nothing was published."""
    project_id = new_project()

    error = await api.json("POST", messages_of(project_id), expected=400, data=body.encode("latin-1"))

    check_error(error, code)
    assert contains in error["message"]
    assert (await api.json("GET", messages_of(project_id)))["offset"] == 0


async def test_an_idempotency_key_publishes_once(api: Http) -> None:
    """For one message and for a batch; the same key with other content is a conflict."""
    project_id = new_project()
    key = {"Idempotency-Key": "order-1"}

    first = await api.json("POST", messages_of(project_id), json={"n": 1}, headers=key)
    again = await api.json("POST", messages_of(project_id), json={"n": 1}, headers=key)
    other = await api.json("POST", messages_of(project_id), 409, json={"n": 2}, headers=key)
    batch = [await api.json("POST", messages_of(project_id), json=[{}, {}], headers=key) for _ in range(2)]

    assert again == first
    check_error(other, "conflict")
    assert batch[0]["offsets"] == [2, 3]
    assert batch[1] == batch[0]
    assert (await api.json("GET", messages_of(project_id)))["offset"] == 3


@pytest.mark.parametrize("key", ["a b", "k" * 129, "ä"])
async def test_a_bad_idempotency_key_is_refused(api: Http, key: str) -> None:
    """It has the form of `key`."""
    error = await api.json("POST", messages_of(new_project()), expected=400, json={}, headers={"Idempotency-Key": key})

    check_error(error, "invalid_field")


async def test_history_is_read_page_by_page(api: Http) -> None:
    """`after` and `limit`, as in the command; another epoch cannot be continued."""
    project_id = new_project()
    await api.json("POST", messages_of(project_id), json=[{"n": n} for n in range(1, 6)])

    page = await api.json("GET", f"{messages_of(project_id)}?after=1&limit=2")
    other = await api.json("GET", f"{messages_of(project_id)}?after=4&epoch=another")

    assert [m["n"] for m in page["messages"]] == [2, 3]
    assert (page["type"], page["offset"], page["recovered"]) == ("history", 3, True)
    assert [m["n"] for m in other["messages"]] == [1, 2, 3, 4, 5]
    assert (other["offset"], other["recovered"]) == (5, False)


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1e3", "limit=0", "limit=-5", "wait=61", "wait=nan", "epoch=a%20b"]
)
async def test_a_bad_query_is_refused(api: Http, query: str) -> None:
    """400 `invalid_field`."""
    error = await api.json("GET", f"{messages_of(new_project())}?{query}", expected=400)

    check_error(error, "invalid_field")


@pytest.mark.parametrize("route", ["messages", "presence", "events"])
async def test_a_bad_project_in_the_path_is_refused(api: Http, route: str) -> None:
    """400 `invalid_project_id` on every route."""
    error = await api.json("GET", f"/api/v1/projects/a%20b/{route}", expected=400)

    check_error(error, "invalid_project_id")


async def test_a_long_poll_is_answered_by_the_next_publication(api: Http) -> None:
    """And at once when there is something newer already; empty when the time is over."""
    project_id = new_project()
    waiting = asyncio.create_task(api.json("GET", f"{messages_of(project_id)}?after=0&wait=30"))
    while not (await _metric(api, "websocket_handler_projects")):
        continue
    await api.json("POST", messages_of(project_id), json={"n": 1})

    answer = await waiting
    ready = await api.json("GET", f"{messages_of(project_id)}?after=0&wait=30")
    empty = await api.json("GET", f"{messages_of(project_id)}?after=1&wait=0.1")

    assert [m["n"] for m in answer["messages"]] == [1]
    assert ready == answer
    assert (empty["messages"], empty["offset"], empty["recovered"]) == ([], 1, True)


async def _metric(api: Http, name: str) -> float:
    async with api.session.get("/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    return next(sample.value for family in families for sample in family.samples if sample.name == name)


async def events(stream: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream, as an `EventSource` reads them: kind, id, data. `retry` is an event here too."""
    event: dict[str, Any] = {"data": []}
    async for raw in stream.content:
        line = raw.decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            if name == "data":
                event["data"].append(value)
            elif name:
                event[name] = value
        elif event["data"]:
            yield {**event, "data": json.loads("\n".join(event["data"]))}
            event = {"data": []}


async def test_server_sent_events_follow_and_resume(api: Http) -> None:
    """A confirmation, then publications with ids; `Last-Event-ID` and `since` continue there."""
    project_id = new_project()
    path = f"/api/v1/projects/{project_id}/events"
    async with api.session.get(path) as stream:
        assert stream.content_type == "text/event-stream"
        arriving = events(stream)
        first = await anext(arriving)
        await api.json("POST", messages_of(project_id), json=[{"n": 1}, {"n": 2}])
        published = [await anext(arriving), await anext(arriving)]
    epoch = first["data"]["epoch"]
    added = {"project_id": project_id, "published_at": SOME_TIME}
    expected = [{"id": f"{epoch}:{n}", "data": {"n": n, "offset": n, **added}} for n in (1, 2)]

    assert (first["event"], first["id"]) == ("subscription_confirmed", f"{epoch}:0")
    assert int(first["retry"]) > 0
    assert published == expected
    for resume in (
        {"headers": {"Last-Event-ID": f"{epoch}:1"}},
        {"params": {"since": f"{epoch}:1"}},
        {"headers": {"Last-Event-ID": f"{epoch}:1"}, "params": {"since": f"{epoch}:2"}},
    ):
        async with api.session.get(path, **resume) as stream:  # type: ignore[arg-type]
            arriving = events(stream)
            confirmation = await anext(arriving)
            assert (confirmation["id"], confirmation["data"]["recovered"]) == (f"{epoch}:1", True)
            assert await anext(arriving) == expected[1]


async def test_an_event_stream_says_when_it_cannot_continue(api: Http) -> None:
    """Another epoch: `recovered` is false and everything retained follows."""
    project_id = new_project()
    await api.json("POST", messages_of(project_id), json={"n": 1})

    async with api.session.get(f"/api/v1/projects/{project_id}/events?since=other:7") as stream:
        arriving = events(stream)
        confirmation, publication = await anext(arriving), await anext(arriving)

    assert confirmation["data"]["recovered"] is False
    assert publication["data"]["n"] == 1
    error = await api.json("GET", f"/api/v1/projects/{project_id}/events?since=nonsense", expected=400)
    check_error(error, "invalid_field")


async def test_presence_and_connections_and_disconnect(api: Http, open_any: Open) -> None:
    """Who follows what; a deleted connection closes with 4500 and is gone from the lists."""
    project_id = new_project()
    client, other = await open_any(project_id), await open_any(project_id)
    connection_id = client.greeting["connection_id"]
    for one in (client, other):
        await one.next()

    presence = await api.json("GET", f"/api/v1/projects/{project_id}/presence")
    listed = await api.json("GET", "/api/v1/connections?limit=1000")
    async with api.session.delete(f"/api/v1/connections/{connection_id}") as response:
        assert (response.status, await response.read()) == (204, b"")
    end = await client.closed()

    assert presence["count"] == 2
    mine = [c for c in listed["connections"] if c["connection_id"] == connection_id]
    assert [c["projects"] for c in mine] == [[project_id]]
    assert listed["count"] == len(listed["connections"])
    assert end.code == 4500
    assert (await api.json("GET", f"/api/v1/projects/{project_id}/presence"))["count"] == 1
    check_error(await api.json("DELETE", f"/api/v1/connections/{connection_id}", 404), "not_found")
    assert await other.nothing_is_left()


async def test_connections_are_listed_page_by_page(api: Http, open_python: Open) -> None:
    """By id; `count` is all of them."""
    clients = [await open_python() for _ in range(3)]
    listed: list[str] = []
    while True:
        after = f"&after={listed[-1]}" if listed else ""
        page = await api.json("GET", f"/api/v1/connections?limit=2{after}")
        if not page["connections"]:
            break
        listed += [connection["connection_id"] for connection in page["connections"]]

    assert listed == sorted(listed)
    assert {client.greeting["connection_id"] for client in clients} <= set(listed)
    assert page["count"] == len(listed)


async def test_health_and_readiness(api: Http) -> None:
    """Plain `OK`, and a JSON verdict."""
    async with api.session.get("/health") as response:
        assert (response.status, response.content_type, await response.text()) == (200, "text/plain", "OK")

    assert await api.json("GET", "/ready") == {"status": "ready", "reasons": []}


async def test_metrics_can_be_parsed_and_count(api: Http, open_python: Open) -> None:
    """Prometheus text, without anything that a client chose in a label."""
    project_id = new_project()
    client = await open_python(project_id)
    before = await _metric(api, "websocket_handler_publications_total")
    await client.publish(project_id, {})
    await client.request("forward", type="pm", data={"for": project_id})

    async with api.session.get("/metrics") as response:
        assert response.content_type == "text/plain"
        text = await response.text()

    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples[("websocket_handler_publications_total",)] == before + 1
    assert samples[("websocket_handler_connections",)] >= 1
    assert samples[("websocket_handler_forwards_total", "confirmed", "pm")] >= 1
    assert ("process_resident_memory_bytes",) in samples
    assert project_id not in text


async def test_the_console_allows_nothing_but_its_own_files(api: Http) -> None:
    """A strict content security policy on the page and on each file that it names."""
    for path, kind in (
        ("/", "text/html"),
        ("/console/console.js", "text/javascript"),
        ("/console/console.css", "text/css"),
    ):
        async with api.session.get(path) as response:
            assert (response.status, response.content_type) == (200, kind)
            policy = dict(
                directive.strip().split(" ", 1) for directive in response.headers["Content-Security-Policy"].split(";")
            )
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == "'self'"
            assert policy["frame-ancestors"] == "'none'"
            assert "unsafe" not in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def raw(gateway: Gateway, request: bytes, *, eof: bool = False) -> bytes:
    """Everything that the gateway answers to these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request)
    if eof:
        writer.write_eof()
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def post(project_id: str, body: bytes, length: int | str) -> bytes:
    """A publish request with a Content-Length of our choice."""
    head = (
        f"POST {messages_of(project_id)} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
    return head.encode() + body


async def test_a_body_shorter_than_announced_publishes_nothing(api: Http, gateway: Gateway) -> None:
    """The client goes away."""
    project_id = new_project()
    await raw(gateway, post(project_id, b'{"n":1}', 20), eof=True)
    assert (await api.json("GET", messages_of(project_id)))["offset"] == 0


async def test_who_waits_with_half_a_request_is_told_after_a_while(settings: dict[str, str]) -> None:
    """Half a body publishes nothing, half a head and nothing at all are no request."""
    project_id = new_project()
    with running_gateway({**settings, "LOG_STORE": "memory", "HANDSHAKE_TIMEOUT_S": "1"}) as hasty:
        answer = await raw(hasty, post(project_id, b'{"n":1}', 20))
        slow_head = await raw(hasty, b"GET /health HTTP/1.1\r\nHost")
        silent = await raw(hasty, b"")
        status, page = hasty.get(messages_of(project_id))

    assert answer.startswith(b"HTTP/1.1 400 ")
    check_error(json.loads(answer.partition(b"\r\n\r\n")[2]), "invalid_field")
    assert slow_head.startswith(b"HTTP/1.1 408 ")
    assert silent == b""
    assert (status, json.loads(page)["offset"]) == (200, 0)


async def test_a_body_longer_than_announced_is_cut_there(api: Http, gateway: Gateway) -> None:
    """The rest is no part of the message, and no second request is made of it."""
    project_id = new_project()
    answer = await raw(gateway, post(project_id, b'{"n":1}{"n":2}', 7))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 200 ") == 1
    page = await api.json("GET", messages_of(project_id))
    assert [m["n"] for m in page["messages"]] == [1]


@pytest.mark.parametrize("length", ["-1", "x", "7, 8", "99999999999999999999999"])
async def test_a_length_that_is_none_is_refused(api: Http, gateway: Gateway, length: str) -> None:
    """400 with the error object, and nothing is published."""
    project_id = new_project()
    answer = await raw(gateway, post(project_id, b'{"n":1}', length))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "error"
    assert (await api.json("GET", messages_of(project_id)))["offset"] == 0


async def test_too_large_a_body_is_refused(api: Http) -> None:
    """A published object has the limit of a command, a body that of a hundred of them."""
    project_id = new_project()
    for path in (messages_of(project_id), "/api/v1/broadcast"):
        error = await api.json("POST", path, 413, json=[{}, {"text": "x" * 65_536}])
        check_error(error, "message_too_large")
        assert "1" in error["message"]
    error = await api.json("POST", messages_of(project_id), 413, data=io.BytesIO(b" " * (100 * 65_536 + 1)))
    check_error(error, "message_too_large")
    assert (await api.json("GET", messages_of(project_id)))["offset"] == 0


async def test_a_large_request_head_is_refused(gateway: Gateway) -> None:
    """431, for a WebSocket and for anything else."""
    for upgrade in (b"", b"Upgrade: websocket\r\n"):
        answer = await raw(gateway, b"GET /ws HTTP/1.1\r\nHost: t\r\n" + upgrade + b"X: " + b"x" * 40_000 + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 431 ")


async def test_what_is_not_http_is_refused(gateway: Gateway) -> None:
    """400 with the error object, and the connection ends."""
    answer = await raw(gateway, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "error"
