"""A node without a backplane says so, and everything else does nothing."""

import pytest

from websocket_handler.ports.backplane import NoBackplane


@pytest.mark.asyncio
async def test_a_node_without_a_backplane_is_deaf_and_tells_nobody() -> None:
    heard: list[object] = []
    backplane = NoBackplane()
    backplane.follow("p")
    backplane.announce("p", "e", 1)
    backplane.unfollow("p")
    await backplane.run(lambda *message: heard.append(message))
    assert heard == []
    assert backplane.failure() == "there is no backplane"
