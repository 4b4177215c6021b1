"""The ECS agent's endpoint for task protection, over real HTTP on this machine. It answers as the agent's own source
does: ECS's refusals with the status 200 and `failure`, its own with `error`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.support.patience import PATIENCE_S

TASK_ARN: Final = "arn:aws:ecs:us-east-1:123456789012:task/agenticai-cluster-test/0123456789abcdef"
BASE_PATH: Final = "/api/0123456789abcdef-1234567890"
MINUTES_WITHOUT_SAYING: Final = 120

Answer = tuple[int, bytes]


class EcsAgent:
    """One task's agent. `now` tells monotonic seconds. Set `answer` to have it say something else, `is_silent` to
    have it take requests and never answer."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.expires_at: float | None = None
        self.answer: Answer | None = None
        self.is_silent = False
        self.requests: list[tuple[str, Any]] = []
        """Method and body."""
        self.changed = threading.Condition()
        self._closing = threading.Event()
        agent = self

        class Endpoint(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._say("PUT", body)

            def do_GET(self) -> None:
                self._say("GET", None)

            def _say(self, method: str, body: Any) -> None:
                status, text = agent.told(self.path, method, body)
                if not status:
                    agent._closing.wait()  # the test is over then
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}{BASE_PATH}"
        """For `ECS_AGENT_URI`."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def is_protected(self) -> bool:
        """What ECS would say."""
        return self.expires_at is not None and self._now() < self.expires_at

    def told(self, path: str, method: str, body: Any) -> Answer:
        """Take a request; its answer, with the status 0 for none."""
        with self.changed:
            self.requests.append((method, body))
            self.changed.notify_all()
            if self.is_silent:
                return 0, b""
            if self.answer is not None:
                return self.answer
            if path != f"{BASE_PATH}/task-protection/v1/state":
                return 404, b"404 page not found\n"
            return self._carry_out(method, body)

    def _carry_out(self, method: str, body: Any) -> Answer:
        if method == "PUT":
            if not isinstance(body.get("ProtectionEnabled"), bool) or body.keys() > {
                "ProtectionEnabled",
                "ExpiresInMinutes",
            }:
                error = {"Code": "InvalidParameterException", "Message": "Invalid request"}
                return 400, json.dumps({"error": error}).encode()
            minutes = body.get("ExpiresInMinutes", MINUTES_WITHOUT_SAYING)
            self.expires_at = self._now() + 60 * minutes if body["ProtectionEnabled"] else None
        protection: dict[str, object] = {"ProtectionEnabled": self.is_protected, "TaskArn": TASK_ARN}
        if self.is_protected:
            protection["ExpirationDate"] = "2026-11-22T20:10:00Z"
        return 200, json.dumps({"protection": protection}).encode()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Return when a request has made it true. Raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s):
                raise TimeoutError(f"the ECS agent saw only {self.requests}")

    def close(self) -> None:
        """Answer no more."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def running_ecs_agent(now: Callable[[], float]) -> Iterator[EcsAgent]:
    """An agent for the length of a `with` block."""
    agent = EcsAgent(now)
    try:
        yield agent
    finally:
        agent.close()
