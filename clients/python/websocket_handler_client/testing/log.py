"""The log of one project, whole."""

import json
import uuid
from typing import Any

from websocket_handler_client.core.position import Position


class FakeLog:
    """Publications of one epoch. Nothing is ever trimmed."""

    def __init__(self) -> None:
        self.epoch = uuid.uuid4().hex[:8]
        self.texts: list[str] = []
        """The publications as they are sent; the one with offset 1 first."""
        self.keys: dict[str, tuple[Position, dict[str, Any]]] = {}
        """Under each idempotency key where its publication stands, and what was published."""
        self.snapshot: dict[str, Any] = {"offset": 0}
        """What the runs have become, and up to where."""

    @property
    def position(self) -> Position:
        """Behind the newest publication."""
        return Position(self.epoch, len(self.texts))

    def append(self, project_id: str, message: dict[str, Any], key: str | None = None) -> tuple[Position, str]:
        """Add a publication. Returns its position and its text."""
        text = json.dumps({**message, "project_id": project_id, "offset": len(self.texts) + 1})
        self.texts.append(text)
        if key is not None:
            self.keys[key] = self.position, message
        return self.position, text

    def snapshot_text(self, project_id: str) -> str:
        """The push that a subscription from the snapshot begins with."""
        parts: dict[str, Any] = {name: [] for name in ("messages", "runs", "ended", "interrupts", "usage")}
        fields = {"type": "snapshot", "project_id": project_id, "epoch": self.epoch, "truncated": False}
        return json.dumps({**fields, **parts, **self.snapshot})

    def start(self, since: dict[str, Any] | None, rewind: int | None) -> tuple[Position, bool]:
        """Where a subscription begins, and if nothing is missing before."""
        if since is None:
            return Position(self.epoch, max(0, len(self.texts) - (rewind or 0))), True
        is_here = since["epoch"] == self.epoch and since["offset"] <= len(self.texts)
        return Position(self.epoch, since["offset"] if is_here else 0), is_here
