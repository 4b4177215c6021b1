"""Two nodes on one Valkey behave as one, with the log there or in the table: publish, subscribe, history and resume,
and what an operator does."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.api import refused_handshake
from tests.support.frames import handshake_head
from tests.support.gateway import Gateway, off_loop, running_gateway
from tests.support.links import Client, Message, Open, new_project
from tests.support.peers import Peer, Raw, Response, http
from tests.support.tokens import GUARDED, bearer, token
from tests.support.valkeys import Valkey, running_valkey
from websocket_handler.__main__ import main

pytestmark = pytest.mark.asyncio
CONNECTIONS_PER_USER: Final = 4


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey("valkey-9.1", "--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


@pytest.fixture(scope="module", params=["valkey", "dynamodb"])
def shared(request: pytest.FixtureRequest, emulator_process: Emulator, valkey: Valkey) -> dict[str, str]:
    """The settings of nodes that share logs and a backplane."""
    where = {"LOG_STORE": request.param, "BACKPLANE": "valkey", "VALKEY_URL": f"redis://127.0.0.1:{valkey.port}"}
    limits = {"CONNECTIONS_PER_USER": str(CONNECTIONS_PER_USER)}
    return {**create_resources(emulator_process.url), **GUARDED, **limits, **where}


@pytest.fixture(scope="module")
def nodes(shared: dict[str, str]) -> Iterator[tuple[Gateway, Gateway]]:
    """Two processes that share logs and a backplane."""
    with running_gateway(shared, NODE_ID="a") as one, running_gateway(shared, NODE_ID="b") as two:
        yield one, two


@pytest.fixture
def open_on(open_on: Open) -> Open:
    """Opens clients on a node, which say who they are: a user of this test alone, by default."""
    of_this_test = f"user-{uuid.uuid4().hex}"

    async def signed_in(node: Gateway, user: str = of_this_test) -> Client:
        client: Client = await open_on(node)
        reply = await client.request("authenticate", token=token(sub=user, projects=["*"]))
        assert reply["type"] == "authenticated", reply
        return client

    return signed_in


async def offsets(client: Client, count: int) -> list[int]:
    return [message["offset"] for message in await client.take(count)]


async def publish_ten(client: Client, project: str) -> None:
    for number in range(10):
        await client.publish(project, {"n": number})


async def test_two_nodes_are_one(nodes: tuple[Gateway, Gateway], open_on: Open, valkey: Valkey) -> None:
    project = new_project()
    one, two = [await open_on(node) for node in nodes]
    follower = await open_on(nodes[1])
    confirmed = [await one.publish(project, {"n": 0})]
    assert (await follower.subscribe(project))["offset"] == 1, "it is the same log"

    confirmed += [await one.publish(project, {"n": number}) for number in (1, 2)]
    assert [reply["offset"] for reply in confirmed] == [1, 2, 3]
    assert await offsets(follower, 2) == [2, 3]

    # both write at once: no publication is lost, doubled or out of order
    await asyncio.gather(publish_ten(one, project), publish_ten(two, project))
    assert await offsets(follower, 20) == list(range(4, 24))

    # what one node confirmed, the other one tells
    history = await two.request("history", project_id=project, after=20, limit=10)
    assert (history["recovered"], [message["offset"] for message in history["messages"]]) == (True, [21, 22, 23])
    resumed = await open_on(nodes[0])
    position = {"epoch": confirmed[0]["epoch"], "offset": 21}
    assert (await resumed.subscribe(project, since=position))["recovered"]
    assert await offsets(resumed, 2) == [22, 23]


async def test_an_empty_project_has_one_epoch_on_all_nodes(nodes: tuple[Gateway, Gateway], open_on: Open) -> None:
    """Its first publication reaches everybody as a publication, and nobody is told of another log."""
    clients = [await open_on(node) for node in nodes]
    projects = [new_project() for _ in range(8)]
    for project in projects:  # both nodes meet it at once
        starts = await asyncio.gather(*(client.subscribe(project) for client in clients))
        assert starts[0]["epoch"] == starts[1]["epoch"]
        assert [(start["offset"], start["recovered"]) for start in starts] == [(0, True)] * 2

    epochs = []
    for project in projects:  # and both write to it first
        replies = await asyncio.gather(*(client.publish(project, {"n": 1}) for client in clients))
        assert sorted(reply["offset"] for reply in replies) == [1, 2]
        epochs.append(replies[0]["epoch"])
    for client in clients:
        messages = await client.take(2 * len(projects))
        for project in projects:
            assert [message["offset"] for message in messages if message["project_id"] == project] == [1, 2]

    resumed = await open_on(nodes[1])
    for epoch, project, recovered in ((epochs[1], projects[0], False), (epochs[1], projects[1], True)):
        again = await resumed.subscribe(project, since={"epoch": epoch, "offset": 0})
        assert again["recovered"] is recovered, "an epoch is one project's"
    assert await offsets(resumed, 4) == [1, 2, 1, 2]


async def test_a_server_that_comes_back_loses_nothing(
    nodes: tuple[Gateway, Gateway], open_on: Open, valkey: Valkey
) -> None:
    project = new_project()
    one, follower = await open_on(nodes[0]), await open_on(nodes[1])
    await one.publish(project, {"n": 1})
    await follower.subscribe(project)
    await asyncio.to_thread(valkey.stop)
    await asyncio.to_thread(valkey.start)
    reply: dict[str, Any] = await one.publish(project, {"n": 2})
    assert reply["offset"] == 2, json.dumps(reply)
    assert await offsets(follower, 1) == [2]


def ask(node: Gateway, method: str, path: str, body: bytes = b"") -> Response:
    """What the HTTP API of a node answers to an operator."""
    return http(node.port, method, path, body, **bearer(sub="root", projects=["*"]))


def ids_of(*clients: Client) -> set[str]:
    return {client.greeting["connection_id"] for client in clients}


def ids_in(answer: Message) -> set[str]:
    return {connection["connection_id"] for connection in answer["connections"]}


async def until_listed(node: Gateway, path: str, *clients: Client) -> None:
    """Wait until a node lists these clients, and nobody else."""

    def is_listed() -> bool:
        return ids_in(ask(node, "GET", path).json()) == ids_of(*clients)

    await asyncio.to_thread(node.until, is_listed)


async def test_what_an_operator_does_on_one_node_holds_on_every_node(
    nodes: tuple[Gateway, Gateway], shared: dict[str, str], open_on: Open
) -> None:
    one, two = nodes
    old = bearer(sub="mallory")
    near, far, other = await open_on(one, "mallory"), await open_on(two, "mallory"), await open_on(two, "eve")
    answer = ask(one, "POST", "/api/v1/broadcast", b'{"type":"notice"}')
    assert answer.json()["type"] == "broadcast_confirmed"
    for client in (near, far, other):
        assert await client.next() == {"type": "notice"}

    answer = ask(one, "POST", "/api/v1/tickets")
    with Peer.connect(two.port, f"/ws?ticket={answer.json()['ticket']}") as peer:
        assert peer.request("ping")["type"] == "pong"
    for node in nodes:
        assert (await refused_handshake(node, f"?ticket={answer.json()['ticket']}"))[0] == 401, "it is good once"

    project = new_project()
    for client in (near, far):
        await client.subscribe(project)
    following = f"/api/v1/projects/{project}/presence"
    await until_listed(two, "/api/v1/connections", near, far, other)  # it started last, so it knows the other one
    await until_listed(two, following, near, far)
    presence = await far.request("presence", project_id=project)
    assert (presence["count"], ids_in(presence)) == (2, ids_of(near, far))

    connection = f"/api/v1/connections/{other.greeting['connection_id']}"
    assert ask(one, "DELETE", connection).status in (204, 404), "404 if the other node is slower than two seconds"
    assert (await other.closed()).code == 4500

    assert ask(one, "POST", "/api/v1/users/mallory/disconnect").json() == {
        "type": "user_disconnected",
        "connections": 1,
    }
    assert [(await client.closed()).code for client in (near, far)] == [4500, 4500]
    async with off_loop(running_gateway(shared, NODE_ID="c")) as later:
        assert [http(node.port, "POST", "/api/v1/tickets", **old).status for node in (one, two, later)] == [401] * 3


async def test_the_surplus_of_a_node_is_told_to_come_back_and_nobody_else(
    nodes: tuple[Gateway, Gateway], open_on: Open
) -> None:
    crowd = [await open_on(nodes[0], f"user-{uuid.uuid4().hex}") for _ in range(6)]
    few = await open_on(nodes[1])
    for node in nodes:
        await until_listed(node, "/api/v1/connections", *crowd, few)
    command = ["rebalance", nodes[1].base_url, "--seconds", "1", "--token", token(sub="root", rights=["admin"])]
    assert await asyncio.to_thread(main, command) == 0

    pushes = [asyncio.create_task(client.next()) for client in crowd]
    while sum(push.done() for push in pushes) < 2:
        await asyncio.wait([push for push in pushes if not push.done()], return_when=asyncio.FIRST_COMPLETED)
    moving = [client for client, push in zip(crowd, pushes, strict=True) if push.done()]
    assert {push.result()["reason"] for push in pushes if push.done()} == {"rebalancing"}
    for client in moving:
        await client.close()
    facts = {"connections": 6, "surplus": 2, "share": 4}
    await asyncio.to_thread(nodes[0].wait_for_record, "node.rebalancing", **facts)
    for push in pushes:
        push.cancel()
    await asyncio.gather(*pushes, return_exceptions=True)
    assert await few.nothing_is_left()
    await few.close()
    last = {"connection_id": few.greeting["connection_id"]}
    log = await asyncio.to_thread(nodes[1].log_up_to, "connection.closed", **last)
    assert "node.rebalancing" not in {record["event"] for record in log}


def answer_to(node: Gateway, user: str) -> str:
    """What a node answers to one more client of a user: that it may come in, or the error. Then the client leaves."""
    with Raw(node.port) as raw:
        raw.send(handshake_head("/ws", **bearer(sub=user)))
        response = raw.response()
        return "come in" if response.status == 101 else response.code


async def until_answer(node: Gateway, user: str, answer: str) -> None:
    """Wait until a node has heard how many connections a user has on the other one."""
    await asyncio.to_thread(node.until, lambda: answer_to(node, user) == answer)


async def test_a_user_has_as_many_connections_as_allowed_on_all_nodes_together(
    nodes: tuple[Gateway, Gateway], open_on: Open
) -> None:
    user = f"grace-{uuid.uuid4().hex}"
    clients = [await open_on(node, user) for node in (nodes * CONNECTIONS_PER_USER)[:CONNECTIONS_PER_USER]]
    for node in nodes:
        await until_answer(node, user, "too_many_connections")
        stranger: Client = await open_on(node, f"{user}-friend")
        assert await stranger.nothing_is_left()
    await clients.pop().close()
    for node in nodes:
        await until_answer(node, user, "come in")


async def test_a_node_that_drains_says_so_to_the_others(
    nodes: tuple[Gateway, Gateway], shared: dict[str, str], open_on: Open
) -> None:
    def states() -> dict[str, tuple[int, bool]]:
        listed = ask(nodes[0], "GET", "/api/v1/connections").json()["nodes"]
        return {each["node_id"]: (each["connections"], each["draining"]) for each in listed}

    async with off_loop(running_gateway(shared, NODE_ID="d", DRAIN_SECONDS="60")) as leaving:
        # they do not answer a close frame, so the node waits for them
        peers = [Peer.connect(leaving.port, "/ws", **bearer(sub=f"stubborn-{uuid.uuid4().hex}")) for _ in range(3)]
        await asyncio.to_thread(nodes[0].until, lambda: states().get("d") == (3, False))
        leaving.ask_to_stop()
        await asyncio.to_thread(nodes[0].until, lambda: states()["d"][1])
        assert states()["a"][1] is False
        for peer in peers:
            assert peer.next()["type"] == "reconnect"
            peer.raw.socket.close()
        assert await asyncio.to_thread(leaving.wait_for_exit) == 0
