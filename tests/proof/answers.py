"""Two people answer the same question of a run at once, each on a node of its own, again and again. Between some of
the answers and the queue of the agent a node is killed. The agent gets one answer to each question, and everybody hears
of the same one.

Run alone: python -m tests.proof.answers --questions 1000 --kills 20
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from aiohttp import ClientError, ClientSession
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from demo.resources import create_resources
from demo.testing import Emulator, running_emulator
from tests.proof.command import run_alone
from tests.proof.node import NodeProcess
from tests.support.patience import PATIENCE_S
from tests.support.tokens import AUDIENCE, ISSUER, SECRET, bearer

PROJECT: Final = "proj_answers"
PEOPLE: Final = ("ann", "bob")
KILLS: Final = ("refused", "late", "any moment")
"""What the queue does with the answer while its node is killed: it refuses it again and again; it takes it after the
death of the node; or the node is killed at any moment, perhaps before anything is written."""
TRY_AGAIN_S: Final = 0.1
AUTH: Final = {"AUTH_MODE": "jwt", "JWT_SECRETS": SECRET, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}


@dataclass
class AnswersReport:
    """The figures of one proof. `wrong` has what must not happen."""

    questions: int
    kills: Counter[str] = field(default_factory=Counter)
    deciders: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    repeated: int = 0
    """Messages of a standard queue that repeat another one, word for word and with its id."""
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.kills.items())) or "none"
        deciders = ", ".join(f"{name} {count}" for name, count in sorted(self.deciders.items()))
        faults = "; ".join(self.wrong) or "nothing is wrong"
        return (
            f"{self.questions} questions, two answers to each at once on two nodes; kills: {kills}; "
            f"first was: {deciders}; {self.messages} messages for the agent, {self.repeated} of them repeated; {faults}"
        )


async def prove_answers(questions: int, kills: int, seed: int, queue: str = "fifo") -> AnswersReport:
    """Let two people answer so many questions, and kill a node at `kills` of them. `queue` is `fifo` or `standard`."""
    random = Random(seed)
    report = AnswersReport(questions)
    kinds = {number: KILLS[at % len(KILLS)] for at, number in enumerate(random.sample(range(questions), kills))}
    with running_emulator() as emulator:
        settings = create_resources(emulator.url, fifo=queue == "fifo") | AUTH
        nodes = [NodeProcess(settings, LOG_STORE="dynamodb", REQUESTS_PER_SECOND="0") for _ in PEOPLE]
        async with running(nodes), ClientSession() as session:
            told: list[dict[str, str]] = []
            for number in range(questions):
                question = _Question(session, nodes, f"run-{number}", f"ask-{number}", random)
                await question.ask()
                kind = kinds.get(number)
                if kind is None:
                    told.append(await question.answered())
                else:
                    told.append(await question.answered_over_death(kind, emulator))
                    report.kills[kind] += 1
            got = await asyncio.to_thread(_messages, emulator, settings["SQS_QUEUE_URL_DEV"], questions)
    judge(report, told, got, set(kinds) if queue == "standard" else set())
    return report


class _Question:
    """A run that asks, and the people who answer it."""

    def __init__(
        self, session: ClientSession, nodes: Sequence[NodeProcess], run_id: str, name: str, random: Random
    ) -> None:
        self._session = session
        self._nodes = nodes
        self._run_id = run_id
        self._name = name
        self._random = random

    async def ask(self) -> None:
        """The run asks, and ends with that."""
        run = {"threadId": PROJECT, "runId": self._run_id, "agent": "dev"}
        outcome = {"type": "interrupt", "interrupts": [{"id": self._name, "reason": "approval"}]}
        events = [{"type": "RUN_STARTED", **run}, {"type": "RUN_FINISHED", **run, "outcome": outcome}]
        node = self._random.choice(self._nodes)
        answer = await self._post(node, "messages", events, "ann", {"Idempotency-Key": self._run_id})
        assert answer is not None, "every node is up while it asks"
        assert answer.get("offsets"), answer

    async def answered(self) -> dict[str, str]:
        """Both answer at once. Returns what each is told at last: whose answer stands."""
        told = await asyncio.gather(*(self._answer(at, name) for at, name in enumerate(PEOPLE)))
        return dict(zip(PEOPLE, told, strict=True))

    async def answered_over_death(self, kind: str, emulator: Emulator) -> dict[str, str]:
        """The same, while a node that has an answer is killed, and started again."""
        victim = self._random.randrange(len(self._nodes))
        sent = await asyncio.to_thread(emulator.request_count, "sqs", "SendMessageBatch")
        if kind != "any moment":
            mode = "error" if kind == "refused" else "stall"
            await asyncio.to_thread(emulator.add_fault, "sqs", mode, operation="SendMessageBatch", stall_s=PATIENCE_S)
            first = asyncio.create_task(self._answer(victim, PEOPLE[victim]))
            await asyncio.to_thread(_until_sent, emulator, sent)
        else:
            first = asyncio.create_task(self._answer(victim, PEOPLE[victim]))
            await asyncio.sleep(self._random.uniform(0.0, 0.03))  # any moment
        other = 1 - victim
        await self._nodes[victim].kill()
        second = asyncio.create_task(self._answer(other, PEOPLE[other]))
        await asyncio.to_thread(emulator.clear_faults)
        await self._nodes[victim].start()
        return {PEOPLE[victim]: await first, PEOPLE[other]: await second}

    async def _answer(self, at: int, name: str) -> str:
        """Answer until somebody's answer stands. Returns whose."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                body = {"status": "resolved", "payload": name}
                answer = await self._post(self._nodes[at], f"interrupts/{self._name}", body, name)
                if answer is not None and answer["type"] == "decision_confirmed":
                    return name
                if answer is not None and answer["code"] == "already_decided":
                    return str(answer["decided_by"])
                assert answer is None or answer["retryable"], answer
                await asyncio.sleep(TRY_AGAIN_S)

    async def _post(
        self, node: NodeProcess, path: str, body: Any, name: str, headers: dict[str, str] | None = None
    ) -> dict[str, Any] | None:
        """What a node answers; None if it is dead."""
        url = f"http://127.0.0.1:{node.port}/api/v1/projects/{PROJECT}/{path}"
        sent = {"Content-Type": "application/json", **bearer(sub=name, projects=[PROJECT]), **(headers or {})}
        try:
            async with self._session.post(url, data=json.dumps(body), headers=sent) as answer:
                found: dict[str, Any] = await answer.json()
                return found
        except (ClientError, OSError):
            return None


