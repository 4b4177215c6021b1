"""The console page, and an agent that streams: a text that the page was away for comes as one row."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, opened
from tests.support.gateway import Gateway
from tests.support.links import new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def stream(console: Console, project_id: str, *pieces: str) -> None:
    """As an agent does."""
    for piece in pieces:
        delta = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": piece}
        await console.publish(project_id, delta)


async def test_a_streamed_text_is_one_row_for_who_comes_late_and_stays_whole_after_a_reload(
    gateway: Gateway, browser: Browser, tmp_path: Path
) -> None:
    """Nothing counts as lost or doubled: the row stands for all offsets of the text."""
    project_id = new_project()
    async with opened(browser, gateway, tmp_path) as console:
        await stream(console, project_id, "Once ", "upon ", "a ", "time ")
        await console.open(f"?project_id={project_id}")
        assert "delta: Once upon a time" in (await console.updates(project_id, 1))[0]
        await stream(console, project_id, "there ")
        assert "delta: there" in (await console.updates(project_id, 2))[1]

        await console.open()

        assert "delta: Once upon a time there" in (await console.updates(project_id, 1))[0]
        await stream(console, project_id, "was.")
        assert "delta: was." in (await console.updates(project_id, 2))[1]
        assert [await console.text(f"#{name}") for name in ("lost", "doubled", "resets")] == ["0", "0", "0"]
