"""Agents of a schedule: each tells runs, one entry after the other, on whatever node lives, until it is confirmed."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final

from tests.simulation.snapshot_truth import Event
from websocket_handler.assembly import Core
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import read_object

PAUSES_S: Final = (0.0, 0.01, 0.2, 0.2, 3.0)
TRIES_MAX: Final = 200
PATIENCE_S: Final = 8.0
"""So long an agent waits for a confirmation. A node that died gives none."""


def story(name: str, random: Random, runs: int) -> Iterator[Event]:
    """What an agent says: runs with texts, tool calls, a state and questions, and notes between them."""
    for run in range(runs):
        named = {"runId": f"{name}-{run}"}
        yield {"type": "RUN_STARTED", "threadId": "p", **named}
        for part in range(random.randint(1, 4)):
            thing = f"{name}-{run}-{part}"
            yield from _text(thing, named, random) if random.random() < 0.7 else _call(thing, named, random)
            if random.random() < 0.4:
                yield {"type": "STATE_SNAPSHOT", "snapshot": {name: run}, **named}
                yield {"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/part", "value": part}], **named}
            yield from [{"type": "note"}] * random.choice((0, 0, 1, 6))
        yield from _end(f"{name}-{run}", named, random)


def _text(thing: str, named: Event, random: Random) -> Iterator[Event]:
    yield {"type": "TEXT_MESSAGE_START", "messageId": thing, "role": "assistant", **named}
    for number in range(random.choice((1, 5, 40))):
        yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": thing, "delta": f"{number} ", **named}
    yield {"type": "TEXT_MESSAGE_END", "messageId": thing, **named}


def _call(thing: str, named: Event, random: Random) -> Iterator[Event]:
    yield {"type": "TOOL_CALL_START", "toolCallId": thing, "toolCallName": "find", **named}
    for number in range(random.randint(0, 8)):
        yield {"type": "TOOL_CALL_ARGS", "toolCallId": thing, "delta": f"{number},", **named}
    yield {"type": "TOOL_CALL_END", "toolCallId": thing, **named}


def _end(run_id: str, named: Event, random: Random) -> Iterator[Event]:
    dice, end = random.random(), {"type": "RUN_FINISHED", "threadId": "p", **named}
    if dice < 0.3:
        yield {**end, "outcome": {"type": "interrupt", "interrupts": [{"id": f"i-{run_id}", "reason": "approval"}]}}
        if random.random() < 0.5:
            told = {"interruptId": f"i-{run_id}", "by": "ann", "at": "noon"}
            yield {"type": "CUSTOM", "name": "wsh.decided", "value": told, **named}
    elif dice < 0.5:
        yield {"type": "RUN_ERROR", "message": "it failed", **named}
    else:
        yield end


class Agent:
    """One agent."""

    def __init__(self, name: str, seed: int, runs: int, node: Callable[[], Core]) -> None:
        """`node` gives one that lives."""
        self._name = name
        self._random = Random(f"agent {name} {seed}")
        self._runs = runs
        self._node = node

    async def work(self) -> None:
        """Say everything."""
        for number, event in enumerate(story(self._name, self._random, self._runs)):
            await asyncio.sleep(self._random.choice(PAUSES_S))
            for _ in range(TRIES_MAX):
                if await self._say(event, f"{self._name}-{number}"):
                    break
                await asyncio.sleep(0.2)
            else:
                raise AssertionError(f"{self._name} is not answered")

    async def _say(self, event: Event, key: str) -> bool:
        """True if it is confirmed."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(answer: Position | CommandError) -> None:
            if not answered.done():
                answered.set_result(answer)

        core = self._node()
        with suppress(CommandError, TimeoutError):
            core.node.publish(core.node.prepare(read_object(json.dumps(event).encode()), "p", key), done)
            return isinstance(await asyncio.wait_for(answered, PATIENCE_S), Position)
        return False
