"""The load balancer deregisters a task before ECS sends SIGTERM: the node hands its clients over in that time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import pytest

from tests.integration.conftest import Open
from tests.support.gateway import off_loop, running_gateway
from tests.support.links import new_project

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
        balancer = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                balancer.requests.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                body = ANSWER.format(state=balancer.state).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def balancer() -> Iterator[LoadBalancer]:
    """A load balancer that calls the target healthy."""
    running = LoadBalancer()
    yield running
    running.close()


@pytest.mark.asyncio
async def test_a_draining_target_hands_its_clients_over(
    settings: dict[str, str], balancer: LoadBalancer, open_on: Open
) -> None:
    """Clients get `reconnect` and 1012 while the process lives on; SIGTERM later finds nobody and ends it with 0."""
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
        assert closed.code == 1012
        assert "Targets.member.1.Id=10.0.0.7" in balancer.requests[-1]
        assert gateway.wait_for_record("node.draining", cause="target")["connections"] == 1
        gateway.wait_for_record("node.drained")
        status, answer = gateway.ready()
        assert (status, answer["reasons"]) == (503, [{"dependency": "node", "reason": "draining"}])
        assert gateway.get("/health") == (200, b"OK")
