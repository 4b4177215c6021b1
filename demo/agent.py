"""A worker behind one agent queue: it takes a task, reports what it does, and deletes the task when it is done.

`python -m demo.agent dev` shows what an agent team has to write. It needs only boto3: it takes tasks from
its queue and sends updates to the updates queue, and the gateway brings them to everybody who follows the project.
It only plays the work. Settings: `SQS_QUEUE_URL_<AGENT>` (its own and the next agent's),
`SQS_QUEUE_URL_UPDATES`, `AWS_REGION` and boto3's usual ones.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from demo.plays import NEXT_AGENT, Update, play

TASKS_AT_ONCE = 4
POLL_S = 20
RETRY_AFTER_S = 1.0
FINISHED_TASKS_MAX = 10_000
PAUSE_S = (0.3, 0.8)

log = logging.getLogger("demo.agent")


@dataclass(frozen=True)
class Task:
    """One message of the agent's queue. `task_id` is the gateway's `message_id`."""

    task_id: str
    project_id: str | None
    data: Any
    receipt_handle: str

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Task:
        """Reads an SQS message. Raises ValueError when its body is not the gateway's envelope."""
        envelope = json.loads(message["Body"])
        if not isinstance(envelope, dict) or "data" not in envelope:
            raise ValueError("the body is not an envelope")
        task_id, project_id = envelope.get("message_id"), envelope.get("project_id")
        if not isinstance(task_id, str) or not isinstance(project_id, str | None):
            raise ValueError("message_id or project_id is missing or not a string")
        return cls(task_id, project_id, envelope["data"], message["ReceiptHandle"])


