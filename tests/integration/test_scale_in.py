"""A gateway that holds many connections asks the ECS agent over HTTP not to be ended, and gives that up to drain."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest

from tests.support.ecs_agent import running_ecs_agent
from tests.support.gateway import off_loop, running_gateway
from tests.support.links import Open, new_project

RELEASE: Final = {"ProtectionEnabled": False}


@pytest.mark.asyncio
async def test_a_busy_gateway_is_protected_until_it_drains(settings: dict[str, str], open_on: Open) -> None:
    """Protected at its second connection; released as soon as SIGTERM has come."""
    with running_ecs_agent(time.monotonic) as agent:
        more = {"SCALE_IN_PROTECTION_CONNECTIONS": "2", "ECS_AGENT_URI": agent.uri, "DRAIN_SECONDS": "1"}
        async with off_loop(running_gateway(settings, **more)) as gateway:
            project = new_project()
            for _ in range(2):
                await open_on(gateway, project)
            await asyncio.to_thread(gateway.wait_for_record, "scale_in.protected", connections=2)
            assert agent.is_protected
            _, metrics = gateway.get("/metrics")
            assert b'websocket_handler_scale_in_protections_total{outcome="protected"} 1.0' in metrics

            gateway.ask_to_stop()
            await asyncio.to_thread(agent.wait_until, lambda: ("PUT", RELEASE) in agent.requests)
            assert await asyncio.to_thread(gateway.wait_for_exit) == 0
        assert not agent.is_protected


@pytest.mark.asyncio
async def test_a_gateway_whose_agent_is_silent_serves(settings: dict[str, str], open_on: Open) -> None:
    """It says so once; clients do not notice."""
    with running_ecs_agent(time.monotonic) as agent:
        agent.is_silent = True
        more = {"SCALE_IN_PROTECTION_CONNECTIONS": "1", "ECS_AGENT_URI": agent.uri, "DRAIN_SECONDS": "1"}
        async with off_loop(running_gateway(settings, **more)) as gateway:
            client = await open_on(gateway, new_project())
            await asyncio.to_thread(agent.wait_until, lambda: bool(agent.requests))
            await client.send(action="ping")
            while (await client.next())["type"] != "pong":
                continue
            await asyncio.to_thread(gateway.wait_for_record, "dependency.down", dependency="ecs task protection")
            assert gateway.ready()[0] == 200
            agent.is_silent = False  # the end of the process waits for its answer, for a bounded time


@pytest.mark.asyncio
async def test_a_second_gateway_on_the_same_table_ends_the_protection(settings: dict[str, str], open_on: Open) -> None:
    """As the new task of a deployment does: ECS would wait for a protected one."""
    with running_ecs_agent(time.monotonic) as agent:
        more = {"SCALE_IN_PROTECTION_CONNECTIONS": "1", "ECS_AGENT_URI": agent.uri, "DRAIN_SECONDS": "1"}
        async with off_loop(running_gateway(settings, **more)) as gateway:
            await open_on(gateway, new_project())
            await asyncio.to_thread(gateway.wait_for_record, "scale_in.protected")
            async with off_loop(running_gateway(settings)):
                await asyncio.to_thread(gateway.wait_for_record, "scale_in.released", connections=1)
                assert not agent.is_protected
