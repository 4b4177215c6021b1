"""Asks the questions of `doctor` all at once, each for a bounded time, and prints a verdict for every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from typing import Final, TypeVar

from websocket_handler.cli import EXIT_FAILED, EXIT_UNCHECKED
from websocket_handler.cli.deploy_console import Console
from websocket_handler.cli.deploy_stack import DeployError
from websocket_handler.cli.doctor_checks import Finding, bad, unknown
from websocket_handler.cli.faults import cause_of, explain

TIME_LIMIT_S: Final = 20.0
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Question:
    """A question that was asked, and what came back so far. `is_ours`: the gateway itself makes the same calls from
    here, so whatever keeps them from being answered is a fault, and not only a question that stays open."""

    name: str
    is_ours: bool
    dependents: Sequence[str]
    asked_at: float
    findings: list[Finding] = field(default_factory=list)


class Examiner:
    """Asks, waits and prints. When one question cannot be answered, the others are answered all the same."""

    def __init__(self, console: Console, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._console = console
        self._time_limit_s = time_limit_s
        self._asked: list[tuple[_Question, Thread]] = []
        self._kinds: set[str] = set()

    def ask(
        self,
        name: str,
        findings: Callable[[], Iterable[Finding]],
        *,
        is_ours: bool = False,
        dependents: Sequence[str] = (),
    ) -> None:
        """Ask on a thread of its own. `tell` prints the answer."""
        question = _Question(name, is_ours, dependents, monotonic())

        def work() -> None:
            try:
                for finding in findings():
                    question.findings.append(finding)
            except Exception as fault:  # noqa: BLE001 - whatever comes back, the question gets a verdict
                question.findings += [_verdict(question, fault), *_left(dependents, f"{name} could not be")]

        # A daemon: no call that never ends keeps the command from ending.
        thread = Thread(target=work, name=name, daemon=True)
        thread.start()
        self._asked.append((question, thread))

    def tell(self) -> None:
        """Wait for the answers to all questions, and print them in the order in which they were asked."""
        for question, thread in self._asked:
            thread.join(max(0.0, question.asked_at + self._time_limit_s - monotonic()))
            is_late = thread.is_alive()
            for finding in list(question.findings):
                self.print(finding)
            if is_late:
                late = bad if question.is_ours else unknown
                self.print(late(f"{question.name}: no answer within {self._time_limit_s:g} s"))
                self.leave(question.dependents, f"{question.name} could not be")
        self._asked = []

    def answer(self, name: str, work: Callable[[], Answer]) -> Answer | None:
        """What `work` returns, or None after a verdict that says why there is no answer."""
        answers: list[Answer] = []

        def findings() -> Iterable[Finding]:
            answers.append(work())
            return ()

        self.ask(name, findings)
        self.tell()
        return answers[0] if answers else None

    def leave(self, names: Sequence[str], reason: str) -> None:
        """Say of questions that they cannot be asked, and why."""
        for finding in _left(names, reason):
            self.print(finding)

    def print(self, finding: Finding) -> None:
        """Print one finding; the exit code takes it into account."""
        write = {
            "good": self._console.good,
            "bad": self._console.bad,
            "note": self._console.note,
            "unknown": self._console.unknown,
        }[finding.kind]
        write(finding.text)
        self._kinds.add(finding.kind)

    def conclude(
        self,
        good: str = "All is well.",
        wrong: str = "Something is wrong: see FAIL above.",
        unchecked: str = "Nothing is wrong in what could be checked: see ?? above for the rest.",
        exit_code: int | None = None,
    ) -> int:
        """Print the conclusion. Returns the exit code: `exit_code`, or 0, EXIT_FAILED, or EXIT_UNCHECKED."""
        text, code = good, 0
        if "bad" in self._kinds:
            text, code = wrong, EXIT_FAILED
        elif "unknown" in self._kinds:
            text, code = unchecked, EXIT_UNCHECKED
        code = code if exit_code is None else exit_code
        self._console.result(text, exit_code=code)
        return code


def _left(names: Sequence[str], reason: str) -> list[Finding]:
    return [unknown(f"{name}: could not be checked, because {reason}") for name in names]


def _calls_of_gateway(name: str) -> frozenset[str]:
    """What the gateway itself calls on a queue. To look at a queue is a right that it does not need."""
    if name.endswith("UPDATES"):
        return frozenset({"ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"})
    return frozenset({"SendMessage"})


def _verdict(question: _Question, fault: Exception) -> Finding:
    """A fault of what was examined, or a question that stays open."""
    if isinstance(fault, DeployError):
        return bad(f"{question.name}: {fault}")
    cause, text = cause_of(fault), explain(fault)
    # a wrong clock has its own verdict, and the gateway finds out itself what time it is at AWS
    is_wrong = cause in ("missing", "setup") or (question.is_ours and cause not in ("denied", "busy", "clock"))
    if question.name == "credentials" and cause == "credentials":
        is_wrong = True
    if question.is_ours and cause == "denied":
        is_wrong = getattr(fault, "operation_name", "") in _calls_of_gateway(question.name)
    if is_wrong:
        return bad(f"{question.name}: {text}")
    if question.name == "credentials":
        text += ". The gateway itself does not call STS"
    return unknown(f"{question.name}: could not be checked: {text}")
