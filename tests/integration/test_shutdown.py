"""SIGTERM, a second one, and SIGKILL, each in the middle of traffic: nothing that was confirmed is lost."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import websockets
from websockets.asyncio.client import connect

from demo.testing import Emulator
from tests.support.gateway import Gateway, off_loop, running_gateway
from tests.support.links import Client, LinkClosedError, Open, new_project
from tests.support.patience import PATIENCE_S
from tests.support.raw_socket import RawSocket

pytestmark = pytest.mark.asyncio

PROJECTS: Final = 5
CONFIRMED_BEFORE_THE_END: Final = 200


@dataclass
class Publisher:
    """Publishes to one project, one after the other, and remembers what was confirmed."""

    project_id: str
    confirmed: dict[int, int] = field(default_factory=dict)
    """What was published, and its offset."""
    unconfirmed: int = 0

    async def run(self, client: Client, until: int | None = None) -> None:
        """Go on from where it stopped, with the same key for what has no answer, until the connection ends."""
        try:
            while until is None or len(self.confirmed) < until:
                n = self.unconfirmed
                reply = await client.request(
                    "publish", project_id=self.project_id, message={"n": n}, key=f"{self.project_id}-{n}"
                )
                if reply["type"] == "publish_confirmed":
                    self.confirmed[n] = reply["offset"]
                    self.unconfirmed = n + 1
        except (LinkClosedError, websockets.ConnectionClosed):
            return


@dataclass
class Subscriber:
    """Follows one project over as many connections as it takes."""

    project_id: str
    epoch: str = ""
    received: list[tuple[int, int]] = field(default_factory=list)
    pushes: list[dict[str, Any]] = field(default_factory=list)
    recovered: list[bool] = field(default_factory=list)
    end: LinkClosedError | None = None

    @property
    def since(self) -> str | None:
        """The position for the next connection."""
        if not self.epoch:
            return None
        return f"{self.epoch}:{self.received[-1][0] if self.received else 0}"

    async def run(self, client: Client, until: int | None = None) -> None:
        """Take what comes until the connection ends, or up to an offset."""
        try:
            while until is None or not self.received or self.received[-1][0] < until:
                self._take(await client.next())
        except LinkClosedError as end:
            self.end = end

    def _take(self, message: dict[str, Any]) -> None:
        if "offset" in message and "epoch" not in message:
            self.received.append((message["offset"], message["n"]))
        elif message["type"] == "subscription_confirmed":
            self.epoch = message["epoch"]
            self.recovered.append(message["recovered"])
        else:
            self.pushes.append(message)


async def start_traffic(
    gateway: Gateway, open_on: Open
) -> tuple[list[Publisher], list[Subscriber], list[asyncio.Task[None]]]:
    """One publisher and four subscribers per project; returns when a good deal was confirmed."""
    projects = [new_project() for _ in range(PROJECTS)]
    publishers = [Publisher(project_id) for project_id in projects]
    subscribers = [Subscriber(project_id) for project_id in projects for _ in range(4)]
    tasks = [asyncio.create_task(s.run(await open_on(gateway, s.project_id))) for s in subscribers]
    tasks += [asyncio.create_task(p.run(await open_on(gateway))) for p in publishers]
    await asyncio.to_thread(
        gateway.until, lambda: sum(len(p.confirmed) for p in publishers) >= CONFIRMED_BEFORE_THE_END
    )
    return publishers, subscribers, tasks


async def resume_and_check(
    gateway: Gateway, open_on: Open, publishers: list[Publisher], subscribers: list[Subscriber]
) -> None:
    """On another process: publishers repeat what has no answer, subscribers resume; everything is there once."""
    again = [(p, await open_on(gateway)) for p in publishers]
    await asyncio.gather(*(p.run(client, len(p.confirmed) + 10) for p, client in again))
    heads = {p.project_id: max(p.confirmed.values()) for p in publishers}
    resumed = [(s, await open_on(gateway, s.project_id, since=s.since)) for s in subscribers]
    await asyncio.gather(*(s.run(client, heads[s.project_id]) for s, client in resumed))
    confirmed = {p.project_id: p.confirmed for p in publishers}
    for subscriber in subscribers:
        offsets = [offset for offset, _ in subscriber.received]
        assert offsets == list(range(1, heads[subscriber.project_id] + 1))
        assert {n: offset for offset, n in subscriber.received} == confirmed[subscriber.project_id]
        assert all(subscriber.recovered)


async def test_sigterm_in_the_middle_of_traffic(emulator: Emulator, settings: dict[str, str], open_on: Open) -> None:
    """Everyone is told to reconnect and closed with 4012, what was confirmed is there, exit code 0."""
    async with off_loop(running_gateway(settings, DRAIN_SECONDS="30")) as gateway:
        publishers, subscribers, tasks = await start_traffic(gateway, open_on)
        forwarder = await open_on(gateway)
        for n in range(100):
            await forwarder.send(action="forward", type="ops", data={"n": n}, message_id=f"last-{n}", id=f"last-{n}")
        gateway.ask_to_stop()
        await asyncio.to_thread(gateway.wait_for_record, "node.draining")
        confirmed_forwards, end = await answers_until_closed(forwarder)
        await asyncio.gather(*tasks)
        assert await asyncio.to_thread(gateway.wait_for_exit) == 0
        gateway.check_log()

    for subscriber in subscribers:
        assert [push["type"] for push in subscriber.pushes] == ["reconnect"]
        assert subscriber.pushes[0]["reason"] == "draining"
        assert 0 <= subscriber.pushes[0]["after_ms"] <= 3000
        assert subscriber.end is not None
        assert subscriber.end.code == 4012
    assert end.code == 4012
    assert confirmed_forwards <= message_ids(emulator, settings["SQS_QUEUE_URL_OPS"])
    assert gateway.records("node.drained")[0]["left"] == 0
    async with off_loop(running_gateway(settings)) as successor:
        await resume_and_check(successor, open_on, publishers, subscribers)


async def test_who_is_told_to_come_back_is_served_until_it_goes(settings: dict[str, str], open_on: Open) -> None:
    """Its next connection may be there before this one ends, and the node waits for nobody who has gone."""
    async with off_loop(running_gateway(settings, DRAIN_SECONDS="60")) as gateway:
        project_id = new_project()
        client = await open_on(gateway, project_id)
        gateway.ask_to_stop()
        while (await client.next())["type"] != "reconnect":  # its confirmation comes first
            pass
        reply = await client.request("publish", project_id=project_id, message={"n": 1})
        assert (reply["type"], reply["offset"]) == ("publish_confirmed", 1)
        await client.close()
        assert await asyncio.to_thread(gateway.wait_for_exit) == 0
        gateway.check_log()

    drained = gateway.records("node.drained")[0]
    assert (drained["told"], drained["left"]) == (1, 0)
    assert [record["close_code"] for record in gateway.records("connection.closed")] == [1000]


async def refused(gateway: Gateway) -> tuple[int, str]:
    """What a newcomer gets during the drain: status and code."""
    with pytest.raises(websockets.InvalidStatus) as answer:
        await connect(gateway.ws_url, proxy=None, open_timeout=PATIENCE_S)
    response = answer.value.response
    return response.status_code, json.loads(response.body or b"")["code"]


async def answers_until_closed(client: Client) -> tuple[set[str], LinkClosedError]:
    """The message ids of confirmed forwards, and how the connection ended."""
    confirmed: set[str] = set()
    try:
        while True:
            message = await client.next()
            if message["type"] == "forward_confirmed":
                confirmed.add(message["message_id"])
    except LinkClosedError as end:
        return confirmed, end


def message_ids(emulator: Emulator, queue_url: str) -> set[str]:
    """The gateway's message ids of everything in a queue."""
    found: set[str] = set()
    with closing(emulator.client("sqs")) as sqs:
        while messages := sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["MessageId"]
        ).get("Messages"):
            found |= {message["MessageAttributes"]["MessageId"]["StringValue"] for message in messages}
    return found


