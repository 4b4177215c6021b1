"""Every error of the socket that needs no broken dependency: the right code, the connection stays, nobody else
notices."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import websockets

from demo.testing import Emulator
from tests.support.api import check_error, refused_handshake
from tests.support.gateway import REPOSITORY, Gateway, off_loop, running_gateway
from tests.support.links import Client, LinkClosedError, Open, PythonLink, new_project, open_client
from tests.support.patience import PATIENCE_S
from tests.support.raw_socket import RawSocket
from websocket_handler.protocol.codes import ERRORS

asynchronous = pytest.mark.asyncio(loop_scope="session")

MESSAGE_BYTES: Final = 65_536


@dataclass(frozen=True)
class Bad:
    """A command and the error that it deserves."""

    text: str
    code: str
    known: dict[str, Any] = field(default_factory=dict)
    """`id` and `action`, where the gateway can know them."""
    contains: str = ""


def command(action: str, **fields: Any) -> str:
    """A command with an id."""
    return json.dumps({"action": action, "id": "bad", **fields})


def about(action: str) -> dict[str, Any]:
    """What the error of a readable command repeats."""
    return {"id": "bad", "action": action}


OF_THE_SOCKET = [
    Bad("hello", "invalid_json", contains="Invalid JSON"),
    Bad("", "invalid_json", contains="Invalid JSON"),
    Bad("[1]", "not_an_object", contains="Invalid JSON"),
    Bad('{"action":"ping","action":"ping"}', "duplicate_key"),
    Bad('{"action":"ping","x":' + "[" * 20_000 + "]" * 20_000 + "}", "too_deep"),
    Bad(command("dance"), "unknown_action", {"id": "bad"}, contains="Unknown action"),
    Bad('{"id":"bad"}', "missing_field", {"id": "bad"}),
    Bad(command("subscribe"), "missing_field", about("subscribe")),
    Bad(command("subscribe", project_id="p", rewind=-1), "invalid_field", about("subscribe")),
    Bad(command("subscribe", project_id="p", rewind=10**30), "invalid_field", about("subscribe")),
    Bad(command("subscribe", project_id="a b"), "invalid_project_id", about("subscribe")),
    Bad(command("subscribe", project_id="p" * 129), "invalid_project_id", about("subscribe")),
    Bad(command("publish", project_id="p", message={"offset": 1}), "reserved_field", about("publish")),
    Bad(command("publish", project_id="p", message={"project_id": "q"}), "project_mismatch", about("publish")),
    Bad(command("publish", project_id="p", message=[1]), "invalid_field", about("publish")),
    Bad(command("forward", type="boss", data={}), "unknown_agent_type", about("forward")),
    Bad(command("forward", type="dev"), "missing_field", about("forward")),
    Bad('{"action":"forward","type":"dev","id":"bad","data":"\uffff"}', "invalid_characters", about("forward")),
    Bad(command("ping", pad="x" * MESSAGE_BYTES), "message_too_large"),
]


@asynchronous
@pytest.mark.parametrize("bad", OF_THE_SOCKET, ids=lambda bad: f"{bad.code}-{bad.text[:30]}")
async def test_a_bad_command_gets_its_error_and_the_connection_stays(
    open_any: Open, bystander: Client, bad: Bad
) -> None:
    """With the command's id and action where they can be read."""
    client = await open_any()

    await client.link.send(bad.text)
    error = await client.next()

    check_error(error, bad.code, **bad.known)
    assert bad.contains in error["message"]
    assert await client.nothing_is_left()


@asynchronous
async def test_a_binary_message_is_refused(open_any: Open, bystander: Client) -> None:
    """Also an empty one; and text goes on."""
    client = await open_any()

    for data in (b'{"action":"ping"}', b""):
        await client.link.send_bytes(data)
        check_error(await client.next(), "binary_not_supported")
    assert await client.nothing_is_left()


@asynchronous
async def test_one_byte_decides_what_is_too_large(open_any: Open, bystander: Client) -> None:
    """A command of exactly the limit is taken, one byte more is not."""
    client = await open_any()
    empty = len(command("ping", pad=""))
    fitting = command("ping", pad="x" * (MESSAGE_BYTES - empty))

    await client.link.send(fitting)
    assert (await client.next())["type"] == "pong"
    await client.link.send(fitting + " ")
    check_error(await client.next(), "message_too_large")
    assert await client.nothing_is_left()


@asynchronous
async def test_nothing_is_half_done(open_any: Open, emulator: Emulator, settings: dict[str, str]) -> None:
    """After refused publishes and forwards the log is empty and no queue has a message."""
    client, project_id = await open_any(), new_project()
    refused = [
        await client.request("publish", project_id=project_id, message={"epoch": "x"}),
        await client.request("publish", project_id=project_id, message={}, key="a b"),
        await client.request("forward", type="ops", data="\ufffe", project_id=project_id, message_id="ä"),
        await client.request("forward", type="ops", data={}, project_id="a/b"),
    ]

    assert [error["type"] for error in refused] == ["error"] * 4
    page = await client.request("history", project_id=project_id)
    assert (page["messages"], page["offset"]) == ([], 0)
    with closing(emulator.client("sqs")) as sqs:
        answer = sqs.get_queue_attributes(
            QueueUrl=settings["SQS_QUEUE_URL_OPS"], AttributeNames=["ApproximateNumberOfMessages"]
        )
    assert answer["Attributes"]["ApproximateNumberOfMessages"] == "0"


