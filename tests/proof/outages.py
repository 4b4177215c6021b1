"""SQS and DynamoDB stall, reset and lose answers while people publish and forward: nothing confirmed is lost or
doubled, nothing waits for ever, and everything heals without a restart.

Run alone: python -m tests.proof.outages --rounds 10
"""

import argparse
import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

from websockets.asyncio.client import connect

from demo.resources import create_resources
from demo.testing import Emulator, running_emulator
from tests.proof.fault_proxy import FaultProxy, Mode
from tests.proof.kills import all_reached, head_of
from tests.proof.node import NodeProcess
from tests.proof.witness import Publisher, Violation, Watcher, check

PROJECT = "proj_outages"
FAULTS = (Mode.STALL, Mode.RESET, Mode.LOSE_ANSWERS)


@dataclass(frozen=True, slots=True)
class OutageReport:
    """The figures of one proof. `queued` counts messages in the FIFO queue under each confirmed id."""

    rounds: int
    confirmed: int
    lost: int
    doubled: int
    misplaced: int
    forwards: int
    forwards_missing: int
    forwards_doubled: int
    refusals: int


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
        async with connect(self._url, ping_interval=None, compression=None) as link:
            number = 0
            while not self._is_stopping:
                await self._forward(link, f"{self._name}-{number}")
                number += 1

    async def _forward(self, link: Any, message_id: str) -> None:
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
            people = [Watcher(f"watcher {i}", PROJECT, [node.url], Random(random.random())) for i in range(10)]
            writers = [Publisher(PROJECT, [node.url], Random(random.random()), first, 2, at_once=4) for first in (0, 1)]
            senders = [Sender(node.url, f"sender-{i}") for i in range(4)]
            async with asyncio.TaskGroup() as tasks:
                watching = [tasks.create_task(person.run()) for person in people]
                await asyncio.gather(*(person.started.wait() for person in people))
                workers: list[Publisher | Sender] = [*writers, *senders]
                working = [tasks.create_task(worker.run()) for worker in workers]
                for _ in range(rounds):
                    await _hurt(proxy, random, fault_s, people[0], writers)
                for worker in workers:
                    worker.stop()
                await asyncio.gather(*working)
                await all_reached(people, head_of(writers))
                for task in watching:
                    task.cancel()
            await node.stop()
        queued = _queued(emulator, settings["SQS_QUEUE_URL_DEV"])
    confirmed = [message_id for sender in senders for message_id in sender.confirmed]
    return OutageReport(
        rounds,
        **check(people, writers),
        forwards=len(confirmed),
        forwards_missing=sum(queued[message_id] == 0 for message_id in confirmed),
        forwards_doubled=sum(count > 1 for count in queued.values()),
        refusals=sum(sender.refusals for sender in senders),
    )


def _through(settings: dict[str, str], direct: str, proxied: str) -> dict[str, str]:
    """The same settings by way of the proxy."""
    return {name: value.replace(direct, proxied) for name, value in settings.items()}


async def _hurt(proxy: FaultProxy, random: Random, fault_s: float, person: Watcher, writers: list[Publisher]) -> None:
    """One outage, and then work until it has healed."""
    proxy.set(random.choice(FAULTS))
    await asyncio.sleep(random.uniform(fault_s / 4, fault_s))  # a real outage takes real time
    proxy.set(Mode.PASS)
    await person.reached(head_of(writers) + 20)


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


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault-s", type=float, default=3.0)
    arguments = parser.parse_args()
    report = asyncio.run(prove_outages(arguments.rounds, arguments.seed, arguments.fault_s))
    print(
        f"{report.rounds} outages: {report.confirmed} confirmed publications, lost {report.lost}, doubled "
        f"{report.doubled}, misplaced {report.misplaced}; {report.forwards} confirmed forwards, missing "
        f"{report.forwards_missing}, doubled {report.forwards_doubled}; {report.refusals} retryable refusals"
    )


if __name__ == "__main__":
    main()