class TaskLedger:
    """Knows which tasks are under way and which are finished, so that a second delivery does nothing.

    It remembers the last 10,000 finished tasks in memory. An agent with effects on the world would use a database.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._finished: OrderedDict[str, None] = OrderedDict()

    def begin(self, task_id: str) -> bool:
        """Notes that a task begins. Returns False when it is running or finished already: then nobody may begin it."""
        with self._lock:
            if task_id in self._running or task_id in self._finished:
                return False
            self._running.add(task_id)
            return True

    def end(self, task_id: str, *, finished: bool) -> None:
        """Notes that a task is no longer running. One that is not finished may begin again."""
        with self._lock:
            self._running.discard(task_id)
            if finished:
                self._finished[task_id] = None
                if len(self._finished) > FINISHED_TASKS_MAX:
                    self._finished.popitem(last=False)

    def is_finished(self, task_id: str) -> bool:
        """True if this task was finished, by this delivery or by an earlier one."""
        with self._lock:
            return task_id in self._finished


class Agent:
    """Polls one queue and works on up to four tasks at the same time."""

    def __init__(self, name: str, sqs: Any, queue_urls: dict[str, str]) -> None:
        self._name = name
        self._sqs = sqs
        self._queue_urls = queue_urls
        self._ledger = TaskLedger()
        self._free = threading.Semaphore(TASKS_AT_ONCE)
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Asks `run` to return. It first finishes the tasks under way, without pauses."""
        self._stopping.set()

    def run(self) -> None:
        """Works until `stop` is called."""
        with ThreadPoolExecutor(TASKS_AT_ONCE) as pool:
            # The thread is a daemon, because nothing can interrupt a long poll. Messages that arrive too late
            # become visible again for the next agent.
            threading.Thread(target=self._poll, args=(pool,), daemon=True).start()
            log.info("%s is waiting for work", self._name)
            self._stopping.wait()

    def _poll(self, pool: ThreadPoolExecutor) -> None:
        while not self._stopping.is_set():
            slots = self._take_slots()
            for message in self._receive(slots):
                try:
                    pool.submit(self._work, message)
                except RuntimeError:  # the pool was closed during the long poll
                    return
                slots -= 1
            if slots:
                self._free.release(slots)

    def _take_slots(self) -> int:
        """Waits for a free slot, then takes every free one. A task that cannot start yet stays in the queue."""
        self._free.acquire()
        slots = 1
        while slots < TASKS_AT_ONCE and self._free.acquire(blocking=False):
            slots += 1
        return slots

    def _receive(self, messages_max: int) -> list[dict[str, Any]]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_urls[self._name],
                MaxNumberOfMessages=messages_max,
                WaitTimeSeconds=POLL_S,
            )
        except (BotoCoreError, ClientError) as error:
            log.warning("%s cannot read its queue, trying again: %s", self._name, error)
            self._stopping.wait(RETRY_AFTER_S)
            return []
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _work(self, message: dict[str, Any]) -> None:
        try:
            self._do(Task.from_message(message))
        except ValueError as error:
            log.warning("%s: message %s is left to the redrive policy: %s", self._name, message["MessageId"], error)
        except (BotoCoreError, ClientError) as error:
            log.warning("%s: message %s will be delivered again: %s", self._name, message["MessageId"], error)
        finally:
            self._free.release()

    def _do(self, task: Task) -> None:
        if self._ledger.begin(task.task_id):
            finished = False
            try:
                log.info("%s works on %s", self._name, task.task_id)
                self._publish_all(task)
                self._forward(task)
                finished = True
            finally:
                self._ledger.end(task.task_id, finished=finished)
        if self._ledger.is_finished(task.task_id):
            self._sqs.delete_message(QueueUrl=self._queue_urls[self._name], ReceiptHandle=task.receipt_handle)

    def _publish_all(self, task: Task) -> None:
        chance = random.Random(task.task_id)
        updates = play(self._name, task.data, chance)
        for step, update in enumerate(updates, start=1):
            if step > 1:
                self._stopping.wait(chance.uniform(*PAUSE_S))
            publication = {**self._publication(update, task), "step": step, "steps": len(updates)}
            if task.project_id is not None:  # an update says whom it is for; a task without a project has no viewers
                self._send("updates", task.project_id, f"{task.task_id}-{self._name}-{step}", publication)

    def _publication(self, update: Update, task: Task) -> dict[str, Any]:
        """An update as its viewers get it."""
        return {
            "project_id": task.project_id,
            "type": update.type,
            "agent": self._name,
            "task_id": task.task_id,
            "text": update.text,
            "timestamp": _now(),
            **update.details,
        }

    def _forward(self, task: Task) -> None:
        """Hands the work to the next agent, unless the task says `"only": true`."""
        following = NEXT_AGENT.get(self._name)
        if following is None or (isinstance(task.data, dict) and task.data.get("only") is True):
            return
        # The same task always gets the same follow-up id, so that a repeated hand-over makes no second task.
        message_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{task.task_id}/{following}").hex
        envelope = {
            "type": following,
            "project_id": task.project_id,
            "data": task.data,
            "message_id": message_id,
            "timestamp": _now(),
            "client": {"agent": self._name},
        }
        self._send(following, task.project_id, message_id, envelope)

    def _send(self, queue: str, project_id: str | None, deduplication_id: str, body: dict[str, Any]) -> None:
        url = self._queue_urls[queue]
        fifo: dict[str, str] = {}
        if url.endswith(".fifo"):
            unique = uuid.uuid5(uuid.NAMESPACE_URL, deduplication_id).hex
            fifo = {"MessageGroupId": project_id or "none", "MessageDeduplicationId": unique}
        self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body), **fifo)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main(arguments: list[str] | None = None) -> int:
    """Runs one agent until SIGTERM or SIGINT. Returns the exit code: 2 when a setting is missing."""
    parser = argparse.ArgumentParser(prog="python -m demo.agent", description="One demo agent.")
    parser.add_argument("agent", choices=["pm", "dev", "qa", "ops"])
    name: str = parser.parse_args(arguments).agent
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s agent %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    needed = [name, "updates", *([NEXT_AGENT[name]] if name in NEXT_AGENT else [])]
    queue_urls = {queue: os.environ.get(f"SQS_QUEUE_URL_{queue.upper()}", "") for queue in needed}
    if missing := [f"SQS_QUEUE_URL_{queue.upper()}" for queue, url in queue_urls.items() if not url]:
        print(f"demo.agent: not set: {', '.join(missing)}", file=sys.stderr)
        return 2
    config = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=TASKS_AT_ONCE + 1)
    sqs = boto3.client("sqs", region_name=os.environ.get("AWS_REGION"), config=config)
    agent = Agent(name, sqs, queue_urls)
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, lambda *_: agent.stop())
    agent.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
