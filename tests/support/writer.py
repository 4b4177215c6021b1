"""An agent whose words a test lets out one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tests.support.patience import PATIENCE_S
from websocket_handler_client import Task

Json = dict[str, Any]
TOOL = "look"


class Writer:
    """The agent `dev`. The last message says what it does, and how long that is. `say N` is a text of so many words,
    `call N` a tool call whose input has so many pieces, and `ask N` such a call that a person has to approve. Each
    piece waits until the test lets it out."""

    def __init__(self) -> None:
        self.asked: list[Json] = []
        """The tasks that it took from its queue, in order."""
        self.ended: list[str] = []
        self._out = asyncio.Semaphore(0)
        self._is_free = False
        self._news = asyncio.Event()

    async def until_ended(self, tasks: int) -> None:
        """Wait until it has done so many tasks."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.ended) < tasks:
                self._news.clear()
                await self._news.wait()

    def let_out(self, words: int) -> None:
        """Let it say so many more words."""
        for _ in range(words):
            self._out.release()

    def let_all_out(self) -> None:
        """Let it say everything from now on."""
        self._is_free = True
        self.let_out(100)

    def hold(self) -> None:
        """From now on it waits for each word again."""
        self._is_free = False
        self._out = asyncio.Semaphore(0)

    async def work(self, task: Task) -> None:
        """One task."""
        self.asked.append(task.data)
        try:
            await task.agui(self._paced(events_of(task)))
        finally:
            self.ended.append(task.message_id)
            self._news.set()

    async def _paced(self, events: Iterator[Json]) -> AsyncIterator[Json]:
        for event in events:
            if "delta" in event and not self._is_free:
                await self._out.acquire()
            yield event
            await asyncio.sleep(0)


def events_of(task: Task) -> Iterator[Json]:
    """What a task makes it say."""
    if task.data.get("resume"):
        yield from _decided(task)
        return
    verb, _, size = task.data["messages"][-1]["content"].partition(" ")
    if verb == "say":
        yield from _said(task.message_id, int(size))
        return
    call_id = f"{task.message_id}-call"
    yield from _called(call_id, task.message_id, int(size))
    if verb == "ask":
        asked = {"id": f"{call_id}-approval", "reason": "tool_call", "toolCallId": call_id}
        yield {"type": "RUN_FINISHED", "outcome": {"type": "interrupt", "interrupts": [asked]}}
        return
    yield _result(call_id, {"seen": True})
    yield from _said(task.message_id, 2)


def _said(run_id: str, words: int) -> Iterator[Json]:
    answer = {"messageId": f"{run_id}-answer"}
    yield {"type": "TEXT_MESSAGE_START", **answer, "role": "assistant"}
    for word in words_for(str(words)):
        yield {"type": "TEXT_MESSAGE_CONTENT", **answer, "delta": word}
    yield {"type": "TEXT_MESSAGE_END", **answer}


def _called(call_id: str, run_id: str, pieces: int) -> Iterator[Json]:
    call = {"toolCallId": call_id}
    yield {"type": "TOOL_CALL_START", **call, "toolCallName": TOOL, "parentMessageId": f"{run_id}-thought"}
    for piece in pieces_of(pieces):
        yield {"type": "TOOL_CALL_ARGS", **call, "delta": piece}
    yield {"type": "TOOL_CALL_END", **call}


def _result(call_id: str, output: object) -> Json:
    return {
        "type": "TOOL_CALL_RESULT",
        "messageId": f"{call_id}-result",
        "toolCallId": call_id,
        "content": json.dumps(output),
    }


def _decided(task: Task) -> Iterator[Json]:
    """It does what was approved, and says so."""
    for decision in task.data["resume"]:
        call_id = decision["interruptId"].removesuffix("-approval")
        yield _result(call_id, decision["payload"])
    yield from _said(task.message_id, 3)


def words_for(question: str) -> list[str]:
    """The words that answer `… N`."""
    return [f"wörd-{n} 📏 " for n in range(int(question.rsplit(maxsplit=1)[-1]))]


def input_of(pieces: int) -> Json:
    """The input of a tool call of so many pieces."""
    return {"places": [f"plâce-{n} 📏" for n in range(pieces)]}


def pieces_of(pieces: int) -> list[str]:
    """The same as text, in its pieces."""
    text = json.dumps(input_of(pieces), ensure_ascii=False)
    length = -(-len(text) // pieces)
    return [text[at : at + length] for at in range(0, len(text), length)]
