"""The real AG-UI clients of both generations, and what each of them makes of a stream of events."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from websocket_handler.logs.runs.vocabulary import Generation

FOLDER = Path(__file__).parent
Fields = dict[str, Any]
Streams = dict[Generation, list[Fields]]
"""The events that the client of each generation gets."""
Answers = dict[Generation, Fields]
"""The answer on the wire that it gets: `body`, `status`, `headers`, and `cut`, if the connection breaks behind it."""


class Result:
    """What a client has made of a stream."""

    def __init__(self, found: Fields) -> None:
        self.error: str | None = found.get("error")
        """Why the client stopped; None if it took everything."""
        self.messages: list[Fields] = found["messages"]
        self.state: Any = found.get("state")
        self.interrupts: list[str] = found["interrupts"]
        self.warnings: list[str] = found["warnings"]
        self.requests: int = found["requests"]
        self.unhandled: list[str] = found["unhandled"]
        """Rejections that nobody handled: each ends a Node process."""


def take(streams: Sequence[Streams | Answers]) -> list[dict[Generation, Result]]:
    """Give each stream to a client of its generation. One process does all of it."""
    lines = "".join(json.dumps(each) + "\n" for each in streams)
    node = subprocess.run(["node", "clients.mjs"], cwd=FOLDER, input=lines, capture_output=True, text=True, check=True)
    results = [json.loads(line) for line in node.stdout.splitlines()]
    assert len(results) == len(streams), node.stderr
    return [{generation: Result(each[generation]) for generation in Generation} for each in results]


def both(events: list[Fields]) -> Streams:
    """The same events for both."""
    return dict.fromkeys(Generation, events)
