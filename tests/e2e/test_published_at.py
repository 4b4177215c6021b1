"""Every publication says when it was published, the same to everybody."""

from __future__ import annotations

import time

import pytest

from tests.support.api import Http
from tests.support.links import Open, new_project

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_publication_says_when_it_was_published_and_says_the_same_everywhere(open_any: Open, api: Http) -> None:
    """Live, to whoever comes later, in a page of history, and over HTTP. A publisher's own time stays."""
    client, project_id = await open_any(), new_project()
    await client.subscribe(project_id)
    before_ms = time.time_ns() // 1_000_000
    await client.publish(project_id, {"n": 1}, key="again")
    after_ms = time.time_ns() // 1_000_000
    await client.publish(project_id, {"n": 1}, key="again")
    await client.publish(project_id, {"published_at": "yesterday"})
    live = await client.take(2)

    late = await open_any()
    await late.subscribe(project_id, rewind=2)
    history = await client.request("history", project_id=project_id)
    page = await api.json("GET", f"/api/v1/projects/{project_id}/messages")

    assert before_ms <= live[0]["published_at"] <= after_ms
    assert live[1] == {"published_at": "yesterday", "project_id": project_id, "offset": 2}
    assert await late.take(2) == history["messages"] == page["messages"] == live
