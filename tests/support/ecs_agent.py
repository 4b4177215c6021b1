"""The ECS agent's endpoint for task protection, over real HTTP on this machine. It answers as the source of the agent
says: a refusal by ECS has the status 200 and the field `failure`, a refusal by the agent has the field `error`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.support.patience import PATIENCE_S
from tests.support.web_server import Answer, Request, running_web_server

TASK_ARN: Final = "arn:aws:ecs:us-east-1:123456789012:task/agenticai-cluster-test/0123456789abcdef"
BASE_PATH: Final = "/api/0123456789abcdef-1234567890"
MINUTES_WITHOUT_SAYING: Final = 120


class EcsAgent:
    """One task's agent. `now` gives monotonic seconds. If `answer` is set, it sends that; if `is_silent` is set, it
    takes requests and never answers."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.expires_at: float | None = None
        self.answer: tuple[int, bytes] | None = None
        self.is_silent = False
        self.requests: list[tuple[str, Any]] = []
        """The method and body of each request."""
        self.changed = threading.Condition()
        self.uri = ""
        """The value for `ECS_AGENT_URI`, while it runs."""
        self._closing = threading.Event()

    @property
    def is_protected(self) -> bool:
        """True if ECS would say that the task is protected."""
        return self.expires_at is not None and self._now() < self.expires_at

    def respond(self, request: Request) -> Answer | None:
        """Take a request. Returns its answer."""
        body = json.loads(request.body) if request.body else None
        with self.changed:
            self.requests.append((request.method, body))
            self.changed.notify_all()
            if not self.is_silent:
                return self._answer_to(request, body)
        self._closing.wait()  # set when the test is over
        return None

    def _answer_to(self, request: Request, body: Any) -> Answer:
        if self.answer is not None:
            return Answer(*self.answer)
        if request.path != f"{BASE_PATH}/task-protection/v1/state":
            return Answer(404, b"404 page not found\n")
        return self._carry_out(request.method, body)

    def _carry_out(self, method: str, body: Any) -> Answer:
        if method == "PUT":
            if not isinstance(body.get("ProtectionEnabled"), bool) or body.keys() > {
                "ProtectionEnabled",
                "ExpiresInMinutes",
            }:
                error = {"Code": "InvalidParameterException", "Message": "Invalid request"}
                return Answer(400, json.dumps({"error": error}).encode())
            minutes = body.get("ExpiresInMinutes", MINUTES_WITHOUT_SAYING)
            self.expires_at = self._now() + 60 * minutes if body["ProtectionEnabled"] else None
        protection: dict[str, object] = {"ProtectionEnabled": self.is_protected, "TaskArn": TASK_ARN}
        if self.is_protected:
            protection["ExpirationDate"] = "2026-11-22T20:10:00Z"
        return Answer(200, json.dumps({"protection": protection}).encode())

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until a request has made the condition true. Raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s):
                raise TimeoutError(f"the ECS agent saw only {self.requests}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer requests inside a `with` block."""
        with running_web_server(self.respond) as url:
            self.uri = f"{url}{BASE_PATH}"
            try:
                yield
            finally:
                self._closing.set()


@contextmanager
def running_ecs_agent(now: Callable[[], float]) -> Iterator[EcsAgent]:
    """An agent that runs inside a `with` block."""
    agent = EcsAgent(now)
    with agent.running():
        yield agent
