"""A client on an HTTP socket of a node in memory, without a network."""

from dataclasses import dataclass
from typing import Any, cast

from tests.support.http_api import Api
from tests.support.virtual_time import settle
from tests.support.wires import Wire
from websocket_handler.api.http_factory import http_protocol_factory
from websocket_handler.api.http_server import HttpProtocol
from websocket_handler.api.requests import Requests
from websocket_handler.api.short_way import PublishRequest, ShortWay

DATE = "Sat, 28 Nov 2026 20:00:00 GMT"
TARGET = "/api/v1/projects/p/messages"
OBJECT = b'{"type":"token","n":1}'


def request(
    body: bytes = OBJECT, target: str = TARGET, method: str = "POST", version: str = "1.1", **fields: str
) -> bytes:
    """A request with these header fields; `content_type` stands for `Content-Type`."""
    lines = [f"{method} {target} HTTP/{version}", "Host: gateway.example", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: bytes
    fields: list[bytes]
    body: bytes


class Client:
    """A client on an HTTP socket of a node of its own."""

    def __init__(self, *, is_short: bool = True, **options: Any) -> None:
        self.api = Api(**options)
        self.requests = Requests()
        way = ShortWay(self.api.gateway, lambda: DATE, self.requests)
        make = http_protocol_factory(
            self.api.application,
            lambda: DATE,
            lambda transport: transport.close(),
            counters=self.api.gateway.counters,
            requests=self.requests,
            short_way=way.request if is_short else lambda _head: None,
        )
        self.protocol = cast(HttpProtocol, make(lambda _transport, _data: None))
        self.wire = Wire()
        self.wire.open(self.protocol)

    @property
    def was_short(self) -> bool:
        """True if the newest request took the short way."""
        return isinstance(self.protocol.cycle, PublishRequest)

    async def send(self, *pieces: bytes) -> list[Answer]:
        """Send these bytes, each in a read of its own. Returns all answers."""
        for piece in pieces:
            self.wire.send(piece)
            await settle()
        return self.answers

    @property
    def answers(self) -> list[Answer]:
        """All answers so far."""
        found, rest = [], self.wire.written
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            status, *fields = head.split(b"\r\n")
            size = next(int(field.split(b":")[1]) for field in fields if field.lower().startswith(b"content-length:"))
            found.append(Answer(status, sorted(fields), rest[:size]))
            rest = rest[size:]
        return found
