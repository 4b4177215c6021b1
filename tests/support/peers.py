"""The other side of a gateway: sockets that send any bytes, WebSockets that follow the rules, and a bystander."""

from __future__ import annotations

import itertools
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tests.support.frames import PONG, TEXT, ZERO_MASK, client_frame, handshake_head
from tests.support.gateway import Gateway
from tests.support.patience import PATIENCE_S
from tests.support.publications import SOME_TIME

LISTENING: Final = "0A"
"""The state of a listening socket in the kernel's table (include/net/tcp_states.h)."""

Message = dict[str, Any]


class Ended(Exception):
    """The gateway ended the connection with this close code; 1006 if it sent no close frame."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Message:
        """The body, an object."""
        value: Message = json.loads(self.body)
        return value

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.json()["code"])


class Raw:
    """A TCP connection that sends any bytes."""

    def __init__(self, port: int, timeout_s: float = PATIENCE_S, own_address: str = "127.0.0.1") -> None:
        """`own_address` is the address that it connects from."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s, (own_address, 0))
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_arguments: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def _fill(self) -> None:
        try:
            data = self.socket.recv(65_536)
        except ConnectionError:
            data = b""
        if not data:
            raise Ended(1006)
        self._buffer += data

    def read(self, count: int) -> bytes:
        """Read this many bytes. Raises Ended, or TimeoutError."""
        while len(self._buffer) < count:
            self._fill()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def read_until(self, end: bytes) -> bytes:
        """Read everything up to and including `end`. Raises Ended."""
        while end not in self._buffer:
            self._fill()
        return self.read(self._buffer.index(end) + len(end))

    def is_ended(self) -> bool:
        """True if the gateway ended the connection. What it sent before is dropped."""
        try:
            while True:
                self._buffer = b""
                self._fill()
        except Ended:
            return True

    def response(self) -> Response:
        """Read the next HTTP answer."""
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        status = int(lines[0].split(" ")[1])
        if status == 100:
            return self.response()
        if status in (101, 204, 304):
            return Response(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Response(status, headers, b"".join(self._chunks()))
        return Response(status, headers, self.read(int(headers.get("content-length", "0"))))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.read_until(b"\r\n"), 16):
            yield self.read(size)
            self.read(2)
        self.read(2)

    def frame(self) -> tuple[int, bytes]:
        """Read the next WebSocket frame: opcode and payload."""
        first, second = self.read(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self.read(2 if size == 126 else 8))
        return first & 0x0F, self.read(size)


class Peer:
    """A WebSocket client that follows the rules."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.greeting: Message = {}
        self._inbox: list[Message] = []
        self._ids = itertools.count(1)

    @classmethod
    def connect(cls, port: int, path: str = "/ws", /, **headers: str | None) -> Peer:
        """Connect, and take the greeting. If the handshake is refused, raises AssertionError with the answer."""
        raw = Raw(port)
        raw.send(handshake_head(path, **headers))
        response = raw.response()
        assert response.status == 101, (response.status, response.body)
        peer = cls(raw)
        peer.greeting = peer.next()
        assert peer.greeting["type"] == "connected"
        return peer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_arguments: object) -> None:
        self.raw.socket.close()

    def send_text(self, text: str | bytes) -> None:
        """Send one text message."""
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        self.raw.send(client_frame(TEXT, data, mask=os.urandom(4) if len(data) < 4096 else ZERO_MASK))

    def _receive(self) -> Message:
        while True:
            opcode, payload = self.raw.frame()
            if opcode == 1:
                message: Message = json.loads(payload)
                return message
            if opcode == 8:
                raise Ended(int.from_bytes(payload[:2]) if payload else 1005, payload[2:].decode())
            if opcode == 9:
                self.raw.send(client_frame(PONG, payload))

    def next(self) -> Message:
        """Read the next message that answers no request. Raises Ended."""
        return self._inbox.pop(0) if self._inbox else self._receive()

    def request(self, action: str, **fields: Any) -> Message:
        """Send a command. Returns its reply or its error."""
        command_id = f"r{next(self._ids)}"
        self.send_text(json.dumps({"action": action, "id": command_id, **fields}))
        while (message := self._receive()).get("id") != command_id:
            self._inbox.append(message)
        return message

    def ask(self, text: str | bytes) -> Message:
        """Send any text. Returns the next message."""
        self.send_text(text)
        return self.next()

    def ended(self) -> Ended:
        """Read until the connection ends. What comes before is dropped."""
        try:
            while True:
                self._receive()
        except Ended as end:
            return end

    def end_at_once(self) -> int:
        """The close code, if the connection ends and nothing is sent before. Raises AssertionError."""
        try:
            message = self.next()
        except Ended as end:
            return end.code
        raise AssertionError(message)

    def nothing_is_left(self) -> bool:
        """True if nothing is left to read of what the gateway has sent."""
        return self.request("ping")["type"] == "pong" and not self._inbox


def http(port: int, method: str, path: str, body: bytes = b"", /, **headers: str) -> Response:
    """Send one HTTP request. Header names have underscores."""
    with Raw(port) as raw:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = [f"{method} {path} HTTP/1.1", "Host: gateway.example", f"Content-Length: {len(body)}", *lines]
        raw.send("\r\n".join(head).encode("latin-1") + b"\r\nConnection: close\r\n\r\n" + body)
        return raw.response()


@contextmanager
def bystander(port: int, headers: Mapping[str, str]) -> Iterator[Peer]:
    """A client of the same gateway that must not notice what happens inside the `with` block: its connection stays
    open, its own publication has the next offset, and it gets nothing else."""
    project_id = f"proj-open-{os.urandom(6).hex()}" if not headers else f"team-{os.urandom(6).hex()}"
    with Peer.connect(port, f"/ws?project_id={project_id}", **headers) as peer:
        confirmation = peer.next()
        assert confirmation["type"] == "subscription_confirmed", confirmation
        yield peer
        reply = peer.request("publish", project_id=project_id, message={"type": "still here"})
        assert reply["type"] == "publish_confirmed", reply
        while "offset" not in (publication := peer.next()):
            assert publication.get("type", "notice") == "notice", publication  # everybody gets broadcasts
        assert publication == {
            "type": "still here",
            "project_id": project_id,
            "offset": confirmation["offset"] + 1,
            "published_at": SOME_TIME,
        }
        assert peer.nothing_is_left()


def client_sockets(gateway: Gateway) -> int:
    """How many sockets of clients the gateway's process holds open. It counts the rows of the gateway's port in the
    kernel's table, without the listening socket and without sockets that no process holds (inode 0). The gateway's own
    connections to AWS do not count."""
    rows = Path(f"/proc/{gateway.process.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [row.split() for row in rows]
    mine = [row for row in fields if int(row[1].rpartition(":")[2], 16) == gateway.port]
    return sum(row[3] != LISTENING and row[9] != "0" for row in mine)
