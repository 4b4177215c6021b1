"""A run that streams a text, for the tests of what is told of runs."""

from typing import Any

from tests.support.http_api import Api
from tests.support.virtual_time import settle

RUN: list[dict[str, Any]] = [
    {"type": "RUN_STARTED", "threadId": "p", "runId": "r"},
    {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"},
    *({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": text} for text in "abc"),
]
"""An agent begins to stream a text."""


async def run_of(*events: dict[str, Any], api: Api | None = None) -> Api:
    """A project in which these events of a run were published."""
    api = api or Api()
    for event in events:
        api.core.server.send_to_project("p", event)
    await settle()
    return api
