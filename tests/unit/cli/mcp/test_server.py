"""The tools in a server in memory: how many may run, and what an assistant is told of failures."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from websocket_handler.cli import EXIT_NOT_ALLOWED
from websocket_handler.cli.client.asking import ClientError
from websocket_handler.cli.mcp.server import CALLS_MAX, make_server
from websocket_handler.cli.mcp.team import Answer, Team
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import Dial


class SlowTeam(Team):
    """Answers when `go` is set."""

    def __init__(self, dial: Dial | None = None) -> None:
        super().__init__(dial, Target("ws://x", None))  # type: ignore[arg-type] # it never dials
        self.go = asyncio.Event()
        self.asked = 0
        self.all_asked = asyncio.Event()

    async def agents(self) -> Answer:
        self.asked += 1
        if self.asked == CALLS_MAX:
            self.all_asked.set()
        await self.go.wait()
        return {"agents": {}}

    async def projects(self) -> Answer:
        raise ClientError("forbidden: no right", EXIT_NOT_ALLOWED)


def text_of(result: Any) -> str:
    assert isinstance(result, CallToolResult)
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.asyncio
async def test_one_call_more_than_the_maximum_is_told_to_wait() -> None:
    team = SlowTeam()
    async with Client(make_server(team)) as client:
        calls = [asyncio.create_task(client.call_tool("list_agents", {})) for _ in range(CALLS_MAX)]
        await team.all_asked.wait()
        refused = await client.call_tool("list_agents", {})
        assert refused.is_error
        assert f"{CALLS_MAX} calls are running" in text_of(refused)
        team.go.set()
        assert [result.is_error for result in await asyncio.gather(*calls)] == [False] * CALLS_MAX
        assert not (await client.call_tool("list_agents", {})).is_error


@pytest.mark.asyncio
async def test_what_the_gateway_refuses_is_an_error_that_the_assistant_reads() -> None:
    async with Client(make_server(SlowTeam())) as client:
        refused = await client.call_tool("list_projects", {})
    assert refused.is_error
    assert "forbidden: no right" in text_of(refused)


@pytest.mark.asyncio
async def test_there_are_five_tools_and_only_one_of_them_changes_anything() -> None:
    async with Client(make_server(SlowTeam())) as client:
        tools = (await client.list_tools()).tools
    readers = {tool.name for tool in tools if tool.annotations is not None and tool.annotations.read_only_hint}
    assert {tool.name for tool in tools} - readers == {"send_task"}
    assert readers == {"list_agents", "list_projects", "read_updates", "wait_for_task"}
    assert all(tool.description for tool in tools)
