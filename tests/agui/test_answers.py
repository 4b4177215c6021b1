"""What the real AG-UI clients, 1.0.0 and 0.0.59, make of an answer on the wire: frames, lines, cuts and refusals.

These are the reasons for the form of the streams under `/agui`: no named frames, no CRLF, and never a clean end before
the run's.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.agui.clients import Fields, Result, take
from websocket_handler.logs.runs.vocabulary import BOTH, Generation

V1, V0 = (Generation.V1,), (Generation.V0,)
START: Fields = {"type": "RUN_STARTED", "threadId": "p", "runId": "r"}
FINISH: Fields = {"type": "RUN_FINISHED", "threadId": "p", "runId": "r"}
TEXT: list[Fields] = [
    {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "Hello"},
]
REFUSAL = json.dumps({"code": "unavailable", "message": "come back later"})


def frame(event: Fields, before: str = "") -> str:
    """An event as the gateway frames it, behind other lines."""
    return f"{before}data: {json.dumps(event)}\n\n"


class Row(NamedTuple):
    """An answer, and the clients that report an error."""

    answer: dict[str, Any]
    stops: tuple[Generation, ...]


HEAD = frame(START) + "".join(map(frame, TEXT))
TAIL = frame({"type": "TEXT_MESSAGE_END", "messageId": "m"}) + frame(FINISH)
ROWS: dict[str, Row] = {
    "frames with an id": Row({"body": HEAD.replace("data:", "id: e:1\ndata:") + TAIL}, ()),
    "an empty id": Row({"body": HEAD.replace("data:", "id:\ndata:") + TAIL}, ()),
    "comments between": Row({"body": ": here\n\n" + HEAD + ": still here\n\n" + TAIL}, ()),
    "a pause for whoever comes back": Row({"body": "retry: 1000\n\n" + HEAD + TAIL}, ()),
    "a named frame with a type": Row({"body": HEAD + frame({"type": "reconnect"}, "event: reconnect\n") + TAIL}, V0),
    "a named frame without a type": Row({"body": HEAD + frame({"ms": 5}, "event: reconnect\n") + TAIL}, BOTH),
    "lines that end as HTTP's": Row({"body": (HEAD + TAIL).replace("\n", "\r\n")}, BOTH),
    "an end before the run's": Row({"body": HEAD}, ()),
    "a cut": Row({"body": HEAD, "cut": True}, BOTH),
    "a refusal": Row({"body": REFUSAL, "status": 503, "headers": {"retry-after": "1"}}, BOTH),
}


@pytest.fixture(scope="module")
def taken() -> dict[str, dict[Generation, Result]]:
    answers = [dict.fromkeys(BOTH, row.answer) for row in ROWS.values()]
    return dict(zip(ROWS, take(answers), strict=True))


@pytest.mark.parametrize("generation", BOTH)
@pytest.mark.parametrize("name", ROWS)
def test_an_answer_is_taken_or_is_an_error(
    name: str, generation: Generation, taken: dict[str, dict[Generation, Result]]
) -> None:
    result = taken[name][generation]
    assert (result.error is not None) == (generation in ROWS[name].stops), result.error
    if result.error is None:
        assert [message["content"] for message in result.messages] == ["Hello"]


@pytest.mark.parametrize("generation", BOTH)
def test_a_cut_rejects_and_leaves_a_rejection_that_nobody_handles_too(
    generation: Generation, taken: dict[str, dict[Generation, Result]]
) -> None:
    cut = taken["a cut"][generation]
    assert ("terminated" in (cut.error or ""), len(cut.unhandled)) == (True, 1)
    assert "terminated" in cut.unhandled[0]


@pytest.mark.parametrize("generation", BOTH)
def test_a_refusal_that_is_temporary_is_not_tried_again(
    generation: Generation, taken: dict[str, dict[Generation, Result]]
) -> None:
    refused = taken["a refusal"][generation]
    assert (refused.requests, refused.messages) == (1, [])
    assert "503" in (refused.error or "")
