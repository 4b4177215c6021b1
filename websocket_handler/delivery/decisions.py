"""What people decide when a run asks them: written into the log once, and then handed to the agent's queue.

The first decision wins: it is published under the condition that the interrupt is open where the log ends. Then the
agent gets it as a task whose id is made of the interrupt, so that the task is the same one, whoever hands it over. That
the queue has it is published, too. If a node dies between the two, any node that has the project open hands it over
later.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import Final

import msgspec

from websocket_handler.delivery.forwarding import Forwarding
from websocket_handler.delivery.node import Node
from websocket_handler.logs.project import Project
from websocket_handler.logs.queue import Published
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.vocabulary import ANSWERED, DECIDED, Fields
from websocket_handler.ports.clock import Clock
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import ForwardTask, Position
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.ordinal import MARK
from websocket_handler.protocol.publication import PreparedPublication, read_object

PATIENCE_S: Final = 10.0
"""So long a decision may be without its task before another node hands it over."""
Sent = Callable[[str | CommandError], None]
"""Called once: with the receipt of the agent's queue, or with the reason why it has not got the decision."""


def task_id_of(project_id: str, run_id: str, interrupt_id: str, asked: int) -> str:
    """The id of the task in which the agent gets the answer to an interrupt. A run may ask the same once more, behind
    another offset: that is another task."""
    name = msgspec.json.encode((project_id, run_id, interrupt_id, asked))
    return f"decision-{blake2b(name, digest_size=16).hexdigest()}"


def key_of(task_id: str, what: str) -> str:
    """The idempotency key of what the gateway says about a decision. No publisher can choose it: it begins with MARK,
    and is no ordinal. So an entry with this key was written by the gateway."""
    return f"{MARK}{what}{MARK}{task_id}"


class Decisions:
    """One for all projects of a node."""

    def __init__(self, node: Node, forwarding: Forwarding, clock: Clock) -> None:
        self._node = node
        self._forwarding = forwarding
        self._clock = clock
        self._seen: dict[tuple[str, str], float] = {}
        """When this node noticed a decision that no queue has, in monotonic seconds."""

    def decide(self, project: Project, interrupt: Fields, value: Fields, done: Published) -> None:
        """Publish the answer to an interrupt, unless there is one. `value` has `agent`, `by`, `at`, `status` and
        perhaps `payload`. The answer to a later one is `already_decided`. Raises what `Node.prepare` and
        `Journal.publish` raise."""
        interrupt_id, run_id, asked = interrupt["id"], interrupt["runId"], interrupt["askedOffset"]
        event = {"type": "CUSTOM", "name": DECIDED, "value": {"interruptId": interrupt_id, **value}, "runId": run_id}
        key = key_of(task_id_of(project.project_id, run_id, interrupt_id, asked), "decided")
        publication = self._prepared(project, event, key)
        project.journal.publish_if(partial(_is_open, project, interrupt_id, asked), [publication], done)

    def _prepared(self, project: Project, event: Fields, key: str) -> PreparedPublication:
        return self._node.prepare(read_object(msgspec.json.encode(event)), project.project_id, key)

    def send(self, project: Project, interrupt_id: str, done: Sent) -> None:
        """Hand a decision to the agent's queue, and note in the log that it is there. Raises CommandError: `not_found`
        if the log no longer holds it, and what the queue refuses at once."""
        fold = fold_now(project)
        decision = fold.ends.decisions.get(interrupt_id) if fold is not None else None
        task = self._task(project, interrupt_id, decision) if decision is not None else None
        if decision is None or task is None:
            raise CommandError(ErrorCode.NOT_FOUND, "the log does not hold this decision any more")
        value: Fields = {"interruptId": interrupt_id, "taskId": task.message_id, "asked": decision["asked"]}
        self._forwarding.forward(task.user_id, task, partial(self._forwarded, project, value, task, done))

    def _forwarded(
        self, project: Project, value: Fields, task: ForwardTask, done: Sent, answer: str | CommandError
    ) -> None:
        if not isinstance(answer, CommandError):
            event = {"type": "CUSTOM", "name": ANSWERED, "value": value}
            with suppress(CommandError):  # it is handed over again, as the same task
                self._node.publish(self._prepared(project, event, key_of(task.message_id, "answered")), _nobody_asks)
        done(answer)

    def _task(self, project: Project, interrupt_id: str, decision: Fields) -> ForwardTask | None:
        """The task with an answer; None if the log does not hold it, or if it was not the gateway that wrote it."""
        project_id, log, offset = project.project_id, project.journal.log, decision["offset"]
        entries = log.after(offset - 1, 1, 1) if log.first <= offset <= log.head else []
        task_id = task_id_of(project_id, decision["runId"], interrupt_id, decision["asked"])
        if not entries or entries[0].key != key_of(task_id, "decided"):
            return None
        value = msgspec.json.decode(entries[0].payload)["value"]
        answer = {"interruptId": interrupt_id} | {name: value[name] for name in ("status", "payload") if name in value}
        data = {
            "threadId": project_id,
            "runId": task_id,
            "parentRunId": decision["runId"],
            "since": f"{log.epoch}:{offset}",
            "state": {},
            "messages": [],
            "tools": [],
            "context": [],
            "forwardedProps": {},
            "resume": [answer],
        }
        return ForwardTask(
            agent=Agent(value["agent"]),
            message_id=task_id,
            data=msgspec.json.encode(data),
            timestamp=self._clock.timestamp(),
            connection_id="",
            project_id=project_id,
            user_id=value["by"],
        )

    def look(self) -> None:
        """Hand over what no queue has, although it was decided some time ago: its node has died, or its queue was down.
        Called every few seconds."""
        now, open_ones = self._clock.monotonic(), set[tuple[str, str]]()
        for project in list(self._node.projects):
            is_known = project.journal.call.is_known and project.saved_runs.are_known()
            fold = project.runs.now() if is_known else None
            for interrupt_id in _unsent(fold):
                name = (project.project_id, interrupt_id)
                open_ones.add(name)
                if now - self._seen.setdefault(name, now) >= PATIENCE_S:
                    self._seen[name] = now
                    self._send_again(project, interrupt_id)
        for name in self._seen.keys() - open_ones:
            del self._seen[name]

    def _send_again(self, project: Project, interrupt_id: str) -> None:
        with suppress(CommandError):  # the next look comes
            self.send(project, interrupt_id, _nobody_asks)


def fold_now(project: Project) -> Fold | None:
    """The fold where the log ends."""
    project.runs.look()  # makes it, if nobody has asked before
    return project.runs.now()


def _is_open(project: Project, interrupt_id: str, asked: int) -> CommandError | None:
    fold = fold_now(project)
    interrupt = fold.ends.interrupts.get(interrupt_id) if fold is not None else None
    if interrupt is None:
        return CommandError(ErrorCode.ALREADY_DECIDED, "somebody was faster, or the run went on without an answer")
    if interrupt["askedOffset"] != asked:
        return CommandError(ErrorCode.ALREADY_DECIDED, "it was asked again meanwhile: read what is asked now")
    return None


def _unsent(fold: Fold | None) -> list[str]:
    if fold is None:
        return []
    return [interrupt_id for interrupt_id, each in fold.ends.decisions.items() if not each["is_sent"]]


def _nobody_asks(_answer: str | Position | CommandError) -> None:
    """For what nobody waits for."""
