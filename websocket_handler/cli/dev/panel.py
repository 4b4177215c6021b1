"""The chaos panel of the console: it asks for failures in the project `chaos`, and is told there what they cost.

A page asks with `{"type": "chaos.ask", "verb": "stall", "seconds": 10}`. What the witnesses have seen is published as
`chaos.state`. Both go past the proxy that hurts everybody else, straight to the gateway.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from websocket_handler.cli.client.asking import ClientError, publish_again
from websocket_handler.cli.client.following import Follower
from websocket_handler.cli.dev.chaos import LASTING, SECONDS, SECONDS_MAX, VERBS
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import Dial, Message, dialing

PROJECT: Final = "chaos"
ASK: Final = "chaos.ask"
STATE: Final = "chaos.state"
COUNTED: Final = frozenset({"deliveries"})
"""What changes all the time. It is told with the next change of something else."""
AGAIN_S: Final = 1.0
MENU: Final[Mapping[str, object]] = {
    "verbs": dict(VERBS),
    "lasting": sorted(LASTING),
    "seconds": SECONDS,
    "seconds_max": SECONDS_MAX,
}


def line_of(message: Message) -> str | None:
    """What somebody would type for an ask of a page; None for what is none. The line may still be refused."""
    verb, seconds = message.get("verb"), message.get("seconds", SECONDS)
    if message.get("type") != ASK or not isinstance(verb, str) or verb not in VERBS:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return f"{verb} {seconds}"


class Panel:
    """Reads what pages ask, in a thread of its own, and gives it to `put`. Tells them the newest state."""

    def __init__(self, url: str, put: Callable[[str], None], say: Callable[[str], None]) -> None:
        self._target = Target(url, None)
        self._put = put
        self._say = say
        self._state: dict[str, object] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()

    def start(self) -> None:
        """Begin. It ends with the process."""
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()

    def tell(self, state: Mapping[str, object]) -> None:
        """The newest state, from any thread. Of several that follow each other quickly, only the last one is told."""
        before, self._state = self._state, dict(state)
        if _without_counts(before) != _without_counts(self._state):
            self._tell_again()

    def _tell_again(self, _why: str = "") -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._news.set)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news.set()
        try:
            async with dialing() as dial, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(dial))
                tasks.create_task(self._publish(dial))
        except* ClientError as refused:
            self._say(f"the console gets no chaos panel: {refused.exceptions[0]}")

    async def _read(self, dial: Dial) -> None:
        """A gateway that comes back has a new log, so the state is told again."""
        follower = Follower(dial, self._target, PROJECT, None, self._tell_again)
        async for shown in follower.updates():
            if line := line_of(shown.message):
                self._put(line)

    async def _publish(self, dial: Dial) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            body = json.dumps({"type": STATE, **MENU, **self._state}).encode()
            try:
                await publish_again(dial, self._target, PROJECT, body, None)
            except ClientError:
                await asyncio.sleep(AGAIN_S)  # the gateway is away for long: the state is told when it is back
                self._news.set()


def _without_counts(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in COUNTED}
