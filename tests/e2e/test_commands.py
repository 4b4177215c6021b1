"""Every command and every push, through three independent clients."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import Any

import pytest

from demo.testing import Emulator
from tests.support.api import Http
from tests.support.links import Client, Open, new_project
from tests.support.publications import SOME_TIME, untimed

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ALIASES = {
    "pm": ("pm", "plan", "planning"),
    "dev": ("dev", "code", "develop"),
    "qa": ("qa", "test", "quality"),
    "ops": ("ops", "deploy", "operations"),
}


def at(confirmation: dict[str, Any], offset: int | None = None) -> dict[str, Any]:
    """The position of a confirmation, or another offset in its epoch."""
    return {"epoch": confirmation["epoch"], "offset": confirmation["offset"] if offset is None else offset}


def on_wire(project_id: str, first: int, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """How these publications arrive."""
    added = {"project_id": project_id, "published_at": SOME_TIME}
    return [{**message, **added, "offset": first + n} for n, message in enumerate(messages)]


async def publish_steps(client: Client, project_id: str, count: int) -> list[dict[str, Any]]:
    """Publish `count` messages; how they arrive."""
    messages = [{"type": "step", "n": n} for n in range(1, count + 1)]
    confirmed = [await client.publish(project_id, message) for message in messages]
    return on_wire(project_id, confirmed[0]["offset"], *messages)


async def test_the_first_frame_says_who_is_there_and_what_applies(open_any: Open) -> None:
    """`connected` has every field of the protocol."""
    greeting = (await open_any()).greeting

    assert TIMESTAMP.fullmatch(greeting.pop("timestamp"))
    assert greeting.pop("connection_id")
    assert greeting.pop("node_id")
    assert greeting == {
        "type": "connected",
        "message": "Connected to websocket_handler",
        "protocol": 1,
        "ping_interval_s": 25,
        "limits": {
            "message_bytes": 65_536,
            "subscriptions": 256,
            "commands_per_second": 100,
            "history_messages": 1000,
        },
    }


async def test_ping_is_answered_by_pong(open_any: Open) -> None:
    """With and without an id."""
    client = await open_any()

    with_id = await client.request("ping", id="it is me")
    await client.send(action="ping")
    without_id = await client.next()

    assert with_id.keys() == {"type", "timestamp", "id"}
    assert with_id["id"] == "it is me"
    assert without_id.keys() == {"type", "timestamp"}
    assert without_id["type"] == "pong"
    assert TIMESTAMP.fullmatch(without_id["timestamp"])


async def test_a_subscriber_gets_what_is_published(open_any: Open) -> None:
    """Confirmation first, then the publications, each with its project and offset."""
    client, publisher, project_id = await open_any(), await open_any(), new_project()

    confirmation = await client.request("subscribe", project_id=project_id, id="s")
    sent = await publish_steps(publisher, project_id, 3)

    assert confirmation == {
        "type": "subscription_confirmed",
        "project_id": project_id,
        "epoch": confirmation["epoch"],
        "offset": 0,
        "recovered": True,
        "id": "s",
    }
    assert await client.take(3) == sent
    assert await client.nothing_is_left()
    assert await publisher.nothing_is_left()


async def test_publish_is_confirmed_with_its_position(open_any: Open) -> None:
    """A publisher that follows the project gets its own publication too."""
    client, project_id = await open_any(), new_project()
    start = await client.subscribe(project_id)

    confirmation = await client.request("publish", project_id=project_id, message={"a": 1}, id="p")

    assert confirmation == {
        "type": "publish_confirmed",
        "project_id": project_id,
        "epoch": start["epoch"],
        "offset": 1,
        "id": "p",
    }
    assert await client.next() == {"a": 1, "project_id": project_id, "offset": 1, "published_at": SOME_TIME}


async def test_the_publishers_own_bytes_arrive(open_any: Open) -> None:
    """Numbers, escapes, white space and the order of keys stay as they came."""
    client, project_id = await open_any(), new_project()
    await client.subscribe(project_id)
    payload = '{"z":1.50, "a":12345678901234567890123, "text":"\\u00e4 \\/ ä 🚀" }'

    await client.link.send(f'{{"action":"publish","project_id":"{project_id}","message":{payload}}}')
    texts = [await client.link.receive() for _ in range(2)]

    wires = [untimed(text.encode()).decode() for text in texts]
    assert f'{payload[:-1]},"project_id":"{project_id}","offset":1}}' in wires


async def test_the_same_key_publishes_once(open_any: Open) -> None:
    """The second confirmation has the first position; another body is a conflict."""
    client, project_id = await open_any(), new_project()
    await client.subscribe(project_id)

    first = await client.publish(project_id, {"n": 1}, key="k-1", id="same")
    second = await client.publish(project_id, {"n": 1}, key="k-1", id="same")
    other = await client.request("publish", project_id=project_id, message={"n": 2}, key="k-1")

    assert second == first
    assert other["code"] == "conflict"
    assert await client.next() == {"n": 1, "project_id": project_id, "offset": 1, "published_at": SOME_TIME}
    assert await client.nothing_is_left()


async def test_subscribing_twice_replays_nothing(open_any: Open) -> None:
    """The second confirmation has the current position."""
    client, project_id = await open_any(), new_project()
    await client.subscribe(project_id)
    sent = await publish_steps(client, project_id, 2)
    assert await client.take(2) == sent

    again = await client.subscribe(project_id, rewind=2)

    assert (again["offset"], again["recovered"]) == (2, True)
    assert await client.nothing_is_left()


async def test_after_unsubscribing_nothing_more_arrives(open_any: Open) -> None:
    """Also confirmed for a project that was not followed."""
    client, project_id = await open_any(), new_project()
    await client.subscribe(project_id)

    assert await client.request("unsubscribe", project_id=project_id, id="u") == {
        "type": "unsubscription_confirmed",
        "project_id": project_id,
        "id": "u",
    }
    await client.publish(project_id, {"n": 1})
    assert await client.nothing_is_left()
    again = await client.request("unsubscribe", project_id=project_id)
    assert again["type"] == "unsubscription_confirmed"


async def test_since_continues_where_the_client_stood(open_any: Open) -> None:
    """The missed publications follow the confirmation, then live ones."""
    publisher, client, project_id = await open_any(), await open_any(), new_project()
    sent = await publish_steps(publisher, project_id, 5)
    position = {"epoch": (await publisher.publish(project_id, {"n": 6}))["epoch"], "offset": 3}

    confirmation = await client.subscribe(project_id, since=position)

    assert (at(confirmation), confirmation["recovered"]) == (position, True)
    assert await client.take(3) == [*sent[3:], *on_wire(project_id, 6, {"n": 6})]
    live = await publish_steps(publisher, project_id, 1)
    assert await client.take(1) == live


@pytest.mark.parametrize("since", [{"epoch": "another", "offset": 2}, {"offset": 99}], ids=["epoch", "future"])
async def test_a_position_that_cannot_be_continued_is_told(open_any: Open, since: dict[str, Any]) -> None:
    """What is retained is sent, from its start."""
    publisher, client, project_id = await open_any(), await open_any(), new_project()
    epoch = (await publisher.subscribe(project_id))["epoch"]
    sent = await publish_steps(publisher, project_id, 3)

    confirmation = await client.subscribe(project_id, since={"epoch": epoch, **since})

    assert (at(confirmation), confirmation["recovered"]) == ({"epoch": epoch, "offset": 0}, False)
    assert await client.take(3) == sent


async def test_rewind_starts_a_few_publications_back(open_any: Open) -> None:
    """Or as far as there is something."""
    publisher, client, project_id = await open_any(), await open_any(), new_project()
    sent = await publish_steps(publisher, project_id, 4)

    two_back = await client.subscribe(project_id, rewind=2)

    assert (two_back["offset"], two_back["recovered"]) == (2, True)
    assert await client.take(2) == sent[2:]
    await client.request("unsubscribe", project_id=project_id)
    from_start = await client.subscribe(project_id, rewind=1000)
    assert (from_start["offset"], from_start["recovered"]) == (0, True)
    assert await client.take(4) == sent


async def test_the_url_subscribes_and_resumes(open_any: Open) -> None:
    """The k-th `since` belongs to the k-th project; the rest starts at the head."""
    publisher, first, second = await open_any(), new_project(), new_project()
    sent = await publish_steps(publisher, first, 3)
    epoch = (await publisher.subscribe(first))["epoch"]
    await publish_steps(publisher, second, 2)

    client = await open_any(first, second, since=f"{epoch}:1")
    arrived = await client.take(4)

    confirmations = {m["project_id"]: m for m in arrived if m["type"] == "subscription_confirmed"}
    assert (confirmations[first]["offset"], confirmations[first]["recovered"]) == (1, True)
    assert (confirmations[second]["offset"], confirmations[second]["recovered"]) == (2, True)
    assert [m for m in arrived if m["type"] == "step"] == sent[1:]
    assert await client.nothing_is_left()


async def test_one_connection_follows_many_projects(open_any: Open) -> None:
    """Each project has its own order; nothing of another project arrives."""
    client, publisher = await open_any(), await open_any()
    projects, other = [new_project() for _ in range(40)], new_project()
    for project_id in projects:
        await client.subscribe(project_id)
    for n in range(2):
        for project_id in [*projects, other]:
            await publisher.publish(project_id, {"n": n})

    arrived = await client.take(2 * len(projects))

    for project_id in projects:
        mine = [(m["offset"], m["n"]) for m in arrived if m["project_id"] == project_id]
        assert mine == [(1, 0), (2, 1)]
    assert await client.nothing_is_left()


async def test_history_is_read_page_by_page(open_any: Open) -> None:
    """The offset of a page is the next `after`; the end is an empty page."""
    client, project_id = await open_any(), new_project()
    sent = await publish_steps(client, project_id, 5)
    read: list[dict[str, Any]] = []
    after = 0
    for count, offset in ((2, 2), (2, 4), (1, 5), (0, 5)):
        page = await client.request("history", project_id=project_id, after=after, limit=2)
        assert page.keys() == {"type", "project_id", "epoch", "messages", "offset", "recovered", "id"}
        assert (len(page["messages"]), page["offset"], page["recovered"]) == (count, offset, True)
        read += page["messages"]
        after = page["offset"]

    assert read == sent
    beyond = await client.request("history", project_id=project_id, after=77)
    assert (beyond["messages"], beyond["recovered"]) == (sent, False)


async def test_presence_lists_who_follows(open_any: Open) -> None:
    """With the connection ids of the greetings."""
    first, second, project_id = await open_any(), await open_any(), new_project()
    await first.subscribe(project_id)
    await second.subscribe(project_id)

    presence = await first.request("presence", project_id=project_id, id="who")

    ids = {connection["connection_id"] for connection in presence["connections"]}
    assert ids == {first.greeting["connection_id"], second.greeting["connection_id"]}
    assert all(TIMESTAMP.fullmatch(connection["connected_at"]) for connection in presence["connections"])
    assert (presence["type"], presence["count"], presence["id"]) == ("presence", 2, "who")
    await second.request("unsubscribe", project_id=project_id)
    assert (await first.request("presence", project_id=project_id))["count"] == 1


@pytest.mark.parametrize("agent", ALIASES)
async def test_forward_reaches_the_agents_queue(
    open_any: Open, emulator: Emulator, settings: dict[str, str], agent: str
) -> None:
    """Each alias, in any case; the receipt is the queue's id of a message with the envelope and its attributes."""
    client, project_id = await open_any(), new_project()
    forwarded: dict[str, dict[str, Any]] = {}
    for alias in ALIASES[agent]:
        for spelling in (alias, alias.upper()):
            data = {"task": f"{spelling} ä\n"}
            reply = await client.request("forward", type=spelling, data=data, project_id=project_id)
            assert (reply["type"], reply["agent"]) == ("forward_confirmed", agent)
            assert re.fullmatch(r"[0-9a-f]{32}", reply["message_id"])
            forwarded[reply["receipt"]] = {"message_id": reply["message_id"], "data": data}

    messages = received(emulator, settings[f"SQS_QUEUE_URL_{agent.upper()}"], client)
    assert messages.keys() == forwarded.keys()
    for receipt, message in messages.items():
        body = json.loads(message["Body"])
        attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        assert TIMESTAMP.fullmatch(body["timestamp"])
        assert body == {
            "type": agent,
            "project_id": project_id,
            **forwarded[receipt],
            "timestamp": body["timestamp"],
            "client": {"connection_id": client.greeting["connection_id"]},
        }
        assert attributes == {
            "MessageType": agent,
            "Timestamp": body["timestamp"],
            "MessageId": body["message_id"],
            "ProjectId": project_id,
            "ConnectionId": client.greeting["connection_id"],
        }


