"""What the ECS agent's endpoint is asked, and which of its answers are refusals. Real HTTP."""

import json
import socket

import pytest

from tests.support.ecs_agent import EcsAgent
from websocket_handler.adapters.aws.ecs_protection import EcsTaskProtection
from websocket_handler.ports.task_protection import ProtectionUnavailable

TOO_LONG = b'{"protection":{"ProtectionEnabled":true}}' + b" " * 100_000


@pytest.mark.asyncio
async def test_the_endpoint_gets_what_its_documentation_asks_for(agent: EcsAgent) -> None:
    """No field but those two, which the agent would refuse; a release names no time."""
    protection = EcsTaskProtection(agent.uri)
    await protection.protect(10)
    await protection.release()
    await protection.is_protected()
    assert agent.requests == [
        ("PUT", {"ProtectionEnabled": True, "ExpiresInMinutes": 10}),
        ("PUT", {"ProtectionEnabled": False}),
        ("GET", None),
    ]


REFUSALS = {
    "DEPLOYMENT_BLOCKED": (200, {"failure": {"Arn": "a", "Detail": None, "Reason": "DEPLOYMENT_BLOCKED"}}),
    "AccessDeniedException: not authorized": (
        400,
        {"requestID": "r", "error": {"Arn": "a", "Code": "AccessDeniedException", "Message": "not authorized"}},
    ),
    "status 503": (503, {}),
    "ProtectionEnabled is neither": (200, {"protection": {"ProtectionEnabled": "true"}}),
    "KeyError": (200, {"protection": {}}),
    "TypeError": (200, []),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("reason", REFUSALS)
async def test_a_refusal_is_told_with_its_reason(agent: EcsAgent, reason: str) -> None:
    """ECS's refusals come with the status 200; what is not understood is one, too."""
    status, said = REFUSALS[reason]
    agent.answer = status, json.dumps(said).encode()
    with pytest.raises(ProtectionUnavailable, match=reason):
        await EcsTaskProtection(agent.uri).protect(10)


@pytest.mark.asyncio
@pytest.mark.parametrize("is_wanted", [True, False])
async def test_an_answer_that_says_the_opposite_is_a_refusal(agent: EcsAgent, is_wanted: bool) -> None:
    """What was asked for does not hold."""
    agent.answer = 200, json.dumps({"protection": {"ProtectionEnabled": not is_wanted}}).encode()
    protection = EcsTaskProtection(agent.uri)
    with pytest.raises(ProtectionUnavailable, match="asked for"):
        await (protection.protect(1) if is_wanted else protection.release())


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"not JSON", b"\xff", TOO_LONG])
async def test_a_body_that_is_no_answer_is_a_refusal(agent: EcsAgent, body: bytes) -> None:
    """Empty, no JSON, no text, or too long."""
    agent.answer = 200, body
    with pytest.raises(ProtectionUnavailable):
        await EcsTaskProtection(agent.uri).is_protected()


@pytest.mark.asyncio
async def test_an_agent_that_does_not_answer_is_not_waited_for(agent: EcsAgent) -> None:
    """It takes the request and does not answer. After the deadline the caller waits no longer."""
    agent.is_silent = True
    with pytest.raises(ProtectionUnavailable, match="did not answer"):
        await EcsTaskProtection(agent.uri, timeout_s=0.01).protect(10)


@pytest.mark.asyncio
async def test_a_place_without_an_agent_is_said_so() -> None:
    """Nothing listens there; or the address is no address, as outside of ECS."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for uri in (f"http://127.0.0.1:{port}/api/x", "", "https://agent", "http://", "http://host:port/"):
        with pytest.raises(ProtectionUnavailable):
            await EcsTaskProtection(uri).protect(10)
