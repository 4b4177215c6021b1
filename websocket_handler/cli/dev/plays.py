"""What each demo agent says while it works: a short sequence of updates for any task.

Pure: the same task and the same source of chance give the same updates.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# A finished task goes on to the next agent, so that one request shows a whole conversation.
NEXT_AGENT = {"pm": "dev", "dev": "qa"}

SUBJECT_CHARACTERS_MAX = 80


@dataclass(frozen=True)
class Update:
    """One message to the viewers: its type, a sentence for people, and details for programs."""

    type: str
    text: str
    details: dict[str, Any] = field(default_factory=dict)


def play(agent: str, data: Any, chance: random.Random) -> list[Update]:
    """The updates of one task, from `…_accepted` to the result. `agent` is pm, dev, qa or ops."""
    subject = subject_of(data)
    accepted = Update(f"{agent}_accepted", f"Accepted: {subject}")
    return [accepted, *_PLAYS[agent](subject, chance)]


def subject_of(data: Any) -> str:
    """What a task is about, in at most 80 characters: its text, or its JSON when it has none."""
    if isinstance(data, dict):
        texts = (data.get(name) for name in ("text", "task", "title", "description"))
        data = next((text for text in texts if isinstance(text, str) and text.strip()), data)
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= SUBJECT_CHARACTERS_MAX else text[: SUBJECT_CHARACTERS_MAX - 1] + "…"


def _pm(subject: str, chance: random.Random) -> list[Update]:
    steps = ["Agree on the API", "Write the data model", "Implement the endpoints", "Test the error paths"]
    days = chance.randint(2, 5)
    return [
        Update("pm_progress", "Reading the request and earlier decisions"),
        Update("pm_progress", f"Splitting the work into {len(steps)} steps"),
        Update("pm_plan", f"Plan for “{subject}”: {len(steps)} steps", {"plan": steps, "estimate_days": days}),
    ]


def _dev(subject: str, chance: random.Random) -> list[Update]:
    files = {path: chance.randint(20, 140) for path in ("app/models.py", "app/api.py", "tests/test_api.py")}
    writing = [
        Update("dev_progress", f"Wrote {path} ({lines} lines)", {"file": path, "lines": lines})
        for path, lines in files.items()
    ]
    result = {"files": list(files), "lines": sum(files.values())}
    return [*writing, Update("dev_result", f"Code for “{subject}” is ready for tests", result)]


def _qa(subject: str, chance: random.Random) -> list[Update]:
    total = chance.randint(18, 64)
    failed = chance.choice([0, 0, 0, 1, 2])
    counts = {"passed": total - failed, "failed": failed}
    verdict = "All tests passed" if failed == 0 else f"{failed} of {total} tests failed"
    return [
        Update("qa_progress", f"Collected {total} tests"),
        Update("qa_progress", f"Ran {total // 2} of {total} tests"),
        Update("qa_results", f"{verdict}: “{subject}”", {**counts, "success": failed == 0}),
    ]


def _ops(subject: str, chance: random.Random) -> list[Update]:
    version = f"1.{chance.randint(0, 20)}.{chance.randint(0, 9)}"
    return [
        Update("ops_progress", f"Built image {version}", {"version": version}),
        Update("ops_progress", "Replacing tasks: 1 of 2"),
        Update("ops_progress", "Replacing tasks: 2 of 2"),
        Update("ops_result", f"Version {version} is live: “{subject}”", {"version": version, "healthy": True}),
    ]


_PLAYS: dict[str, Callable[[str, random.Random], list[Update]]] = {
    "pm": _pm,
    "dev": _dev,
    "qa": _qa,
    "ops": _ops,
}
