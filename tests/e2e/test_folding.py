"""The text that an agent streamed comes joined to whoever asks, however they read, and piece by piece to all others."""

from __future__ import annotations

import pytest

from tests.support.api import Http
from tests.support.deltas import ranges, text_of
from tests.support.links import Open, new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")

PIECES = [f"wörd{number} " for number in range(30)]


def delta(piece: str) -> dict[str, str]:
    """What an agent publishes."""
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": piece}


async def test_a_text_is_the_same_for_those_who_get_it_joined_and_for_those_who_do_not(
    open_any: Open, api: Http
) -> None:
    """Live, late, resumed in the middle of what others got joined, in pages of history, and over HTTP."""
    live, project_id = await open_any(), new_project()
    confirmed = await live.request("subscribe", project_id=project_id, fold=True)
    for piece in PIECES:
        await live.publish(project_id, delta(piece))
    shown = await live.take(len(PIECES))
    assert ranges(shown) == [(offset, offset) for offset in range(1, 31)], "who is level gets each of them"

    late, resumed, dense = await open_any(), await open_any(), await open_any()
    await late.request("subscribe", project_id=project_id, rewind=30, fold=True)
    since = {"epoch": confirmed["epoch"], "offset": 17}
    await resumed.request("subscribe", project_id=project_id, since=since, fold=True)
    await dense.request("subscribe", project_id=project_id, rewind=30)
    (whole,), (rest,) = await late.take(1), await resumed.take(1)
    history = await live.request("history", project_id=project_id, fold=True)
    page = await api.json("GET", f"/api/v1/projects/{project_id}/messages?fold=true")

    assert await dense.take(30) == shown
    assert ranges([whole, rest]) == [(1, 30), (18, 30)]
    assert (whole["delta"], rest["delta"]) == ("".join(PIECES), "".join(PIECES[17:]))
    assert history["messages"] == page["messages"] == [whole]
    assert text_of(shown) == whole["delta"]
