"""Which projects somebody follows, over more pages than one."""

from __future__ import annotations

import pytest

from tests.support.gateway import off_loop, running_gateway
from tests.support.links import PythonLink, new_project, open_client
from websocket_handler.cli.client import followed
from websocket_handler.cli.client.followed import count_followers
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import dialing


@pytest.mark.asyncio
async def test_followers_are_counted_over_all_pages(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed, "PAGE_MAX", 2)
    one, two = new_project(), new_project()
    async with off_loop(running_gateway(settings)) as gateway:
        clients = [await open_client(PythonLink.connect, gateway.ws_url, each) for each in (one, one, one, two, two)]
        async with dialing() as dial:
            found = await count_followers(dial, Target(gateway.ws_url, None))
        assert (found[one], found[two]) == (3, 2)
        for client in clients:
            await client.close()