async def test_forward_repeats_the_clients_message_id(
    open_any: Open, emulator: Emulator, settings: dict[str, str]
) -> None:
    """The same id again is the same task, and gets the same receipt; without a project the envelope has null."""
    client = await open_any()
    message_id = new_project()

    first = await client.request("forward", type="qa", data=None, message_id=message_id, id="f")
    second = await client.request("forward", type="qa", data=None, message_id=message_id, id="f")

    assert first["message_id"] == message_id
    assert second == first
    (message,) = received(emulator, settings["SQS_QUEUE_URL_QA"], client).values()
    body = json.loads(message["Body"])
    assert (body["data"], body["project_id"]) == (None, None)
    assert "ProjectId" not in message["MessageAttributes"]


async def test_a_broadcast_reaches_everyone_as_it_was_given(open_any: Open, api: Http) -> None:
    """Also those who follow nothing; it is in no log."""
    clients, project_id = [await open_any(), await open_any()], new_project()
    await clients[0].subscribe(project_id)
    notice = {"type": "maintenance", "text": new_project()}

    answer = await api.json("POST", "/api/v1/broadcast", json=notice)

    assert answer == {"type": "broadcast_confirmed", "connections": 2}
    assert [await client.next() for client in clients] == [notice, notice]


async def test_updates_of_agents_arrive_as_publications_and_broadcasts(
    open_any: Open, emulator: Emulator, settings: dict[str, str]
) -> None:
    """The project is named in the body or in an attribute; a broadcast is asked for."""
    client, project_id = await open_any(), new_project()
    await client.subscribe(project_id)
    url = settings["SQS_QUEUE_URL_UPDATES"]
    attribute = {"ProjectId": {"DataType": "String", "StringValue": project_id}}

    with closing(emulator.client("sqs")) as sqs:
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"project_id": project_id, "n": 1}))
        assert await client.next() == {"project_id": project_id, "n": 1, "offset": 1, "published_at": SOME_TIME}
        sqs.send_message(QueueUrl=url, MessageBody='{"n":2}', MessageAttributes=attribute)
        assert await client.next() == {"n": 2, "project_id": project_id, "offset": 2, "published_at": SOME_TIME}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"broadcast": True, "text": project_id}))
        assert await client.next() == {"broadcast": True, "text": project_id}


def received(emulator: Emulator, queue_url: str, client: Client) -> dict[str, dict[str, Any]]:
    """What a client left in a queue, by the messages' ids. The queue is empty then: other tests share it, and their
    clients' messages are not looked at."""
    messages: dict[str, dict[str, Any]] = {}
    with closing(emulator.client("sqs")) as sqs:
        while batch := sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in batch:
                messages[message["MessageId"]] = message
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    connection_id = client.greeting["connection_id"]
    return {
        message_id: message
        for message_id, message in messages.items()
        if json.loads(message["Body"])["client"]["connection_id"] == connection_id
    }
