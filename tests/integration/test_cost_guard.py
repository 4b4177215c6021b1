"""What must not become dearer unnoticed: system calls per delivery, and memory per idle connection.

Nothing here looks at a clock: the limits are counts, so a slow machine changes nothing.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.support.frames import handshake_head, text_frame
from tests.support.gateway import Gateway, started_gateway
from tests.support.patience import PATIENCE_S

SUBSCRIBERS: Final = 100
PUBLICATIONS: Final = 20
BURST: Final = 16
IDLE_CONNECTIONS: Final = 1000
IDLE_BYTES_MAX: Final = 6 * 1024
"""Measured 2.8 KB (bench/RESULTS.md); the rest is room for what the allocator rounds up."""
BESIDES_MAX: Final = 80
"""Writes that are not deliveries: confirmations, the log, what wakes the loop's threads."""
WRITES: Final = ("write", "writev", "sendto", "sendmsg", "sendmmsg")

SETTINGS: Final = {
    **{f"SQS_QUEUE_URL_{agent}": "http://127.0.0.1:9/0/queue" for agent in ("PM", "DEV", "QA", "OPS")},
    "DYNAMODB_TABLE_NAME": "guard",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",  # nobody answers: forwards and records do not belong to the figures
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "guard",
    "AWS_SECRET_ACCESS_KEY": "guard",
    "LOG_STORE": "memory",
    "LOG_LEVEL": "INFO",
    "PING_INTERVAL_S": "3600",
    "COMMANDS_PER_SECOND": "0",
    "COMPRESSION": "on",  # who does not agree on it pays nothing for it
}
OFFER: Final = "permessage-deflate; client_max_window_bits"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway without AWS, whose pings do not come while it is measured."""
    with started_gateway(SETTINGS) as running:
        yield running
        running.kill()


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for the test's own sockets, and for the gateway's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = IDLE_CONNECTIONS + 500
    if hard not in (-1, resource.RLIM_INFINITY) and hard < needed:
        pytest.skip(f"the machine allows {hard} open files per process; this takes {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Socket:
    """A WebSocket of few words: it counts the publications it was sent."""

    def __init__(self, gateway: Gateway, path: str, last_greeting: bytes, offer: str | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S)
        self._socket.sendall(handshake_head(path, sec_websocket_extensions=offer))
        self._tail = b""
        self.read_until(last_greeting, 1)

    def read_until(self, word: bytes, count: int) -> None:
        """Read until a word came so many times."""
        data = self._tail
        while data.count(word) < count:
            more = self._socket.recv(65536)
            assert more, f"the gateway closed the connection after {data!r}"
            data += more

    def send(self, *texts: bytes) -> None:
        """Send text frames in one packet."""
        self._socket.sendall(b"".join(map(text_frame, texts)))

    def ask(self) -> None:
        """Return when a ping was answered: what the gateway did before is over then, and strace has counted it. A
        publication may be read before the call that wrote it has returned."""
        self.send(b'{"action":"ping"}')
        self.read_until(b'"pong"', 1)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def _subscriber(gateway: Gateway, offer: str | None = None) -> _Socket:
    return _Socket(gateway, "/ws?project_id=guard", b'"subscription_confirmed"', offer)


def _publication(number: int) -> bytes:
    message = b'{"type":"guarded","number":%d,"text":"%b"}' % (number, b"x" * 90)
    return b'{"action":"publish","project_id":"guard","message":%b}' % message


class _Trace:
    """strace on a process, from the moment it is attached until it is asked what it counted."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._summary = folder / "calls"
        self._process = subprocess.Popen(
            ["strace", "-c", "-f", "-U", "calls,name", "-o", str(self._summary), "-p", str(pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        self.said = self._process.stderr.readline()  # when it is attached, or why it cannot be

    @property
    def is_attached(self) -> bool:
        """True if it may look."""
        return "attached" in self.said

    def stop(self) -> dict[str, int]:
        """System calls by name."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE_S)
        rows = (line.split() for line in self._summary.read_text().splitlines())
        return {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit() and row[1] != "total"}

    def end(self) -> None:
        """Let go, if it still holds."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()


@pytest.fixture
def trace(gateway: Gateway, tmp_path: Path) -> Iterator[_Trace]:
    """strace, once all connections are there: the test calls `stop`."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    tracing = _Trace(gateway.process.pid, tmp_path)
    try:
        if not tracing.is_attached:
            pytest.skip(f"this machine does not let strace look at a process: {tracing.said.strip()}")
        yield tracing
    finally:
        tracing.end()


@pytest.fixture
def audience(gateway: Gateway) -> Iterator[tuple[_Socket, list[_Socket]]]:
    """A publisher and its level subscribers."""
    with ExitStack() as stack:
        publisher = _Socket(gateway, "/ws", b'"connected"')
        stack.callback(publisher.close)
        subscribers = [_subscriber(gateway) for _ in range(SUBSCRIBERS)]
        for subscriber in subscribers:
            stack.callback(subscriber.close)
        yield publisher, subscribers


def test_a_lone_publication_costs_one_write_per_subscriber(
    audience: tuple[_Socket, list[_Socket]], trace: _Trace
) -> None:
    """Publications one at a time: one system call sends each of them to a subscriber."""
    publisher, subscribers = audience
    for number in range(PUBLICATIONS):
        publisher.send(_publication(number))
        for subscriber in subscribers:
            subscriber.read_until(b'"guarded"', 1)
    publisher.ask()
    calls = trace.stop()

    writes = sum(calls.get(name, 0) for name in WRITES)
    assert SUBSCRIBERS * PUBLICATIONS <= writes <= SUBSCRIBERS * PUBLICATIONS + BESIDES_MAX, calls
    assert sum(calls.values()) <= 1.25 * SUBSCRIBERS * PUBLICATIONS, calls


def test_publications_of_one_turn_leave_in_one_write_per_subscriber(
    audience: tuple[_Socket, list[_Socket]], trace: _Trace
) -> None:
    """Publications that arrive together are joined: a burst costs what one of them costs."""
    publisher, subscribers = audience
    publisher.send(*(_publication(number) for number in range(BURST)))
    for subscriber in subscribers:
        subscriber.read_until(b'"guarded"', BURST)
    publisher.ask()
    calls = trace.stop()

    writes = sum(calls.get(name, 0) for name in WRITES)
    assert SUBSCRIBERS <= writes <= 2 * SUBSCRIBERS + BESIDES_MAX, calls


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc, as Linux has it")
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("offer", [None, OFFER], ids=["plain", "compressing"])
def test_an_idle_connection_stays_small(gateway: Gateway, offer: str | None) -> None:
    """A thousand subscribed connections that do nothing take a few kilobytes each, compressing or not."""
    with ExitStack() as stack:
        for _ in range(SUBSCRIBERS):  # what is made once for all is not theirs
            stack.callback(_subscriber(gateway, offer).close)
        before = _resident_bytes(gateway.process.pid)
        for _ in range(IDLE_CONNECTIONS):
            stack.callback(_subscriber(gateway, offer).close)
        after = _resident_bytes(gateway.process.pid)

        assert (after - before) / IDLE_CONNECTIONS <= IDLE_BYTES_MAX


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
