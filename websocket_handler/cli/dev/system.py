"""A whole system on this machine with one command: queues, gateway and agents, each in a process of its own.

It needs no AWS account and touches none: every part gets dummy credentials and an address on this machine. The gateway
reads its settings from the environment as always. When it dies, it is started again, and so is an agent; what holds the
queues goes on meanwhile. Ctrl-C or SIGTERM stops everything, and a second one does so at once. When this process is
killed, its parts end, too.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import sample
from typing import ClassVar, Final

from websocket_handler.cli import EXIT_PORT, EXIT_USAGE
from websocket_handler.cli.dev.parts import DemoError, Part, stop
from websocket_handler.cli.dev.settings import AGENTS, Choice, choose, reachable
from websocket_handler.config import ConfigurationError

START_TIMEOUT_S: Final = 60.0
PROBE_INTERVAL_S: Final = 0.02
WATCH_INTERVAL_S: Final = 0.1
PROBE_TIMEOUT_S: Final = 2.0
FLUSH_S: Final = 7.0
"""What the gateway needs to end after it has drained."""
OWN_PORTS: Final = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections (32,768 and up), and to whoever asks for any port: one of these
may be taken between the look at it and the start of the process that listens there."""
TRIES: Final = 100
UPDATES_HIDDEN_S: Final = 5
"""What a gateway had received when it was killed comes again after this time. SQS's own default is 30 s."""


class StopRequestedError(Exception):
    """Somebody asked the system to stop while it was starting."""