@asynchronous
async def test_the_queues_refusal_is_told(open_any: Open, emulator: Emulator, settings: dict[str, str]) -> None:
    """`forward_rejected`: the queue takes smaller messages than the gateway; a retry is useless."""
    client, url = await open_any(), settings["SQS_QUEUE_URL_OPS"]
    with closing(emulator.client("sqs")) as sqs:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "1024"})
        try:
            error = await client.request("forward", type="ops", data="x" * 2000, id="big")
        finally:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "262144"})

    check_error(error, "forward_rejected", id="big", action="forward")


@asynchronous
async def test_all_invalid_vectors_of_the_specification(open_python: Open, bystander: Client) -> None:
    """Each of them over a real socket, on as few connections as the command rate allows."""
    vectors = json.loads((REPOSITORY / "spec/vectors/commands-invalid.json").read_text(encoding="utf-8"))
    client = await open_python()
    at_our_limit = [vector for vector in vectors if vector.get("limit_bytes", MESSAGE_BYTES) == MESSAGE_BYTES]
    for number, vector in enumerate(at_our_limit, start=1):
        if number % 150 == 0:
            assert await client.nothing_is_left()
            client = await open_python()
        repeat = vector.get("text_repeat")
        text = repeat["prefix"] + repeat["unit"] * repeat["count"] + repeat["suffix"] if repeat else vector["text"]
        await client.link.send(text)
        error = await client.next()
        is_oversize = len(text.encode()) > MESSAGE_BYTES  # some vectors are meant for a higher limit
        assert error["code"] == ("message_too_large" if is_oversize else vector["code"]), vector["name"]
    assert await client.nothing_is_left()


@asynchronous
async def test_a_connection_follows_as_many_projects_as_it_may(small_gateway: Gateway, open_any: Open) -> None:
    """`too_many_subscriptions`; leaving one makes room, and on the URL it is a 429."""
    client = await open_any(url=small_gateway.ws_url)
    await client.subscribe("a")
    await client.subscribe("b")

    error = await client.request("subscribe", project_id="c", id="third")

    check_error(error, "too_many_subscriptions", id="third", action="subscribe")
    await client.request("unsubscribe", project_id="a")
    await client.subscribe("c")


@asynchronous
async def test_a_node_holds_as_many_projects_as_it_can(small_gateway: Gateway, open_any: Open) -> None:
    """`too_many_projects` while none of them is idle; retryable."""
    first, second = await open_any(url=small_gateway.ws_url), await open_any(url=small_gateway.ws_url)
    for client, project_id in ((first, "a"), (first, "b"), (second, "c")):
        await client.subscribe(project_id)

    error = await second.request("subscribe", project_id="d", id="fourth")

    check_error(error, "too_many_projects", id="fourth", action="subscribe")
    await first.request("unsubscribe", project_id="a")
    await second.subscribe("d")


@asynchronous
async def test_a_node_holds_as_many_connections_as_it_may(small_gateway: Gateway, open_any: Open) -> None:
    """503 `too_many_connections` with Retry-After; a place that becomes free is given away."""
    clients = [await open_any(url=small_gateway.ws_url) for _ in range(3)]

    status, headers, error = await refused_handshake(small_gateway)
    with pytest.raises((LinkClosedError, websockets.InvalidStatus)):
        await open_any(url=small_gateway.ws_url)

    assert (status, headers["Retry-After"]) == (503, "1")
    check_error(error, "too_many_connections")
    await clients[0].close()
    await open_any(url=small_gateway.ws_url)


@asynchronous
async def test_commands_beyond_the_rate_are_refused(small_gateway: Gateway, open_any: Open) -> None:
    """Two seconds' worth may come at once; every command gets its pong or its `rate_limited`."""
    client = await open_any(url=small_gateway.ws_url)
    replies: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    while not errors:  # however slow the machine is, it can ask more often than ten times a second
        for _ in range(40):
            await client.send(action="ping", id="p")
        replies += [await client.next() for _ in range(40)]
        errors = [reply for reply in replies if reply["type"] == "error"]

    assert [reply["type"] for reply in replies[:20]] == ["pong"] * 20
    for error in errors:
        check_error(error, "rate_limited")


@asynchronous
async def test_who_answers_no_ping_is_closed(settings: dict[str, str]) -> None:
    """4001 for a client that reads and never answers; those who answer stay."""
    async with off_loop(running_gateway(settings, PING_INTERVAL_S="2", LOG_STORE="memory")) as gateway:
        living = await open_client(PythonLink.connect, gateway.ws_url)
        silent = await RawSocket.connect(gateway.port)
        async with asyncio.timeout(PATIENCE_S):
            rest = await silent.reader.readuntil((4001).to_bytes(2))
        await silent.close()
        assert await living.nothing_is_left()
        await living.close()

    assert b"\x89\x00" in rest  # a ping without payload
    assert rest.endswith((4001).to_bytes(2))


def test_every_code_of_the_table_is_tested() -> None:
    """A code that is added without a test fails here; `internal` needs a bug."""
    files = (REPOSITORY / "tests").rglob("test_*.py")
    here = "".join(path.read_text(encoding="utf-8") for path in files)

    untested = {code.value for code in ERRORS if f'"{code.value}"' not in here} - {"internal"}

    assert not untested
