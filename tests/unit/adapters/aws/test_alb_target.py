"""This node's state in its target group: what is asked, and what each answer means."""

from typing import Any

import pytest

from websocket_handler.adapters.aws.alb_target import TIMEOUT_S, AlbTarget, TargetUnknown
from websocket_handler.adapters.aws.errors import AwsError, Fault

pytestmark = pytest.mark.asyncio


class Balancer:
    """The load balancer: it gives one answer, or fails."""

    def __init__(self, answer: dict[str, Any] | AwsError) -> None:
        self._answer = answer
        self.asked: list[tuple[str, str, float, dict[str, Any]]] = []

    async def call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        self.asked.append((service, operation, timeout_s, parameters))
        if isinstance(self._answer, AwsError):
            raise self._answer
        return self._answer

    async def is_draining(self) -> bool:
        """What the adapter makes of the answer."""
        return await AlbTarget(self.call, "arn:group", "10.0.0.7", 8080).is_draining()


def health(*states: str) -> dict[str, Any]:
    return {"TargetHealthDescriptions": [{"TargetHealth": {"State": state}} for state in states]}


async def test_it_asks_for_itself_and_for_nobody_else() -> None:
    balancer = Balancer(health("healthy"))
    await balancer.is_draining()
    parameters = {"TargetGroupArn": "arn:group", "Targets": [{"Id": "10.0.0.7", "Port": 8080}]}
    assert balancer.asked == [("elbv2", "describe_target_health", TIMEOUT_S, parameters)]


@pytest.mark.parametrize("state", ["initial", "healthy", "unhealthy", "unhealthy.draining", "unused", "unavailable"])
async def test_every_state_but_one_leaves_the_node_as_it_is(state: str) -> None:
    """A node that is unhealthy, or not registered yet, must not hand its clients over."""
    assert not await Balancer(health(state)).is_draining()


async def test_a_target_that_is_deregistered_drains() -> None:
    assert await Balancer(health("draining")).is_draining()


@pytest.mark.parametrize("answer", [{}, health(), health("draining", "healthy"), health("draining", "draining")])
async def test_an_answer_that_is_not_about_one_target_ends_nothing(answer: dict[str, Any]) -> None:
    assert not await Balancer(answer).is_draining()


@pytest.mark.parametrize("fault", Fault)
async def test_a_load_balancer_that_does_not_answer_is_told_with_its_reason(fault: Fault) -> None:
    with pytest.raises(TargetUnknown, match="AccessDenied: no right"):
        await Balancer(AwsError(fault, "AccessDenied", "no right")).is_draining()
