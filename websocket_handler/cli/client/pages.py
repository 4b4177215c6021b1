"""A project's log, page by page, oldest first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from websocket_handler.cli.client.asking import ask_again
from websocket_handler.cli.client.showing import notice
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import Dial

PAGE_MAX: Final = 1000


class Page(msgspec.Struct):
    """A page of history, its publications as they came."""

    epoch: str
    messages: list[msgspec.Raw]
    offset: int
    recovered: bool


async def pages(dial: Dial, target: Target, project_id: str, after: int, limit: int | None) -> AsyncIterator[Page]:
    """The pages behind an offset, with `limit` publications at most, until the log has no more. What is missing is told
    on stderr. Raises ClientError."""
    left, epoch = limit, ""
    while left is None or left > 0:
        most = PAGE_MAX if left is None else min(PAGE_MAX, left)
        command = {"action": "history", "project_id": project_id, "after": after, "limit": most}
        page = msgspec.json.decode(await ask_again(dial, target, command), type=Page)
        if not page.messages:
            return
        if epoch not in ("", page.epoch):
            notice(f"gap: the log is a new one ({page.epoch})")
        elif after and not page.recovered:
            notice(f"gap: what comes behind offset {after} is no longer retained")
        yield page
        after, epoch = page.offset, page.epoch
        left = None if left is None else left - len(page.messages)
