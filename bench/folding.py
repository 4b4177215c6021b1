"""What a late joiner gets of a run of 6,000 deltas (200 s at 30 a second), folded against dense: bytes, and the time
that the node works for it. Run: python -m bench.folding"""

import time
from collections.abc import Iterator
from typing import Final

from websocket_handler.hub.log import Publication
from websocket_handler.logs.fan_out import PAGE_MESSAGES_MAX
from websocket_handler.logs.folding import Folding
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.page import Page, page_of
from websocket_handler.protocol.frames import text_frames
from websocket_handler.protocol.publication import finish, prepare, read_object

DELTAS: Final = 6000
ROUNDS: Final = 50
LIMITS: Final = DeliveryLimits()


def entries() -> list[Publication]:
    """The log of a text with six letters per delta."""
    body = b'{"type":"TEXT_MESSAGE_CONTENT","messageId":"message-1","delta":"%5d "}'
    return [
        Publication(
            finish(prepare(read_object(body % offset), "proj_123"), offset, 1_795_377_600_000), 0.0, offset=offset
        )
        for offset in range(1, DELTAS + 1)
    ]


def pages(log: list[Publication]) -> Iterator[Page]:
    """The pages that a cursor reads, each for one write."""
    rest = page_of("epoch", 0, log)
    while rest.entries:
        part = rest.first_part(PAGE_MESSAGES_MAX, LIMITS.write_bytes)
        yield part
        rest = rest.behind(part)


def replay(parts: list[Page], folding: Folding | None) -> tuple[int, float]:
    """Bytes and seconds of one late joiner."""
    begun = time.perf_counter()
    size = 0
    for part in parts:
        shown = part if folding is None else folding.folded("proj_123", part)
        size += len(text_frames(shown.payloads))
    return size, time.perf_counter() - begun


def main() -> None:
    """Print the figures."""
    parts = list(pages(entries()))
    kept = Folding(LIMITS.message_bytes)
    rows = {
        "dense": min(replay(parts, None) for _ in range(ROUNDS)),
        "folded, first reader": min(replay(parts, Folding(LIMITS.message_bytes)) for _ in range(ROUNDS)),
        "folded, the next ones": min(replay(parts, kept) for _ in range(ROUNDS)),
    }
    for name, (size, seconds) in rows.items():
        print(f"{name:22} {size:9,} bytes {seconds * 1000:7.2f} ms   {size / rows['dense'][0]:.3f} of the bytes")


if __name__ == "__main__":
    main()