def _until_sent(emulator: Emulator, before: int) -> None:
    """Return once the agent's queue was asked to take something: so the answer is in the log."""
    while emulator.request_count("sqs", "SendMessageBatch") <= before:
        pass


@asynccontextmanager
async def running(nodes: Sequence[NodeProcess]) -> AsyncIterator[None]:
    """The nodes, and a page on each that follows the project, so that the node has it open."""
    try:
        for node in nodes:
            await node.start()
        pages = [asyncio.create_task(_follow(node)) for node in nodes]
        yield
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
    finally:
        for node in nodes:
            if node.process is not None:
                await node.kill()


async def _follow(node: NodeProcess) -> None:
    while True:
        url, token = f"{node.url}?project_id={PROJECT}", bearer(sub="ann", projects=[PROJECT])
        with suppress(OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
            async with connect(url, additional_headers=token, ping_interval=None, proxy=None, max_queue=None) as link:
                async for _ in link:
                    pass
        await asyncio.sleep(TRY_AGAIN_S)


def _messages(emulator: Emulator, queue_url: str, count: int) -> list[dict[str, Any]]:
    """What the agent gets: until it has an answer to every question, and then the queue is empty."""
    client, found = emulator.client("sqs"), list[dict[str, Any]]()
    seen: set[str] = set()
    while True:
        wait_s = 1 if len(seen) >= count else 20
        answer = client.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=600, WaitTimeSeconds=wait_s
        )
        for message in answer.get("Messages", []):
            found.append(json.loads(message["Body"]))
            seen.add(found[-1]["message_id"])
            client.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        if not answer.get("Messages"):
            client.close()
            return found


def judge(
    report: AnswersReport, told: Sequence[dict[str, str]], got: Sequence[dict[str, Any]], may_repeat: set[int]
) -> None:
    """Compare what the people were told of each question with what the agent got. A standard queue `may_repeat` the
    answers to these questions."""
    answers: dict[str, list[str]] = {}
    for task in got:
        (resume,) = task["data"]["resume"]
        answers.setdefault(resume["interruptId"], []).append(f"{resume['payload']} {task['message_id']}")
    report.messages = len(got)
    for number, heard in enumerate(told):
        name, deciders = f"ask-{number}", set(heard.values())
        reached = answers.pop(name, [])
        report.deciders.update(deciders)
        report.repeated += max(0, len(reached) - 1)
        if len(deciders) != 1:
            report.wrong.append(f"{name}: people hear of different answers: {heard}")
        if len(set(reached)) != 1 or {each.split()[0] for each in reached} != deciders:
            report.wrong.append(f"{name}: {heard}, but the agent got {reached}")
        if len(reached) > 1 and number not in may_repeat:
            report.wrong.append(f"{name}: the agent got its answer {len(reached)} times")
    report.wrong += [f"{name}: nobody asked this" for name in answers]


if __name__ == "__main__":
    sys.exit(bool(run_alone(prove_answers, questions=1000, kills=20, seed=1, queue="fifo").wrong))
