"""SQS and DynamoDB stall, reset and lose answers while people publish and forward: nothing confirmed is lost or
doubled, nothing waits for ever, and everything heals without a restart.

Run alone: python -m tests.proof.outages --rounds 10
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from random import Random

from websockets.asyncio.client import ClientConnection

from demo.resources import create_resources
from demo.testing import Emulator, running_emulator
from tests.proof.command import run_alone
from tests.proof.crowd import Crowd, Delivery
from tests.proof.node import NodeProcess
from tests.proof.witness import Violation, link_to
from tests.support.fault_proxy import FaultProxy, Mode

PROJECT = "proj_outages"
FAULTS = (Mode.STALL, Mode.RESET, Mode.LOSE_ANSWERS)


@dataclass(frozen=True, slots=True)
class OutageReport:
    """The figures of one proof. `forwards` were confirmed; the others compare them with what the queue holds."""

    rounds: int
    delivery: Delivery
    forwards: int
    forwards_missing: int
    forwards_doubled: int
    refusals: int

    def __str__(self) -> str:
        return (
            f"{self.rounds} outages: {self.delivery}; {self.forwards} confirmed forwards, missing "
            f"{self.forwards_missing}, doubled {self.forwards_doubled}; {self.refusals} retryable refusals"
        )


class Sender:
    """Forwards tasks one after the other, and sends each again with its id until it is confirmed."""

    def __init__(self, url: str, name: str) -> None:
        self.confirmed: list[str] = []
        self.refusals = 0
        self._url = url
        self._name = name
        self._is_stopping = False

    def stop(self) -> None:
        """Begin nothing new."""
        self._is_stopping = True

    async def run(self) -> None:
        """Forward until stopped."""
        async with link_to(self._url) as link:
            number = 0
            while not self._is_stopping:
                await self._forward(link, f"{self._name}-{number}")
                number += 1

    async def _forward(self, link: ClientConnection, message_id: str) -> None:
        command = {
            "action": "forward",
            "type": "dev",
            "data": {"n": 1},
            "message_id": message_id,
            "project_id": PROJECT,
        }
        while True:
            await link.send(json.dumps(command))
            answer = json.loads(await link.recv())
            while answer["type"] in ("connected", "reconnect"):
                answer = json.loads(await link.recv())
            if answer["type"] == "forward_confirmed":
                self.confirmed.append(message_id)
                return
            if not answer["retryable"]:
                raise Violation(f"{self._name}: {answer}")
            self.refusals += 1


async def prove_outages(rounds: int, seed: int, fault_s: float = 1.0) -> OutageReport:
    """Hurt the way to AWS `rounds` times."""
    random = Random(seed)
    with running_emulator() as emulator:
        settings = create_resources(emulator.url, fifo=True)
        async with FaultProxy(emulator.url) as proxy:
            node = NodeProcess(_through(settings, emulator.url, proxy.url), FORWARD_TIMEOUT_S="5")
            await node.start()
            crowd = Crowd(PROJECT, [node.url], random, watchers=10, publishers=2, at_once=4)
            senders = [Sender(node.url, f"sender-{i}") for i in range(4)]
            async with crowd.at_work(*senders):
                for _ in range(rounds):
                    await _hurt(proxy, random, fault_s, crowd)
            await node.stop()
        queued = _queued(emulator, settings["SQS_QUEUE_URL_DEV"])
    confirmed = [message_id for sender in senders for message_id in sender.confirmed]
    return OutageReport(
        rounds,
        crowd.delivery(),
        forwards=len(confirmed),
        forwards_missing=sum(queued[message_id] == 0 for message_id in confirmed),
        forwards_doubled=sum(count > 1 for count in queued.values()),
        refusals=sum(sender.refusals for sender in senders),
    )


def _through(settings: dict[str, str], direct: str, proxied: str) -> dict[str, str]:
    """The same settings by way of the proxy."""
    return {name: value.replace(direct, proxied) for name, value in settings.items()}


async def _hurt(proxy: FaultProxy, random: Random, fault_s: float, crowd: Crowd) -> None:
    """One outage, and then work until it has healed."""
    proxy.set(random.choice(FAULTS))
    await asyncio.sleep(random.uniform(fault_s / 4, fault_s))  # a real outage takes real time
    proxy.set(Mode.PASS)
    await crowd.advance(20)


def _queued(emulator: Emulator, queue_url: str) -> Counter[str]:
    """How many messages the queue holds under each message id."""
    client = emulator.client("sqs")
    found: Counter[str] = Counter()
    while True:
        answer = client.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=600, MessageAttributeNames=["All"]
        )
        messages = answer.get("Messages", [])
        if not messages:
            client.close()
            return found
        found.update(message["MessageAttributes"]["MessageId"]["StringValue"] for message in messages)
        for message in messages:
            client.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    run_alone(prove_outages, rounds=10, seed=1, fault_s=3.0)
