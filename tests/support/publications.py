"""Reads a publisher's bytes and prepares the publication in one step."""

import re
from typing import Any, Final

from websocket_handler.protocol import publication
from websocket_handler.protocol.publication import PreparedPublication, prepare, prepare_broadcast, read_object


def prepared(body: bytes = b"{}", key: str = "", project_id: str = "p") -> PreparedPublication:
    """A publication of this body. Raises CommandError if it is refused."""
    return prepare(read_object(body), project_id, key)


def publication_head(body: bytes, project_id: str) -> bytes:
    """The bytes of a publication up to its offset. Raises CommandError if it is refused."""
    return prepared(body, project_id=project_id).head


PUBLISHED_AT_MS: Final = 1_795_377_600_123
_TIME: Final = re.compile(rb',"published_at":(\d+)}\Z')


def wire(body: bytes, offset: int, project_id: str = "p", published_at_ms: int = PUBLISHED_AT_MS) -> bytes:
    """A publication as subscribers get it."""
    return publication.finish(prepared(body, project_id=project_id), offset, published_at_ms)


def untimed(payload: bytes) -> bytes:
    """A publication's bytes without the time that the gateway added."""
    return _TIME.sub(b"}", payload)


def without_time(message: dict[str, Any]) -> dict[str, Any]:
    """A message without the time that the gateway added."""
    return {name: value for name, value in message.items() if name != "published_at"}


class _SomeTime:
    """Is equal to every number that can be the time of a publication in tests of today."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and not isinstance(other, bool) and 1_577_836_800_000 < other < 4_102_444_800_000

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "milliseconds since 1970"


SOME_TIME: Final = _SomeTime()


def broadcast_payload(body: bytes) -> bytes:
    """The bytes of a broadcast. Raises CommandError if it is refused."""
    return prepare_broadcast(read_object(body)).head


def project_named_in(body: bytes) -> str | None:
    """The project that an object names. Raises CommandError if it is no object, or if its project id has a wrong
    form."""
    return publication.project_named_in(read_object(body))
