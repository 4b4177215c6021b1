"""Many entries at once fold to the same as one by one, and break the same rules."""

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.hub.log import Publication
from websocket_handler.logs.runs.batches import fold_all
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.snapshot import dump

TIGHT = FoldLimits(open_things=3, messages=4, message_bytes=150, messages_bytes=300)
RUN = {"threadId": "p", "runId": "r"}
NAMES = st.sampled_from(["m", "n"])
TEXTS = st.sampled_from(["", "a", "word ", "\u00e4\N{SNOWMAN}", '"\\', "\n", "x" * 40])
EVENTS = st.one_of(
    st.builds(lambda name: {"type": "TEXT_MESSAGE_START", "messageId": name, "role": "assistant"}, NAMES),
    st.builds(lambda name: {"type": "TEXT_MESSAGE_END", "messageId": name}, NAMES),
    st.builds(lambda name: {"type": "TOOL_CALL_START", "toolCallId": name, "toolCallName": "t"}, NAMES),
    st.builds(lambda name, text: {"type": "TOOL_CALL_ARGS", "toolCallId": name, "delta": text}, NAMES, TEXTS),
    st.builds(lambda text: {"type": "TEXT_MESSAGE_CHUNK", "messageId": "chunked", "delta": text}, TEXTS),
    st.just({"type": "note"}),
    st.just({"type": "RUN_STARTED", **RUN}),
    st.just({"type": "RUN_FINISHED", **RUN}),
)
DELTAS = st.builds(
    lambda name, texts, more: [
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": name, "delta": text, **more} for text in texts
    ],
    NAMES,
    st.lists(TEXTS, min_size=1, max_size=8),
    st.sampled_from([{}, {"extra": 1}, {"timestamp": 5}, {"metadata": {"k": 1}}, {"first_offset": 1}]),
)


def log_of(events: Sequence[dict[str, Any]]) -> list[Publication]:
    return [
        Publication(msgspec.json.encode({**event, "offset": offset}), 0.0, offset=offset)
        for offset, event in enumerate(events, 1)
    ]


def one_by_one(log: Sequence[Publication], limits: FoldLimits | None = None) -> tuple[bytes, list[Any]]:
    fold = Fold("p", limits)
    folded = [fold.publication(entry.payload) for entry in log]
    return dump(fold), [each.problems for each in folded if each is not None and each.problems]


def at_once(
    log: Sequence[Publication], limits: FoldLimits | None = None, sizes: Sequence[int] = (1000,)
) -> tuple[bytes, list[Any]]:
    """Fold batches of these sizes, which are taken in turn."""
    fold, problems, rest, turn = Fold("p", limits), [], list(log), 0
    while rest:
        size = sizes[turn % len(sizes)]
        problems += [each.problems for each in fold_all(fold, rest[:size])]
        rest, turn = rest[size:], turn + 1
    return dump(fold), problems


@given(
    st.lists(st.one_of(EVENTS.map(lambda event: [event]), DELTAS), max_size=20),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.booleans(),
)
def test_batches_fold_to_the_same_as_one_by_one(
    groups: list[list[dict[str, Any]]], sizes: list[int], is_tight: bool
) -> None:
    log = log_of([{"type": "RUN_STARTED", **RUN}, *(event for group in groups for event in group)])
    limits = TIGHT if is_tight else None
    assert at_once(log, limits, sizes) == one_by_one(log, limits)


def text(pieces: Sequence[str]) -> list[Publication]:
    start = {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}
    deltas = [{"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": piece} for piece in pieces]
    return log_of([{"type": "RUN_STARTED", **RUN}, start, *deltas])


def test_deltas_of_one_text_are_folded_as_two_events() -> None:
    taken: list[bytes] = []

    class Counted(Fold):
        def publication(self, payload: bytes) -> Any:
            taken.append(payload)
            return super().publication(payload)

    fold = Counted("p")
    assert list(fold_all(fold, text([f"{number} " for number in range(500)]))) == []
    assert len(taken) == 4
    assert fold.offset == 502


def test_a_text_that_becomes_too_long_within_a_batch_keeps_what_has_space() -> None:
    log = text(["x" * 30] * 10)
    found = at_once(log, TIGHT)
    assert found == one_by_one(log, TIGHT)
    assert len(found[1]) > 1, "each delta that has no space is told"


def test_what_was_seen_is_not_folded_again() -> None:
    fold, log = Fold("p"), text(["a", "b", "c"])
    list(fold_all(fold, log[:4]))
    list(fold_all(fold, log))
    assert fold.messages.data()[0]["content"] == "abc"
