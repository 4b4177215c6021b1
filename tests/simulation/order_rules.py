"""The promise of numbered updates: a producer's come in order, unless a node waited long enough and said so."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

FIRST_OF: Final = {"a": 0, "b": 1}
"""Where each producer begins to count."""
FIRST_WAIT_S: Final = 1.0
"""A producer may begin with 0 or with 1. So a node waits for a 0 this long only, and then calls it no gap."""
MARGIN_S: Final = 10.0
"""A gap is given up this long after the queue's visibility, not earlier."""
Producer = tuple[str, str]
"""A project and the name of a producer in it."""


class OrderRules:
    """Hears what producers send, what the store holds, and which gaps the nodes tell of."""

    def __init__(self, violation: Callable[[str], None], time: Callable[[], float], counts: Counter[str]) -> None:
        self._violation = violation
        self._time = time
        self._counts = counts
        self._sent_at: defaultdict[Producer, dict[int, float]] = defaultdict(dict)
        self._landed: defaultdict[Producer, set[int]] = defaultdict(set)
        self._given_up: defaultdict[Producer, set[int]] = defaultdict(set)

    def sent(self, project: str, producer: str) -> int:
        """A producer is about to send its next update; the sequence."""
        sent_at = self._sent_at[project, producer]
        sequence = FIRST_OF[producer] + len(sent_at)
        sent_at[sequence] = self._time()
        return sequence

    def landed(self, project: str, message: Mapping[str, Any]) -> None:
        """The store holds a publication."""
        if "sequence" not in message:
            return
        producer, sequence = (project, message["producer"]), message["sequence"]
        landed = self._landed[producer]
        self._counts["numbered"] += 1
        if sequence in landed:
            return  # doubles have a rule of their own: that of the keys
        overtaken_by = max(landed, default=-1)
        if not landed and sequence == 1 and self._time() - self._sent_at[producer][1] >= FIRST_WAIT_S:
            self._given_up[producer].add(0)
        if sequence < overtaken_by and sequence not in self._given_up[producer]:
            self._violation(f"{producer}: {sequence} lands after {overtaken_by}, and no node said that it is missing")
        landed.add(sequence)

    def gap(self, fields: Mapping[str, Any], visibility_s: float) -> None:
        """A node goes on without some updates."""
        self._counts["gaps"] += 1
        producer = (fields["project_id"], fields["producer"])
        self._given_up[producer].update(range(fields["missing_from"], fields["missing_to"] + 1))
        waited_s = self._time() - self._sent_at[producer][fields["missing_to"] + 1]
        if fields["reason"] == "time" and waited_s < visibility_s + MARGIN_S:
            self._violation(f"{producer}: {fields} is given up after {waited_s:.3f} s")
