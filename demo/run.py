"""The whole system on this machine with one command: emulator, gateway and four agents.

`python -m demo.run` needs no AWS account and touches none: every part gets dummy credentials and the
emulator's address. Ctrl-C or SIGTERM stops everything; if one part dies, the others are stopped too.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.resources import AGENTS, create_resources
from demo.settings import Choice, choose
from websocket_handler.config import ConfigurationError

START_TIMEOUT_S = 20.0
PROBE_INTERVAL_S = 0.02
WATCH_INTERVAL_S = 0.2


class DemoError(Exception):
    """The demo cannot start or go on. The text tells the person who started it why."""


class StopRequestedError(Exception):
    """Somebody asked the demo to stop while it was starting."""


@dataclass(frozen=True)
class Part:
    """One process of the demo. After SIGTERM it has `stop_timeout_s` to stop, then the demo kills it."""

    name: str
    process: subprocess.Popen[bytes]
    stop_timeout_s: float


class Demo:
    """The processes, in the order in which they were started."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._host = choice.hosts[0]
        self._port = choice.port
        self._stopping = threading.Event()
        self._parts: dict[str, Part] = {}

    def stop(self) -> None:
        """Asks `run` to return. A signal handler may call it, also twice."""
        self._stopping.set()

    def run(self) -> None:
        """Starts all parts, and returns when somebody calls `stop`. Raises DemoError when a part fails."""
        self._check_port()
        try:
            started_at = time.monotonic()
            self._start()
            print(self._welcome(time.monotonic() - started_at), flush=True)
            while not self._stopping.wait(WATCH_INTERVAL_S):
                self._check_parts()
        except StopRequestedError:
            pass
        finally:
            self._stop_parts()

    def _check_port(self) -> None:
        family, _, _, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # lingering connections of an earlier run do not make the port busy
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                self._port = probe.getsockname()[1]  # port 0 means any
            except OSError as error:
                raise DemoError(
                    f"Cannot use {self._host}:{self._port}: {error.strerror}. Nothing was started. "
                    f"Choose another port: python -m demo.run --port {self._port + 1}"
                ) from error

    def _start(self) -> None:
        """Starts the emulator, then the queues in it, then the gateway and the agents, which need the queues."""
        environment = _clean_environment()
        endpoint_url = self._start_emulator(environment)
        environment.update(create_resources(endpoint_url))
        gateway_environment = {
            **environment,
            **self._choice.variables,
            "WEBSOCKET_PORT": str(self._port),
        }
        stop_timeout_s = self._choice.drain_s + 7.0  # what the gateway needs to flush comes on top
        self._launch("gateway", ["websocket_handler", "serve"], gateway_environment, stop_timeout_s)
        for agent in AGENTS:
            self._launch(f"agent {agent}", ["demo.agent", agent], environment, stop_timeout_s=5.0)
        self._wait_until(self._gateway_is_ready, "the gateway did not become ready")

    def _start_emulator(self, environment: dict[str, str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            ready = Path(folder) / "url"
            command = ["demo.emulator", "--port", "0", "--ready-file", str(ready)]
            self._launch("emulator", command, environment, stop_timeout_s=2.0)
            self._wait_until(ready.exists, "the emulator did not start")
            return ready.read_text(encoding="utf-8")

    def _launch(self, name: str, command: list[str], environment: dict[str, str], stop_timeout_s: float) -> None:
        # A session of its own: Ctrl-C reaches this process only, which then stops the parts in order.
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if name == "emulator" else None,
            start_new_session=True,
        )
        self._parts[name] = Part(name, process, stop_timeout_s)

    def _wait_until(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            self._check_parts()
            if time.monotonic() > deadline:
                raise DemoError(f"{failure} within {START_TIMEOUT_S:.0f} s.")
            if self._stopping.wait(PROBE_INTERVAL_S):
                raise StopRequestedError

    def _gateway_is_ready(self) -> bool:
        connection = http.client.HTTPConnection(_reachable(self._host), self._port, timeout=2.0)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _check_parts(self) -> None:
        for part in self._parts.values():
            code = part.process.poll()
            if code is not None:
                raise DemoError(f"{part.name} (pid {part.process.pid}) ended with code {code}; the demo stops.")

    def _stop_parts(self) -> None:
        """Stops the gateway first, so that it can drain, then the agents, and last the emulator that they all need."""
        agents = [part for name, part in self._parts.items() if name.startswith("agent ")]
        for group in ([self._parts.get("gateway")], agents, [self._parts.get("emulator")]):
            parts = [part for part in group if part is not None]
            for part in parts:
                part.process.terminate()
            for part in parts:
                _wait_or_kill(part)

    def _welcome(self, seconds: float) -> str:
        host = _reachable(self._host)
        base = f"{f'[{host}]' if ':' in host else host}:{self._port}"
        processes = "\n".join(f"  {part.name:<10} pid {part.process.pid}" for part in self._parts.values())
        return _WELCOME.format(seconds=seconds, processes=processes, base=base)


_WELCOME = """
The demo runs (started in {seconds:.1f} s). Ctrl-C stops it.

{processes}

Open        http://{base}/
WebSocket   ws://{base}/ws?project_id=proj_123

Try in a browser console (on the page above); one request goes through PM, Dev and QA:

  ws = new WebSocket("ws://{base}/ws?project_id=proj_123"); \
ws.onmessage = e => console.log(e.data); \
ws.onopen = () => ws.send(JSON.stringify({{action: "forward", type: "pm", project_id: "proj_123", \
data: {{text: "Build a login page"}}}}))

Or publish as an agent would:

  curl -X POST http://{base}/api/v1/projects/proj_123/messages \
-H 'content-type: application/json' -d '{{"type":"hello","text":"Hello from curl"}}'
"""


def _clean_environment() -> dict[str, str]:
    """This process's environment without anything that could lead to a real AWS account or past a proxy."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    no_proxy = ",".join(filter(None, [environment.get("NO_PROXY"), "127.0.0.1", "localhost"]))
    return {
        **environment,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def _reachable(host: str) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def _wait_or_kill(part: Part) -> None:
    try:
        part.process.wait(part.stop_timeout_s)
    except subprocess.TimeoutExpired:
        print(f"{part.name} (pid {part.process.pid}) did not stop within {part.stop_timeout_s:.0f} s: killed.")
        part.process.kill()
        part.process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo until somebody stops it. Returns the exit code: 1 when it could not start, or a part ended, 2 when
    settings are wrong."""
    parser = argparse.ArgumentParser(prog="python -m demo.run", description="Gateway, agents and AWS, locally.")
    parser.add_argument("--host", help="where the gateway listens (default: WEBSOCKET_HOST, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="the gateway's port (default: WEBSOCKET_PORT, else 8080)")
    options = parser.parse_args(arguments)
    try:
        choice = choose(os.environ, options.host, options.port)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    print("".join(f"{line}\n" for line in choice.remarks), end="", file=sys.stderr, flush=True)
    demo = Demo(choice)
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, lambda *_: demo.stop())
    try:
        demo.run()
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print("The demo has stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
