"""What a late joiner gets of a run of 6,000 deltas (200 s at 30 a second), dense, folded, and from the snapshot: bytes,
and the time that the node works for it.

Run: python -m bench.folding. The exit code is 1 if folding or the snapshot takes more than a tenth of the bytes.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from websocket_handler.hub.log import Publication
from websocket_handler.logs.fan_out import PAGE_MESSAGES_MAX
from websocket_handler.logs.folding import Folding
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.page import Page, page_of
from websocket_handler.logs.runs.fitting import fitted
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.snapshot import told
from websocket_handler.logs.saved_runs import TOLD_AGAIN
from websocket_handler.protocol import replies
from websocket_handler.protocol.frames import text_frames
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import finish, prepare, read_object

NAME: Final = "late joiner"
PROJECT: Final = "proj_123"
DELTAS: Final = 6000
ROUNDS: Final = 50
RATIO_MAX: Final = 0.1
LIMITS: Final = DeliveryLimits()
HEADER: Final = ("a late joiner gets", "bytes", "of the dense ones", "ms of the node", "must")
OPENING: Final = (
    b'{"type":"RUN_STARTED","threadId":"proj_123","runId":"run-1"}',
    b'{"type":"TEXT_MESSAGE_START","messageId":"message-1","role":"assistant","runId":"run-1"}',
)
DELTA: Final = b'{"type":"TEXT_MESSAGE_CONTENT","messageId":"message-1","delta":"%5d "}'


class LateJoin(NamedTuple):
    """What one late joiner gets."""

    name: str
    size: int
    ms: float
    ratio: float
    """Its bytes, over those of the dense replay."""
    is_bounded: bool = True
    """True if the ratio may be at most RATIO_MAX."""

    def row(self) -> tuple[str, ...]:
        """The row of the table in the results."""
        must = "-" if not self.is_bounded else f"{RATIO_MAX}{'' if self.ratio <= RATIO_MAX else ', **missed**'}"
        return (self.name, f"{self.size:,}", f"{self.ratio:.3f}", f"{self.ms:.2f}", must)


def entries() -> list[Publication]:
    """The log of a run with one text, six letters per delta."""
    bodies = [*OPENING, *(DELTA % number for number in range(1, DELTAS + 1))]
    return [
        Publication(finish(prepare(read_object(body), PROJECT), offset, 1_795_377_600_000), 0.0, offset=offset)
        for offset, body in enumerate(bodies, 1)
    ]


def pages(log: Sequence[Publication], after: int = 0) -> Iterator[Page]:
    """The pages that a cursor reads, each for one write."""
    rest = page_of("epoch", after, log)
    while rest.entries:
        part = rest.first_part(PAGE_MESSAGES_MAX, LIMITS.write_bytes)
        yield part
        rest = rest.behind(part)


def replay(parts: Sequence[Page], folding: Folding | None) -> int:
    """Bytes of one late joiner."""
    shown = [part if folding is None else folding.folded(PROJECT, part) for part in parts]
    return sum(len(text_frames(part.payloads)) for part in shown)


def push_of(fold: Fold) -> bytes:
    """The snapshot as clients are told it."""
    position = Position("epoch", fold.offset)
    return fitted(fold, LIMITS.run_snapshot_bytes, lambda fields: replies.snapshot(PROJECT, position, told(fields)))[1]


def _best(name: str, dense: int, join: Callable[[], int], *, is_bounded: bool = True) -> LateJoin:
    best_s, size = float("inf"), 0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        size = join()
        best_s = min(best_s, time.perf_counter() - begun)
    return LateJoin(name, size, best_s * 1000, size / (dense or size), is_bounded)


def measure() -> list[LateJoin]:
    """The joiners, the dense one first. Each is the best of some rounds."""
    log = entries()
    parts, tail = list(pages(log)), list(pages(log[-TOLD_AGAIN:], log[-TOLD_AGAIN - 1].offset))
    kept, fold = Folding(LIMITS.message_bytes), Fold(PROJECT)
    for entry in log[:-TOLD_AGAIN]:
        fold.publication(entry.payload)
    push = push_of(fold)

    def snapshot(told: Callable[[], bytes]) -> int:
        return len(text_frames([told()])) + replay(tail, None)

    dense = _best("every delta", 0, lambda: replay(parts, None), is_bounded=False)
    return [
        dense,
        _best(
            "joined deltas (`fold`), the first reader", dense.size, lambda: replay(parts, Folding(LIMITS.message_bytes))
        ),
        _best("joined deltas, the next ones", dense.size, lambda: replay(parts, kept)),
        _best(
            f"the snapshot and {TOLD_AGAIN} deltas behind it, the first reader",
            dense.size,
            lambda: snapshot(lambda: push_of(fold)),
        ),
        _best("the snapshot, the next ones", dense.size, lambda: snapshot(lambda: push)),
    ]


def main() -> int:
    """Print the figures. Returns 1 if a bound is broken."""
    joins = measure()
    for join in joins:
        name, size, ratio, ms, must = join.row()
        print(f"{name:56} {size:>9} bytes {ratio:>7} of the bytes {ms:>7} ms   must: {must}")
    return 1 if any(join.is_bounded and join.ratio > RATIO_MAX for join in joins) else 0


if __name__ == "__main__":
    sys.exit(main())