async def test_ready_says_draining(settings: dict[str, str]) -> None:
    """For as long as a client takes to say goodbye, HTTP is still answered, and newcomers are sent away."""
    async with off_loop(running_gateway(settings, DRAIN_SECONDS="60")) as gateway:
        silent = await silent_client(gateway)
        gateway.ask_to_stop()
        await asyncio.to_thread(gateway.wait_for_record, "node.draining")
        status, verdict = await asyncio.to_thread(gateway.ready)
        health = await asyncio.to_thread(gateway.get, "/health")
        refusal = await refused(gateway)
        await silent.close()
        assert await asyncio.to_thread(gateway.wait_for_exit) == 0

    assert (status, verdict["reasons"]) == (503, [{"dependency": "node", "reason": "draining"}])
    assert health == (200, b"OK")
    assert refusal == (503, "draining")


async def silent_client(gateway: Gateway) -> RawSocket:
    """A client that was let in and never answers, also not to a close."""
    client = await RawSocket.connect(gateway.port)
    assert (await client.message())["type"] == "connected"
    return client


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_drain(settings: dict[str, str], second: signal.Signals) -> None:
    """The first would wait a minute for a client that does not answer; the second waits for nothing."""
    async with off_loop(running_gateway(settings, DRAIN_SECONDS="60")) as gateway:
        silent = await silent_client(gateway)
        gateway.ask_to_stop()
        await asyncio.to_thread(gateway.wait_for_record, "node.draining")
        gateway.process.send_signal(second)
        await asyncio.to_thread(gateway.wait_for_record, "node.stopping_now")
        assert await asyncio.to_thread(gateway.wait_for_exit) == 0
        await silent.close()

    assert gateway.records("node.stopped")


async def test_sigkill_in_the_middle_of_traffic(settings: dict[str, str], open_on: Open) -> None:
    """Clients that resume on a new process on the same port have every confirmed publication exactly once."""
    async with off_loop(running_gateway(settings)) as gateway:
        publishers, subscribers, tasks = await start_traffic(gateway, open_on)
        gateway.kill()
        await asyncio.gather(*tasks)

    assert {subscriber.end.code for subscriber in subscribers if subscriber.end} == {1006}
    async with off_loop(running_gateway(settings, WEBSOCKET_PORT=str(gateway.port))) as successor:
        await resume_and_check(successor, open_on, publishers, subscribers)
