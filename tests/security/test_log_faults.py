"""A log that nobody reads, and a disk that takes no more: clients notice nothing, the process neither stops nor dies,
what is lost is counted, and it ends in time."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

import pytest

from tests.support.gateway import REPOSITORY, clean_environment
from tests.support.patience import PATIENCE_S
from tests.support.peers import LISTENING, Peer, bystander, http

LOOK_S: Final = 0.02
SMALL_QUEUE: Final = (
    "import sys; from websocket_handler.telemetry import lines; lines.QUEUE_BYTES_MAX = 65_536;"
    "from websocket_handler.__main__ import main; sys.exit(main(['serve']))"
)
"""A gateway whose lines wait in 64 KiB instead of 4 MiB: a few hundred connections fill them."""
FULL_AT_BYTES: Final = 40_000
METRIC: Final = "websocket_handler_log_records_dropped_total "


class Node:
    """A gateway process whose stdout is the test's."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.port = 0

    def until(self, condition: Callable[[], bool]) -> None:
        """Ask again and again until it holds. Raises AssertionError when the process ends or it takes too long."""
        for _ in range(int(PATIENCE_S / LOOK_S)):
            if condition():
                return
            try:
                code = self.process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"the gateway ended with {code}")
        raise AssertionError(f"{condition} did not come true")

    def is_listening(self) -> bool:
        """True if the process has a socket that listens; `port` is its port then."""
        folder = f"/proc/{self.process.pid}"
        held = set()
        for name in os.listdir(f"{folder}/fd"):
            with suppress(FileNotFoundError):  # closed in between
                held.add(os.readlink(f"{folder}/fd/{name}"))
        rows = Path(f"{folder}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        for row in map(str.split, rows):
            if row[3] == LISTENING and f"socket:[{row[9]}]" in held:
                self.port = int(row[1].rpartition(":")[2], 16)
        return self.port > 0

    def dropped(self) -> int:
        """How many log lines were lost, as `/metrics` tells."""
        lines = http(self.port, "GET", "/metrics").body.decode().splitlines()
        return int(float(next(line for line in lines if line.startswith(METRIC)).removeprefix(METRIC)))

    def fill_the_log(self, witness: Peer, until: Callable[[], bool]) -> None:
        """Connections that come and go, a line each, until it is enough. The bystander is served all the while."""
        for _ in range(200):
            for _ in range(20):
                Peer.connect(self.port).raw.socket.close()
            assert witness.request("ping")["type"] == "pong"
            if until():
                return
        raise AssertionError("four thousand lines made no difference")

    def stop(self) -> None:
        """SIGTERM: it ends by itself, in time, as it should."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0


@contextmanager
def node_on(stdout: int | IO[bytes], settings: Mapping[str, str], **more: str) -> Iterator[Node]:
    """A gateway that writes its log there."""
    fixed = {
        "WEBSOCKET_HOST": "127.0.0.1",
        "WEBSOCKET_PORT": "0",
        "LOG_FORMAT": "json",
        "LOG_STORE": "memory",
        "DRAIN_SECONDS": "1",
        "METRICS": "emf",
        "METRICS_INTERVAL_S": "1",
    }
    environment = clean_environment({**settings, **fixed, **more})
    command = [sys.executable, "-c", SMALL_QUEUE]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=stdout) as process:
        try:
            node = Node(process)
            node.until(node.is_listening)
            yield node
        finally:
            process.kill()


class Log:
    """What came out of a pipe, once somebody reads it."""

    def __init__(self, descriptor: int) -> None:
        self.lines: list[dict[str, Any]] = []
        self._file = os.fdopen(descriptor, "rb")
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def read(self) -> None:
        """Read from now on."""
        self._thread.start()

    def _read(self) -> None:
        for line in self._file:
            with self._changed:
                self.lines.append(json.loads(line))
                self._changed.notify_all()

    def wait_for(self, event: str) -> dict[str, Any]:
        """The first record of an event."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.lines if line.get("event") == event), None)

        with self._changed:
            assert self._changed.wait_for(lambda: found() is not None, PATIENCE_S)
            return found() or {}

    def close(self) -> None:
        """The writer is gone: everything it left was read."""
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_S)
        self._file.close()


@contextmanager
def node_on_a_pipe(settings: Mapping[str, str], **more: str) -> Iterator[tuple[Node, Log]]:
    """A gateway whose log goes into a pipe of one page that nobody reads yet."""
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 4096)
    log = Log(reading)
    try:
        with node_on(writing, settings, **more) as node:
            os.close(writing)
            yield node, log
    finally:
        log.close()


def test_a_log_pipe_that_nobody_reads_stalls_no_client_and_the_log_goes_on_when_it_is_read(
    resources: dict[str, str],
) -> None:
    with node_on_a_pipe(resources) as (node, log):
        with bystander(node.port, {}) as witness:
            node.fill_the_log(witness, lambda: node.dropped() > 0)
            assert http(node.port, "GET", "/health").status == 200
            log.read()
            told = log.wait_for("node.log_records_dropped")
            assert 0 < told["total"] <= node.dropped()
        node.stop()
        log.close()
        assert log.lines[-1]["event"] == "node.stopped"
        assert next(line["event"] for line in log.lines if "event" in line) == "node.listening"
        assert any("_aws" in line for line in log.lines), "metrics go the same way, each line whole"


@pytest.mark.parametrize("metrics", ["emf", "off"])
def test_a_log_pipe_that_nobody_ever_reads_does_not_keep_the_process_from_its_end(
    resources: dict[str, str], metrics: str
) -> None:
    with node_on_a_pipe(resources, METRICS=metrics) as (node, _):
        with bystander(node.port, {}) as witness:
            node.fill_the_log(witness, lambda: node.dropped() > 0)
        node.stop()


def test_a_disk_without_room_from_the_start_costs_the_log_and_nothing_else(resources: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full, node_on(full, resources) as node:
        with bystander(node.port, {}) as witness:
            node.fill_the_log(witness, lambda: node.dropped() > 100)
        node.stop()


def test_a_disk_that_fills_up_stalls_no_client_and_the_log_goes_on_when_there_is_room(
    resources: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file, node_on(file, resources) as node:
        _, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
        with bystander(node.port, {}) as witness:
            resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (FULL_AT_BYTES, hard))
            node.fill_the_log(witness, lambda: node.dropped() > 0)
            assert path.stat().st_size == FULL_AT_BYTES
            resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        node.stop()
    torn, whole = [], []
    for line in path.read_bytes().splitlines():
        try:
            whole.append(json.loads(line))
        except ValueError:
            torn.append(line)
    assert len(torn) <= 1, "the line that met the end of the disk"
    assert whole[-1]["event"] == "node.stopped"
