"""The system of `websocket-handler dev --chaos`: it takes failures from the terminal, one in a line, and from the
console's panel."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from websocket_handler.cli.dev.chaos import LASTING, PROJECT_PREFIX, RESTART, SECONDS, VERBS, row
from websocket_handler.cli.dev.local import LOOPBACK, Local
from websocket_handler.cli.dev.panel import Panel
from websocket_handler.cli.dev.parts import Part
from websocket_handler.cli.dev.settings import Choice
from websocket_handler.cli.dev.system import free_port, say

ASK_TIMEOUT_S: Final = 5.0
LOOK_EVERY_S: Final = 0.5
LINES_MAX: Final = 100
TRY: Final = """Let something fail: open http://{address}/console/chaos, or type a word and Enter.

{verbs}

Three clients follow and publish in {project}1 meanwhile, and count what they lose and get twice."""


class Chaotic(Local):
    """`Local`, with a proxy in front of the gateway."""

    AGAIN = "websocket-handler dev --chaos"

    def __init__(self, environment: dict[str, str], choice: Choice, port: int, agents: Sequence[str]) -> None:
        super().__init__(environment, choice, port, agents)
        self._inner_port = 0
        self._typed: queue.Queue[str] = queue.Queue(LINES_MAX)
        self._is_awaited = False
        """True after a failure, until the witnesses have everything again."""
        self._look_at = 0.0
        self._panel: Panel | None = None
        self._shown: dict[str, object] = {}
        """What the panel shows."""

    def _start_queues(self) -> None:
        self._inner_port = free_port([LOOPBACK], 0, self.AGAIN)
        super()._start_queues()
        threading.Thread(target=self._read, daemon=True).start()

    def _front(self) -> dict[str, object]:
        return {"hosts": list(self._choice.hosts), "port": self._port, "target_port": self._inner_port}

    def _gateway(self, name: str, host: str, port: int, more: Mapping[str, str]) -> Part:
        return super()._gateway(name, LOOPBACK, self._inner_port, {"WEBSOCKET_HOST": LOOPBACK, **more})

    def more(self, address: str) -> str:
        """What else to try and to know."""
        verbs = "\n".join(f"  {verb:<8} {meaning}" for verb, meaning in VERBS.items())
        return f"{TRY.format(address=address, verbs=verbs, project=PROJECT_PREFIX)}\n\n{super().more(address)}"

    def _read(self) -> None:
        for line in sys.stdin:
            self._typed.put(line)

    def _put(self, line: str) -> None:
        """Take what the panel asks, unless too much waits already."""
        with suppress(queue.Full):
            self._typed.put_nowait(line)

    def _tend(self) -> None:
        super()._tend()
        if self._panel is None:
            self._panel = Panel(f"ws://{LOOPBACK}:{self._inner_port}", self._put, say)
            self._panel.start()
            self._look()
        while not self._typed.empty():
            self._carry_out(self._typed.get())
        if self._is_awaited and time.monotonic() >= self._look_at:
            self._look()

    def _look(self) -> None:
        """See what the failures have cost so far. The terminal hears of it once, when the witnesses have everything."""
        self._look_at = time.monotonic() + LOOK_EVERY_S
        status = self._ask("status", SECONDS)
        if "problem" in status:
            return
        if self._is_awaited and (status["is_level"] or status["unusable"]):
            self._is_awaited = False
            say(row(status))
        del status["is_level"]  # it is false for a moment with each publication
        self._show(**status, is_over=not self._is_awaited)

    def _show(self, **changes: object) -> None:
        """Tell the panel what has changed."""
        self._shown.update(changes)
        if self._panel is not None:
            self._panel.tell(self._shown)

    def _carry_out(self, line: str) -> None:
        verb, _, text = " ".join(line.split()).partition(" ")
        if not verb:
            return
        try:
            seconds = float(text) if text else SECONDS
        except ValueError:
            say(f"{text!r} is no number of seconds")
            return
        if verb == RESTART:
            [gateway] = [part for part in self._parts if part.name == "gateway"]
            if gateway.code is None:
                os.kill(gateway.pid, signal.SIGKILL)
        elif problem := self._ask(verb, seconds).get("problem"):
            say(str(problem))
            self._show(problem=str(problem))
            return
        say(f"{verb}: done")
        lasts_s = seconds if verb in LASTING else 0.0
        self._is_awaited, self._look_at = True, time.monotonic() + lasts_s + LOOK_EVERY_S
        self._show(verb=verb, is_over=False, problem="")

    def _ask(self, verb: str, seconds: float) -> dict[str, Any]:
        """What the process behind the gateway answers."""
        place = urlsplit(self._environment["AWS_ENDPOINT_URL"])
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=ASK_TIMEOUT_S)
        try:
            connection.request("POST", "/chaos", json.dumps({"verb": verb, "seconds": seconds}))
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as fault:
            return {"problem": f"no answer: {fault}"}
        finally:
            connection.close()
        return answer
