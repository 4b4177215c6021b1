"""Made-up runs as UI message streams for the AI SDK: whole, joined, resumed, and begun anew."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from tests.agui.clients import FOLDER, Fields
from tests.support.agui_stories import Story, payloads
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.ui_message import UiMessageStream

DONE = "[DONE]"


class AiCase(NamedTuple):
    """A stream, and what it is compared with."""

    name: str
    chunks: list[Any]
    story: str
    """The streams of one story show the same, if it is valid and takes no messages back."""
    is_exact: bool


def ai_cases_of(seed: int) -> Iterator[AiCase]:
    """What one seed makes: a valid story and a wild one, each for clients that come, go and come back anywhere."""
    random = Random(seed)
    draws = random.randbytes(random.choice((30, 100, 300)))
    for is_valid in (True, False):
        events = Story(draws, is_valid=is_valid).tell()
        story = f"{'valid' if is_valid else 'wild'} {seed}"
        is_exact = is_valid and not _takes_back(events)
        for name, chunks, is_under_way in _ways(payloads(events), random):
            if is_valid or not name.startswith(
                "resumed late"
            ):  # a wild agent gives results of calls that it makes later
                yield AiCase(f"{story} {name}", chunks, story, is_exact and is_under_way)


def _takes_back(events: Sequence[Fields]) -> bool:
    """True if the story puts something in the place of what it said: a snapshot, a failure, an id that it had."""
    begun = [event["toolCallId" if "CALL" in event["type"] else "messageId"] for event in events if _begins(event)]
    is_again = len(set(begun)) < len(begun) or _has_early_result(events)
    return is_again or any(event["type"] in ("MESSAGES_SNAPSHOT", "RUN_ERROR") for event in events)


def _has_early_result(events: Sequence[Fields]) -> bool:
    """True if a result comes before the input of its call is complete."""
    growing: set[str] = set()
    for event in events:
        if event["type"] == "TOOL_CALL_START":
            growing.add(event["toolCallId"])
        elif event["type"] == "TOOL_CALL_END":
            growing.discard(event["toolCallId"])
        elif event["type"] == "TOOL_CALL_RESULT" and event["toolCallId"] in growing:
            return True
    return False


def _begins(event: Fields) -> bool:
    return event["type"] in ("TEXT_MESSAGE_START", "TOOL_CALL_START", "REASONING_MESSAGE_START")


def _ways(log: Sequence[bytes], random: Random) -> Iterator[tuple[str, list[Any], bool]]:
    """How a client can get the first run of a log, and True if it comes while that is under way."""
    at = random.randrange(1, len(log) + 1)
    seen = _chunks(log[:at], 0, _begin)
    is_under_way = DONE not in seen
    yield "whole", _chunks(log, 0, _begin), True
    yield f"joined at {at}", _chunks(log, at, _join), is_under_way
    if is_under_way:
        yield f"resumed at {at}", seen + _chunks(log, at, _resume), True
        yield f"resumed late at {at}", seen + _chunks(log, at, _resume, newest=_folded(log)), False
        yield f"begun anew at {at}", seen + _chunks(log, at, _begin_anew), True


def _begin(_stream: UiMessageStream, _fold: Fold) -> list[bytes]:
    return []


def _join(stream: UiMessageStream, fold: Fold) -> list[bytes]:
    return stream.join(fold, has_begun=False)


def _begin_anew(stream: UiMessageStream, fold: Fold) -> list[bytes]:
    return stream.join(fold, has_begun=True)


def _resume(stream: UiMessageStream, fold: Fold) -> list[bytes]:
    stream.resume(fold)
    return []


def _chunks(
    log: Sequence[bytes], at: int, begin: Callable[[UiMessageStream, Fold], list[bytes]], newest: Fold | None = None
) -> list[Any]:
    """What a client gets that comes behind `at` publications. `newest` is the fold of a node that is ahead of it."""
    fold = _folded(log[:at])
    stream = UiMessageStream(fold, _first_run(log), lambda: newest or fold)
    found = begin(stream, fold)
    for payload in log[at:]:
        if stream.ended:
            break
        fold.publication(payload)
        found += stream.publication(payload)
    return [DONE if chunk == DONE.encode() else json.loads(chunk) for chunk in found]


def _first_run(log: Sequence[bytes]) -> str:
    runs = (json.loads(payload).get("runId") for payload in log)
    return next((run for run in runs if run), "r")


def _folded(log: Sequence[bytes]) -> Fold:
    fold = Fold("p")
    for payload in log:
        fold.publication(payload)
    return fold


def show(cases: Sequence[AiCase]) -> list[Fields]:
    """What the chat of the AI SDK makes of each stream. One process does all of it."""
    lines = "".join(json.dumps(case.chunks) + "\n" for case in cases)
    node = subprocess.run(["node", "chunks.mjs"], cwd=FOLDER, input=lines, capture_output=True, text=True, check=True)
    results = [json.loads(line) for line in node.stdout.splitlines()]
    assert len(results) == len(cases), node.stderr
    return results


def problems(cases: Sequence[AiCase], results: Sequence[Fields]) -> list[str]:
    """Where the chat stopped though the run did not fail, and where it shows something else than from the beginning."""
    found, whole = list[str](), dict[str, Any]()
    for case, result in zip(cases, results, strict=True):
        failed = [chunk["errorText"] for chunk in case.chunks if chunk != DONE and chunk["type"] == "error"]
        if result["error"] != (failed[0] if failed else None) or result["unhandled"]:
            found.append(f"{case.name}: {result['error']}, {result['unhandled']}")
        elif case.is_exact and _content(result) != whole.setdefault(case.story, _content(result)):
            found.append(f"{case.name}: it shows {_content(result)}, and from the beginning {whole[case.story]}")
    return found


def _content(result: Fields) -> tuple[list[str], list[Any]]:
    """The texts and the tool calls, in no order: who joins gets the calls of a message behind its text."""
    parts = [part for message in result["messages"] for part in message["parts"]]
    texts = [f"{part['type']} {part['text']}" for part in parts if part.get("text")]
    calls = [
        [part["toolCallId"], part["state"], part.get("input") or {}, part.get("output")]
        for part in parts
        if "toolCallId" in part
    ]
    return sorted(texts), sorted(calls, key=lambda call: str(call[0]))
