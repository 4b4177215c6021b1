"""Front ends with real clients, each a Node process, and a gateway with an agent at work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.patience import PATIENCE_S

FOLDER = Path(__file__).parent
Json = dict[str, Any]


class Shown:
    """What one call of a client has shown so far."""

    def __init__(self, name: int, thread: str, run: str) -> None:
        self.name = name
        self.thread = thread
        self.run = run
        self.events: list[Json] = []
        self.end: Json | None = None
        self._news = asyncio.Event()

    def took(self, line: Json) -> None:
        """The client told something."""
        if "saw" in line:
            self.events.append(line)
        else:
            self.end = line
        self._news.set()

    @property
    def types(self) -> list[str]:
        """The types of the events that the client saw."""
        return [event["saw"] for event in self.events]

    async def until_seen(self, type_: str, times: int = 1) -> None:
        """Wait until the client saw so many events of a type."""
        async with asyncio.timeout(PATIENCE_S):
            while self.types.count(type_) < times:
                assert self.end is None, (self.types, self.end)
                await self._next()

    async def until_text(self, text: str) -> None:
        """Wait until a chat of the AI SDK shows exactly this text of the answer."""
        async with asyncio.timeout(PATIENCE_S):
            while not any(text_of(event.get("parts", ())) == text for event in self.events):
                assert self.end is None, self.end
                await self._next()

    async def done(self) -> Json:
        """Wait for the end of the call, and for what the client shows then."""
        async with asyncio.timeout(PATIENCE_S):
            while self.end is None:
                await self._next()
        return self.end

    async def _next(self) -> None:
        self._news.clear()
        await self._news.wait()


def text_of(parts: Sequence[Json]) -> str:
    """The text of a message of the AI SDK."""
    return "".join(part["text"] for part in parts if part["type"] == "text")


class Tab:
    """One Node process. Its clients know nothing of those in another."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._calls: dict[int, Shown] = {}
        self._names = count(1)

    def call(self, **command: Any) -> Shown:
        """Have a client do something."""
        shown = Shown(next(self._names), command.get("thread", ""), command.get("run", ""))
        self._calls[shown.name] = shown
        self.tell(id=shown.name, **command)
        return shown

    def tell(self, **command: Any) -> None:
        """Have a client do something that it does not answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def listen(self) -> None:
        """Take what the process prints, to its end."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            self._calls[told["id"]].took(told)


@asynccontextmanager
async def open_tab(script: str = "agent.mjs") -> AsyncIterator[Tab]:
    """A Node process for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        "node",
        script,
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=10_000_000,
    )
    tab = Tab(process)
    listening = asyncio.create_task(tab.listen())
    try:
        yield tab
    finally:
        process.kill()
        await process.wait()
        await listening
