"""The promise of folding: the text that a reader has is the text of the log, nothing lost and nothing twice, and only
who asks for joined deltas gets them. It joins nothing itself as the product does: it compares objects."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

FOLD_SEEDS: Final = (12, 8)
"""In every 12th schedule agents publish deltas, and some readers ask for joined ones: in those with the remainder 8.
The other schedules stay as they were, and so do the seeds that show rare bugs."""
PER_DELTA: Final = ("delta", "offset", "published_at")
MESSAGE_BYTES_MAX: Final = 65_536
Payloads = Mapping[tuple[str, int], str]


def has_deltas(seed: int) -> bool:
    """True if agents publish deltas in the schedule of this seed."""
    every, remainder = FOLD_SEEDS
    return seed % every == remainder


def asks_for_folding(seed: int, name: str) -> bool:
    """True if this reader asks for joined deltas."""
    return has_deltas(seed) and Random(f"folds {seed} {name}").random() < 0.7


def fields_of(draw: Random, seed: int, uid: str, size: int) -> dict[str, Any]:
    """The fields of a publication of this size. In some schedules it mostly is a delta that continues one of few texts,
    and its piece begins with its own uid."""
    if not has_deltas(seed) or draw.random() < 0.2:
        return {"u": uid, "x": "x" * size}
    kind, name = draw.choice(
        (
            ("TEXT_MESSAGE_CONTENT", "messageId"),
            ("TEXT_MESSAGE_CONTENT", "messageId"),
            ("REASONING_MESSAGE_CONTENT", "messageId"),
            ("TOOL_CALL_ARGS", "toolCallId"),
        )
    )
    return {"type": kind, name: draw.choice(("t1", "t1", "t1", "t2")), "delta": f"{uid} {'x' * size};"}


def uid_in(message: Mapping[str, Any]) -> str:
    """What the publisher called a publication; empty if nobody of this simulation published it."""
    named: str = message.get("u") or message.get("delta", "").partition(" ")[0]
    return named


class FoldRules:
    """Compares what came joined with what the store holds."""

    def __init__(self, violation: Callable[[str], None], counts: Counter[str]) -> None:
        self._violation = violation
        self._counts = counts

    def first_of(self, message: Mapping[str, Any]) -> int:
        """The first offset that a publication stands for."""
        first: int = message.get("first_offset", message["offset"])
        return first

    def joined(self, who: str, epoch: str, payloads: Payloads, text: str, *, is_asked: bool) -> None:
        """A reader got joined deltas."""
        message = json.loads(text)
        first, last = message["first_offset"], message["offset"]
        place = f"{who}: {epoch}:{first}..{last} joined as {text[:120]}"
        self._counts["joined"] += 1
        if not is_asked:
            self._violation(f"{place}: it did not ask for that")
        if first >= last or len(text.encode()) > MESSAGE_BYTES_MAX:
            self._violation(f"{place}: it is none")
            return
        held = [payloads.get((epoch, offset)) for offset in range(first, last + 1)]
        parts = [json.loads(payload) for payload in held if payload is not None]
        if len(parts) < len(held):
            self._violation(f"{place}: the store does not hold all of these")
            return
        texts = {json.dumps({key: value for key, value in part.items() if key not in PER_DELTA}) for part in parts}
        if len(texts) > 1:
            self._violation(f"{place}: of different texts: {sorted(texts)[:3]}")
        expected = {**parts[-1], "delta": "".join(part.get("delta", "") for part in parts), "first_offset": first}
        if message != expected:
            self._violation(f"{place}: expected {json.dumps(expected)[:200]}")
