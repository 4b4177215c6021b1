"""Floods of sockets that say nothing, little, or never read, while a bystander still gets its answers.

`python -m tests.security.test_floods` runs them with 2,000 sockets each and prints the memory that each took.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.support.frames import client_frame as frame
from tests.support.frames import handshake_head
from tests.support.gateway import Gateway, Start, running_gateway
from tests.support.peers import Peer, Raw, bystander, client_sockets, http

SOCKETS: Final = 500
LONG_SOCKETS: Final = 2000
BYTES_PER_SOCKET: Final = 40_000
"""What a socket that only waits may take: its buffers and objects."""
OUTBOX_BYTES: Final = 262_144
Flood = Callable[[Gateway, ExitStack, int], int]


def resident_bytes(gateway: Gateway) -> int:
    """What the gateway takes."""
    pages = int(Path(f"/proc/{gateway.process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def silent(gateway: Gateway, stack: ExitStack, count: int) -> int:
    """Connect, and say nothing."""
    for _ in range(count):
        stack.enter_context(Raw(gateway.port))
    return count * BYTES_PER_SOCKET


def slow_handshakes(gateway: Gateway, stack: ExitStack, count: int) -> int:
    """One byte of a request head at a time."""
    raws = [stack.enter_context(Raw(gateway.port)) for _ in range(count)]
    for byte in handshake_head()[:12]:
        for raw in raws:
            try:
                raw.send(bytes((byte,)))
            except ConnectionError:
                continue  # dropped already
    return count * BYTES_PER_SOCKET


def fat_heads(gateway: Gateway, stack: ExitStack, count: int) -> int:
    """15 KiB of a head that never ends."""
    for _ in range(count):
        stack.enter_context(Raw(gateway.port)).send(b"GET / HTTP/1.1\r\nX: " + b"a" * 15_000)
    return count * (BYTES_PER_SOCKET + 16_384)


def unfinished_messages(gateway: Gateway, stack: ExitStack, count: int) -> int:
    """Open WebSockets, each with 60 KB of a message that never ends."""
    for _ in range(count):
        raw = stack.enter_context(Raw(gateway.port))
        raw.send(handshake_head())
        assert raw.response().status == 101
        raw.send(frame(1, b"x" * 65_000)[:60_000])
    return count * (BYTES_PER_SOCKET + 65_536)


def slow_readers(gateway: Gateway, stack: ExitStack, count: int) -> int:
    """Followers of a busy project that never read."""
    project_id = f"flood-{os.urandom(4).hex()}"
    _followers(gateway, stack, project_id, count)
    _publish(gateway, project_id, 40)
    return count * (BYTES_PER_SOCKET + OUTBOX_BYTES)


def _followers(gateway: Gateway, stack: ExitStack, project_id: str, count: int) -> list[Raw]:
    raws = [stack.enter_context(_with_small_buffer(gateway)) for _ in range(count)]
    for raw in raws:
        raw.send(handshake_head(f"/ws?project_id={project_id}"))
        assert raw.response().status == 101
    return raws


def _publish(gateway: Gateway, project_id: str, count: int) -> None:
    body = json.dumps({"text": "x" * 30_000}).encode()
    for _ in range(count):
        assert http(gateway.port, "POST", f"/api/v1/projects/{project_id}/messages", body).status == 200


def _with_small_buffer(gateway: Gateway) -> Raw:
    raw = Raw(gateway.port)
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return raw


FLOODS: Final[dict[str, Flood]] = {
    "silent": silent,
    "slow handshakes": slow_handshakes,
    "fat heads": fat_heads,
    "unfinished messages": unfinished_messages,
    "slow readers": slow_readers,
}


@contextmanager
def flooded(gateway: Gateway, flood: Flood, count: int) -> Iterator[int]:
    """The flood stands while the block runs; the bytes that the gateway took more, within the flood's bound."""
    before = resident_bytes(gateway)
    with bystander(gateway.port, {}) as witness, ExitStack() as stack:
        bound = flood(gateway, stack, count)
        for _ in range(20):
            assert witness.request("ping")["type"] == "pong"
        with Peer.connect(gateway.port) as newcomer:
            assert newcomer.request("ping")["type"] == "pong"
        grown = resident_bytes(gateway) - before
        assert grown < bound, f"{grown} bytes for {count} sockets"
        yield grown


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_leaves_the_bystander_its_answers_and_the_node_its_bounds(start: Start, flood: Flood) -> None:
    with start() as gateway, flooded(gateway, flood, SOCKETS):
        pass


def test_slow_handshakes_are_dropped_at_their_deadline_and_leave_no_descriptor(start: Start) -> None:
    with start(HANDSHAKE_TIMEOUT_S="1") as gateway, ExitStack() as stack:
        slow_handshakes(gateway, stack, SOCKETS)
        gateway.until(lambda: client_sockets(gateway) == 0)


def test_peers_that_never_answer_a_ping_are_closed_with_4001_and_leave_no_descriptor(start: Start) -> None:
    """That it takes two intervals at most is a test in virtual time: `tests/unit/net/test_keepalive.py`."""
    with start(PING_INTERVAL_S="3") as gateway, bystander(gateway.port, {}) as witness, ExitStack() as stack:
        raws = [stack.enter_context(Raw(gateway.port)) for _ in range(100)]
        for raw in raws:
            raw.send(handshake_head())
            assert raw.response().status == 101

        def is_over() -> bool:
            assert witness.request("ping")["type"] == "pong"  # and it answers its own pings by reading
            return client_sockets(gateway) == 1

        gateway.until(is_over)
        gateway.wait_for_count(len(raws), "connection.closed", close_code=4001)
        assert raws[0].frame()[0] == 1
        assert raws[0].frame() == (9, b"")
        assert raws[0].frame() == (8, (4001).to_bytes(2) + b"no pong")


def test_when_memory_is_short_those_who_do_not_read_go_first_and_the_others_stay(start: Start) -> None:
    with start() as idle:
        limit = resident_bytes(idle) + 8_000_000
    more = {"MEMORY_LIMIT_BYTES": str(limit), "OUTBOX_BYTES": "4194304", "PING_INTERVAL_S": "5"}
    with start(**more) as gateway, bystander(gateway.port, {}) as witness, ExitStack() as stack:
        _publish(gateway, "full", 40)
        for raw in _followers(gateway, stack, "other", 100):
            raw.send(frame(1, b'{"action":"history","project_id":"full","limit":1000}'))
        gateway.wait_for_record("connection.closed", close_code=4000)
        assert witness.request("ping")["type"] == "pong"


def main() -> int:
    """The long run, with the figures."""
    with running_emulator() as emulator:
        resources = create_resources(emulator.url)
        for name, flood in FLOODS.items():
            with running_gateway(resources, LOG_STORE="memory", MAX_CONNECTIONS="20000") as gateway:
                start = time.monotonic()
                with flooded(gateway, flood, LONG_SOCKETS) as grown:
                    latencies = sorted(_ping_s(gateway) for _ in range(200))
                    p99_ms = latencies[197] * 1000
                    print(  # noqa: T201
                        f"{name:20} {LONG_SOCKETS} sockets  +{grown / 1e6:6.1f} MB  "
                        f"bystander p99 {p99_ms:6.2f} ms  {time.monotonic() - start:5.1f} s"
                    )
    return 0


def _ping_s(gateway: Gateway) -> float:
    with Peer.connect(gateway.port) as peer:
        start = time.monotonic()
        peer.request("ping")
        return time.monotonic() - start


if __name__ == "__main__":
    sys.exit(main())
