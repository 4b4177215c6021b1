"""What a task has come to, from the updates of those who work on it."""

from __future__ import annotations

from typing import Any, Final

ENDS: Final = ("RUN_FINISHED", "RUN_ERROR")
"""AG-UI's events at the end of a run."""


def is_about(task_id: str, message: dict[str, Any]) -> bool:
    """True if an update is about a task: the SDK's agents say `task_id`, AG-UI's events `runId`."""
    return task_id in (message.get("task_id"), message.get("runId"))


def outcome(agent: str, message: dict[str, Any]) -> bool | None:
    """True if the task is done, False if it has failed for good, None if it goes on."""
    kind = message.get("type")
    if kind in ENDS:
        return bool(kind == "RUN_FINISHED")
    if kind == f"{agent}_failed":
        return None if message.get("is_last") is False else False
    if kind in (f"{agent}_result", f"{agent}_results", f"{agent}_plan"):
        return True
    return None
