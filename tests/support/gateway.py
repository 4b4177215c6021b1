"""The gateway as operators run it: `python -m websocket_handler`, with settings from the environment."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.patience import PATIENCE_S
from tests.support.preloaded import PreloadedGateway
from tests.support.process_output import ProcessOutput
from tests.support.proxies import is_behind_a_proxy, way_in

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PROBE_INTERVAL_S: Final = 0.02
FAULT_EVENTS: Final = frozenset({"connection.failed", "task.failed", "library"})
"""The events that a healthy gateway never logs, whatever it receives."""


class Gateway:
    """A running gateway process and what it logged."""

    def __init__(self, process: subprocess.Popen[str] | PreloadedGateway) -> None:
        self.process = process
        self.port = 0
        self.may_fail = False
        """True if the test makes the gateway log such events on purpose."""
        self._log: ProcessOutput[dict[str, Any]] = ProcessOutput(process, json.loads)

    @property
    def base_url(self) -> str:
        """The address of the HTTP API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The address for WebSockets, without a query."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def log(self) -> list[dict[str, Any]]:
        """All log records. Raises AssertionError while the process runs."""
        return self._log.lines

    def records(self, event: str) -> list[dict[str, Any]]:
        """All log records of one event. Raises AssertionError while the process runs: see `log_up_to`."""
        return [record for record in self.log if record["event"] == event]

    def log_up_to(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Wait for the first log record of an event with these fields. Returns it and all records before it: what is
        not among them was not logged before it. Raises TimeoutError."""
        found = self._log.up_to(lambda one: one["event"] == event and fields.items() <= one.items(), PATIENCE_S)
        if found is None:
            raise TimeoutError(f"no {event} with {fields} in the log; last: {self._log.lines_so_far[-5:]}")
        return found

    def wait_for_record(self, event: str, **fields: Any) -> dict[str, Any]:
        """Wait for the first log record of an event with these fields. Raises TimeoutError."""
        return self.log_up_to(event, **fields)[-1]

    def wait_for_count(self, count: int, event: str, **fields: Any) -> None:
        """Wait until the log has so many records of an event with these fields. Raises TimeoutError."""

        def find(records: Sequence[dict[str, Any]]) -> bool | None:
            of_event = (record for record in records if record["event"] == event)
            return sum(fields.items() <= record.items() for record in of_event) >= count or None

        if not self._log.wait_for(find, PATIENCE_S):
            raise TimeoutError(f"not {count} {event} with {fields} in the log; last: {self._log.lines_so_far[-5:]}")

    def get(self, path: str) -> tuple[int, bytes]:
        """Send a GET request. Returns status and body. Raises OSError."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def ready(self) -> tuple[int, dict[str, Any]]:
        """The answer of `/ready`: status and body. Raises OSError."""
        status, body = self.get("/ready")
        answer: dict[str, Any] = json.loads(body)
        return status, answer

    def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Check `condition` again and again until it holds. Raises TimeoutError, or AssertionError if the process
        ends."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{condition} did not come true within {timeout_s:g} s")
            try:
                code = self.process.wait(PROBE_INTERVAL_S)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"the gateway ended with code {code}")

    def wait_until_ready(self) -> None:
        """Wait until `/ready` answers 200."""
        self.until(lambda: self.ready()[0] == 200)

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Send SIGTERM. Raises AssertionError unless the gateway ends with exit code 0 and has logged no fault."""
        self.ask_to_stop()
        assert self.wait_for_exit() == 0
        self.check_log()

    def wait_for_exit(self) -> int:
        """Wait for the end of the process, and read its log to the end. Returns the exit code."""
        return self._log.wait_for_exit()

    def kill(self) -> None:
        """End it like a crash, with SIGKILL."""
        self.process.kill()
        self.wait_for_exit()

    def check_log(self) -> None:
        """Raises AssertionError if a fault that no test expected is in what has been read of the log: all of it, once
        the process has ended."""
        faults = [record for record in self._log.lines_so_far if record["event"] in FAULT_EVENTS]
        assert self.may_fail or not faults, faults


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """`settings` and what every process needs, and nothing else: no account, no proxy, no setting of the caller."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return {**inherited, "AWS_EC2_METADATA_DISABLED": "true", **settings}


@contextmanager
def started_gateway(settings: Mapping[str, str], **more: str) -> Iterator[Gateway]:
    """Start a gateway on a free port, or on `WEBSOCKET_PORT`. It may not be ready yet. It waits long for clients that a
    busy machine keeps from working.

    If the test does not stop it, it is stopped at the end. Behind a proxy (`way_in`), the port is that of the proxy.
    """
    wanted = {**settings, **more}
    defaults = {
        "WEBSOCKET_HOST": "127.0.0.1",
        "WEBSOCKET_PORT": "0",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
        "DRAIN_SECONDS": "2",
        "HANDSHAKE_TIMEOUT_S": f"{PATIENCE_S:g}",
        "AUTH_TIMEOUT_S": f"{PATIENCE_S:g}",
        "FORWARD_TIMEOUT_S": f"{PATIENCE_S:g}",
        "PING_INTERVAL_S": "600",  # a bystander that reads only at the end of a slow test is still there
    }
    port = int(wanted.get("WEBSOCKET_PORT", "0"))
    own_port = {"WEBSOCKET_PORT": "0"} if is_behind_a_proxy() else {}
    with PreloadedGateway(REPOSITORY, clean_environment({**defaults, **wanted, **own_port})) as process:
        try:
            gateway = Gateway(process)
            with way_in(int(gateway.wait_for_record("node.listening")["port"]), port) as gateway.port:
                yield gateway
                if process.poll() is None:
                    gateway.stop()
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def running_gateway(settings: Mapping[str, str], **more: str) -> Iterator[Gateway]:
    """Start a gateway, and wait until it is ready. See `started_gateway`."""
    with started_gateway(settings, **more) as gateway:
        gateway.wait_until_ready()
        yield gateway


@asynccontextmanager
async def off_loop(manager: AbstractContextManager[Gateway]) -> AsyncIterator[Gateway]:
    """A gateway that starts and stops outside of the event loop, so that the test's own clients can answer its close
    frame."""
    gateway = await asyncio.to_thread(manager.__enter__)
    try:
        yield gateway
    except BaseException as fault:
        await asyncio.to_thread(manager.__exit__, type(fault), fault, fault.__traceback__)
        raise
    await asyncio.to_thread(manager.__exit__, None, None, None)


@contextmanager
def one_turn(gateway: Gateway) -> Iterator[None]:
    """Stop the process of the gateway inside the block. So it receives everything that is sent there at once, after the
    block."""
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        gateway.process.send_signal(signal.SIGCONT)


Start = Callable[..., AbstractContextManager[Gateway]]