class System(ABC):
    """The processes, in the order in which they were started. Its kinds say what holds the queues, and who works."""

    NAME: ClassVar[str]
    """What it calls itself."""
    AGAIN: ClassVar[str]
    """What to type to start it."""
    PLACE: ClassVar[str]
    """Where its queues are, for people."""
    ENDED: ClassVar[str]
    """The last line that it says."""
    STAND_INS: ClassVar[Mapping[str, str]] = {}
    """Settings that it sets itself, beside those that lead to AWS, with values that are right until the real ones are
    known."""
    DEFAULTS: ClassVar[Mapping[str, str]] = {}
    """Settings that it sets where you set nothing."""
    STOPS: ClassVar[Sequence[str]]
    """How the names of its processes begin, in the order in which they stop: a gateway drains before what it needs
    ends."""

    def __init__(self, environment: dict[str, str], choice: Choice, port: int, agents: Sequence[str]) -> None:
        self._environment = environment
        self._choice = choice
        self._host = reachable(choice.hosts[0])
        self._port = port
        self._agents = agents
        self._stopping = threading.Event()
        self._is_urgent = False
        self._parts: list[Part] = []

    def stop(self) -> None:
        """Asks `run` to return, the second time at once. A signal handler may call it."""
        self._is_urgent = self._stopping.is_set()
        self._stopping.set()

    def run(self, ends_with: int | None = None) -> None:
        """Starts all parts, and looks after them until somebody calls `stop`, or until the process `ends_with`, which
        started this one, is gone. Raises DemoError when it is of no use to go on."""
        try:
            began_at = time.monotonic()
            self._start()
            address = f"{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"
            say(self._welcome(time.monotonic() - began_at, address))
            while not self._stopping.wait(WATCH_INTERVAL_S) and ends_with in (None, os.getppid()):
                self._tend()
        except StopRequestedError:
            pass
        finally:
            self._stop_parts()

    @abstractmethod
    def _welcome(self, seconds: float, address: str) -> str:
        """What it tells the person who started it."""

    @abstractmethod
    def _start_queues(self) -> None:
        """Starts what holds the queues, and adds to the environment where they are."""

    def _start_agents(self) -> None:  # noqa: B027 - not every kind has such processes
        """Starts those who work on tasks, unless what holds the queues does that, too."""

    def _start(self) -> None:
        """Starts the queues, then the gateway and the agents, which need them."""
        self._start_queues()
        say("starting the gateway and the agents")
        gateway = self._gateway("gateway", self._host, self._port, {})
        self._launch(gateway)
        self._start_agents()
        self._wait_until(gateway.came_up, "the gateway did not become ready")

    def _gateway(self, name: str, host: str, port: int, more: Mapping[str, str]) -> Part:
        """A node that answers at this address."""
        settings = {**self._environment, **self._choice.variables, "WEBSOCKET_PORT": str(port), **more}
        stop_timeout_s = self._choice.drain_s + FLUSH_S
        return Part(name, ["websocket_handler", "serve"], settings, stop_timeout_s, lambda: is_ready(host, port))

    def _start_announced(self, name: str, command: Sequence[str], is_lost: str) -> str:
        """Starts the process that everything else needs, with the name of a file as one argument more. Returns what it
        writes there as soon as it works."""
        with tempfile.TemporaryDirectory() as folder:
            ready = Path(folder) / "ready"
            part = Part(name, [*command, str(ready)], self._environment, 2.0, is_quiet=True, is_lost=is_lost)
            self._launch(part)
            self._wait_until(ready.exists, f"what holds the queues ({name}) did not start")
            return ready.read_text(encoding="utf-8")

    def _launch(self, part: Part) -> None:
        part.start()
        self._parts.append(part)

    def _wait_until(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            for part in self._parts:
                if part.code is not None:
                    part.fail_at_start()
            if time.monotonic() > deadline:
                raise DemoError(f"{failure} within {START_TIMEOUT_S:.0f} s.")
            if self._stopping.wait(PROBE_INTERVAL_S):
                raise StopRequestedError

    def _tend(self) -> None:
        for part in list(self._parts):
            if part.may_be_stopped and part.code == 0:
                say(f"{part.name} was stopped; its queue is free for an agent of your own.")
                self._parts.remove(part)
            elif news := part.tend():
                say(news)

    def _stop_parts(self) -> None:
        for group in self.STOPS:
            stop([part for part in self._parts if part.name.startswith(group)], lambda: self._is_urgent)


def is_ready(host: str, port: int) -> bool:
    """True if a gateway, or a load balancer in front of one, says so."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def say(text: str) -> None:
    """Tells the person who started it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that could lead to a real AWS account or past a proxy."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "SQS_QUEUE_URL_")) and name != "DYNAMODB_TABLE_NAME"
    }
    no_proxy = ",".join(filter(None, [environment.get("NO_PROXY"), "127.0.0.1", "localhost"]))
    return {
        **environment,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def free_port(hosts: Sequence[str], port: int, again: str) -> int:
    """The port, or a free one for port 0. Raises DemoError when something listens on it already. It tells how to start
    `again`."""
    if not port:
        for number in sample(OWN_PORTS, TRIES):
            with suppress(DemoError):
                return _checked(hosts, number, again)
        port = OWN_PORTS[0]
    return _checked(hosts, port, again)


def _checked(hosts: Sequence[str], port: int, again: str) -> int:
    """The port, if somebody could listen there now on each host. Raises DemoError otherwise."""
    for host in hosts:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                if os.name == "posix":  # lingering connections of an earlier run do not make the port busy
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            raise DemoError(
                f"Cannot use {host}:{port}: {error.strerror}. Nothing was started. "
                f"Choose another port: WEBSOCKET_PORT={port + 1} {again}",
                EXIT_PORT,
            ) from error
    return port


def start(kind: type[System], host: str | None, port: int | None, without: Sequence[str], ends_with: int | None) -> int:
    """Runs a system until somebody stops it. Returns the exit code: 2 when a setting is wrong, 3 when the port is
    taken, 1 when it could not start or go on for another reason."""
    try:
        choice = choose(
            os.environ, host, port, kind.STAND_INS, kind.DEFAULTS, f"{kind.NAME} sets this itself, for {kind.PLACE}"
        )
        free = free_port(choice.hosts, choice.port, kind.AGAIN)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except DemoError as error:
        return _failed(kind, error)
    sys.stderr.write("".join(f"{line}\n" for line in choice.remarks))
    sys.stderr.flush()
    environment = clean_environment()
    os.environ.clear()  # what creates the queues here must not find an account either, nor a profile that is missing
    os.environ.update(environment)
    system = kind(environment, choice, free, [name for name in AGENTS if name not in without])
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, lambda *_: system.stop())
    try:
        system.run(ends_with)
    except DemoError as error:
        return _failed(kind, error)
    say(kind.ENDED)
    return 0


def _failed(kind: type[System], error: DemoError) -> int:
    sys.stderr.write(f"{kind.NAME.removeprefix('the ')}: {error}\n")
    return error.exit_code
