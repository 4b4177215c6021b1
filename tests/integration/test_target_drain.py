"""The load balancer deregisters a task before ECS sends SIGTERM: the node hands its clients over in that time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.gateway import off_loop, running_gateway
from tests.support.links import Open, new_project
from tests.support.web_server import Answer, Request, running_web_server

TARGET_GROUP: Final = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/gateway/0123456789abcdef"
ANSWER: Final = """<DescribeTargetHealthResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
<DescribeTargetHealthResult><TargetHealthDescriptions><member><Target><Id>10.0.0.7</Id><Port>0</Port></Target>
<TargetHealth><State>{state}</State></TargetHealth></member></TargetHealthDescriptions></DescribeTargetHealthResult>
</DescribeTargetHealthResponse>"""


class LoadBalancer:
    """The one ELB call that the gateway makes, over HTTP."""

    def __init__(self) -> None:
        self.state = "healthy"
        self.requests: list[str] = []
        self.url = ""

    def respond(self, request: Request) -> Answer:
        """Tell the target's state."""
        self.requests.append(request.body.decode())
        return Answer(200, ANSWER.format(state=self.state).encode(), {"Content-Type": "text/xml"})


@pytest.fixture
def balancer() -> Iterator[LoadBalancer]:
    """A load balancer that calls the target healthy."""
    balancer = LoadBalancer()
    with running_web_server(balancer.respond) as balancer.url:
        yield balancer


@pytest.mark.asyncio
async def test_a_draining_target_hands_its_clients_over(
    settings: dict[str, str], balancer: LoadBalancer, open_on: Open
) -> None:
    """Clients get `reconnect` and 4012 while the process lives on; SIGTERM later finds nobody and ends it with 0."""
    endpoint = settings["AWS_ENDPOINT_URL"]
    more = {
        "AWS_ENDPOINT_URL": "",
        "AWS_ENDPOINT_URL_SQS": endpoint,
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": balancer.url,
        "TARGET_GROUP_ARN": TARGET_GROUP,
        "TARGET_ADDRESS": "10.0.0.7",
        "DRAIN_SECONDS": "1",
    }
    async with off_loop(running_gateway(settings, **more)) as gateway:
        client = await open_on(gateway, new_project())
        balancer.state = "draining"

        push = await client.next()
        while push["type"] != "reconnect":  # its greeting and confirmation come first
            push = await client.next()
        closed = await client.closed()

        assert push["reason"] == "draining"
        assert closed.code == 4012
        assert "Targets.member.1.Id=10.0.0.7" in balancer.requests[-1]
        assert gateway.wait_for_record("node.draining", cause="target")["connections"] == 1
        gateway.wait_for_record("node.drained")
        status, answer = gateway.ready()
        assert (status, answer["reasons"]) == (503, [{"dependency": "node", "reason": "draining"}])
        assert gateway.get("/health") == (200, b"OK")
