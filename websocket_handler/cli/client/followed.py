"""Which projects somebody follows."""

from __future__ import annotations

from collections import Counter

from websocket_handler.cli.client.asking import call_api
from websocket_handler.cli.client.pages import PAGE_MAX
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import Dial


async def count_followers(dial: Dial, target: Target) -> Counter[str]:
    """The number of connections of each project that somebody follows. Raises ClientError."""
    followed: Counter[str] = Counter()
    after = ""
    while True:
        query = f"?limit={PAGE_MAX}" + (f"&after={after}" if after else "")
        answer = await call_api(dial, target, "GET", f"/api/v1/connections{query}")
        for connection in answer["connections"]:
            followed.update(connection["projects"])
        if len(answer["connections"]) < PAGE_MAX:
            return followed
        after = answer["connections"][-1]["connection_id"]
