"""The measurement behind docs/decisions/0012: fan-out to clients that agreed on permessage-deflate against clients that
did not, of one gateway, in turns. Run: python -m bench.compression

The server is on core 0, the clients on core 1. `one at a time` waits until everybody has a publication; `pipelined`
sends sixteen in one packet, which leave in one write per subscriber. The text is made of an agent's words, numbers
and paths; how far a text shrinks depends on it.
"""

import json
import os
import random
import selectors
import socket
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.install import compile_programs
from bench.processes import LOAD_CORE, Running, end_children_on_signal, raise_file_limit
from bench.servers import gateway, start_sink

SUBSCRIBERS: Final = 1000
PUBLICATION_BYTES: Final = 1100
ROUNDS: Final = 7
PUBLICATIONS: Final = {1: 150, 16: 1600}
"""How many are sent in one round, by how many are under way at once."""
OFFER: Final = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
KINDS: Final = {"plain": "", "compressed": OFFER}
WORDS: Final = (  # noqa: SIM905 - fifty quotes would hide them
    "agent task module service request response database migration failed passed retry timeout cache index login page "
    "button form route gateway test suite coverage branch commit review deploy rollback queue message worker schema "
    "field value error warning build image container region cluster latency memory thread async await function class"
).split()


def publication(chance: random.Random, number: int) -> bytes:
    """What a QA agent may say, as a publish command's message: about PUBLICATION_BYTES."""
    results: list[dict[str, object]] = []
    message = {"type": "qa_results", "run": number, "agent": "qa", "passed": number % 3 == 0, "results": results}
    while len(json.dumps(message, separators=(",", ":"))) < PUBLICATION_BYTES - 100:
        path = f"src/{chance.choice(WORDS)}/{chance.choice(WORDS)}_{chance.choice(WORDS)}.py"
        note = " ".join(chance.choices(WORDS, k=6))
        results.append(
            {"path": path, "line": chance.randrange(900), "duration_ms": chance.randrange(5000), "note": note}
        )
    return json.dumps(message, separators=(",", ":")).encode()


class Client:
    """A WebSocket that counts what it is sent."""

    def __init__(self, port: int, path: str, offer: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n".encode()
        )
        data = b""
        last = b'"subscription_confirmed"' if "project_id" in path else b'"connected"'
        while last not in data or not data.endswith(b"}"):
            data += self.socket.recv(65_536)
        assert (b"permessage-deflate" in data) == bool(offer)

    def command(self, *texts: bytes) -> None:
        """Send these in one packet."""
        frames = (b"\x81\xfe" + len(text).to_bytes(2) + bytes(4) + text for text in texts)
        self.socket.sendall(b"".join(frames))


class Audience:
    """Subscribers of one kind on a project of their own, and who publishes to them."""

    def __init__(self, port: int, kind: str, stack: ExitStack) -> None:
        self.project = f"bench-{kind}"
        self.clients = [Client(port, f"/ws?project_id={self.project}", KINDS[kind]) for _ in range(SUBSCRIBERS)]
        self.publisher = Client(port, "/ws", "")
        self._selector = selectors.EpollSelector()
        for client in [*self.clients, self.publisher]:
            stack.callback(client.socket.close)
        for client in self.clients:
            client.socket.setblocking(False)
            self._selector.register(client.socket, selectors.EVENT_READ)
        stack.callback(self._selector.close)
        self.bytes = 0

    def publish(self, messages: list[bytes]) -> None:
        """Publish these in one packet, and wait until everybody has them all."""
        head = b'{"action":"publish","project_id":"%b","message":' % self.project.encode()
        self.publisher.command(*(head + message + b"}" for message in messages))
        first = self.clients[0].socket
        seen, wanted, taken = b"", 0, 0
        while not wanted or taken < wanted * SUBSCRIBERS:
            for key, _ in self._selector.select(30):
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(262_144)
                taken += len(data)
                if key.fileobj is first and not wanted:
                    seen += data
                    wanted = _bytes_of(seen, len(messages))
        self.bytes += taken
        confirmations = 0
        while confirmations < len(messages):
            confirmations += self.publisher.socket.recv(262_144).count(b'"publish_confirmed"')


def _bytes_of(data: bytes, count: int) -> int:
    """How many bytes so many frames take; 0 while they are not all there."""
    position = 0
    for _ in range(count):
        if len(data) < position + 4:
            return 0
        size, header = data[position + 1], 2
        if size == 126:
            size, header = int.from_bytes(data[position + 2 : position + 4]), 4
        position += header + size
    return position if len(data) >= position else 0


@dataclass
class Cell:
    """What one kind of client cost, round by round."""

    cpu_us: list[float] = field(default_factory=list)
    wire_bytes: list[float] = field(default_factory=list)


def _cpu_s(running: Running) -> float:
    """In nanoseconds' resolution, which a short round needs."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in running.pids) / 1e9


def _measure(running: Running, audiences: dict[str, Audience], at_once: int) -> dict[str, Cell]:
    chance = random.Random(1)
    cells = {kind: Cell() for kind in audiences}
    for turn in range(ROUNDS):
        messages = [publication(chance, number) for number in range(PUBLICATIONS[at_once])]
        for kind in list(audiences) if turn % 2 else reversed(audiences):
            audience = audiences[kind]
            audience.publish(messages[:at_once])
            before_s, before = _cpu_s(running), audience.bytes
            for start in range(0, len(messages), at_once):
                audience.publish(messages[start : start + at_once])
            deliveries = SUBSCRIBERS * len(messages)
            cells[kind].cpu_us.append((_cpu_s(running) - before_s) / deliveries * 1e6)
            cells[kind].wire_bytes.append((audience.bytes - before) / deliveries)
    return cells


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> int:
    """Measure and print a table."""
    end_children_on_signal()
    raise_file_limit()
    compile_programs()
    os.sched_setaffinity(0, {LOAD_CORE})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sink = start_sink(folder)
        stack.callback(sink.stop)
        running = gateway(sink.port, COMPRESSION="on", PING_INTERVAL_S="3600").start(folder)
        stack.callback(running.stop)
        audiences: dict[str, Audience] = {}
        for kind in KINDS:
            Client(running.port, f"/ws?project_id=warm-{kind}", KINDS[kind]).socket.close()
            before_kib = running.rss_kib
            audiences[kind] = Audience(running.port, kind, stack)
            each_kib = (running.rss_kib - before_kib) / SUBSCRIBERS
            print(f"memory per idle connection, {kind}: {each_kib:.2f} KiB")
        print("\n| under way | kind | bytes per delivery | CPU µs per delivery | CPU ratio |\n|---|---|---|---|---|")
        for at_once in PUBLICATIONS:
            cells = _measure(running, audiences, at_once)
            pairs = zip(cells["compressed"].cpu_us, cells["plain"].cpu_us, strict=True)
            ratios = [compressed / plain for compressed, plain in pairs]
            for kind, cell in cells.items():
                ratio = _median(ratios) if kind == "compressed" else "1"
                wire_bytes = statistics.median(cell.wire_bytes)
                print(f"| {at_once} | {kind} | {wire_bytes:.0f} | {_median(cell.cpu_us)} | {ratio} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
