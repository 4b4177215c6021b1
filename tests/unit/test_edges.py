"""What stands around the core, in virtual time and without AWS."""

import asyncio
from functools import partial
from typing import Any, cast

import pytest

from tests.support.nodes import NotedEvents
from tests.support.virtual_time import in_virtual_time
from websocket_handler.adapters.aws.emf import EmbeddedMetrics
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.background import Background
from websocket_handler.edges import OPENING_S, TARGET_INTERVAL_S, AwsSessions, MetricsOutput, TargetWatch


class FakeAws:
    """The SDK: some services cannot be opened, and the load balancer gives its answers in order."""

    def __init__(self, *, broken: tuple[str, ...] = (), slow_s: float = 0.0, states: tuple[str, ...] = ()) -> None:
        self._broken = broken
        self._slow_s = slow_s
        self._states = list(states)
        self.asked: list[dict[str, Any]] = []
        self.opened: list[str] = []
        self.is_closed = False

    async def open(self, service: str) -> None:
        await asyncio.sleep(self._slow_s)
        if service in self._broken:
            raise AwsError(Fault.DENIED, "NoCredentials", "no credentials")
        self.opened.append(service)

    async def call(self, _service: str, _operation: str, _timeout_s: float, **parameters: Any) -> dict[str, Any]:
        self.asked.append(parameters)
        state = self._states.pop(0)
        if state == "unknown":
            raise AwsError(Fault.TRANSIENT, "Throttling", "slow down")
        return {"TargetHealthDescriptions": [{"TargetHealth": {"State": state}}]}

    async def close(self) -> None:
        self.is_closed = True


class FakeMetrics:
    """Notes when it writes."""

    def __init__(self) -> None:
        self.lines: list[float] = []

    async def run(self, interval_s: float) -> None:
        while True:
            self.emit()
            await asyncio.sleep(interval_s)

    def emit(self) -> None:
        self.lines.append(asyncio.get_running_loop().time())


@in_virtual_time
async def test_a_service_that_cannot_be_opened_is_told_and_keeps_nobody_from_starting() -> None:
    aws, log = FakeAws(broken=("sqs",)), NotedEvents()
    sessions = AwsSessions(cast("AwsWire", aws), log)
    await sessions.start()
    assert aws.opened == ["dynamodb"]
    ((event, fields),) = log.events
    assert (event, fields["dependency"]) == ("dependency.down", "sqs")
    assert "no credentials" in str(fields["reason"])
    await sessions.stop()
    assert aws.is_closed


@in_virtual_time
async def test_slow_credentials_do_not_keep_the_node_from_starting() -> None:
    aws, log, began = FakeAws(slow_s=3600.0), NotedEvents(), asyncio.get_running_loop().time()
    await AwsSessions(cast("AwsWire", aws), log).start()
    assert asyncio.get_running_loop().time() - began == OPENING_S
    assert [(event, fields["dependency"]) for event, fields in log.events] == [
        ("dependency.down", "sqs"),
        ("dependency.down", "dynamodb"),
    ]


@in_virtual_time
async def test_metrics_are_written_at_their_interval_and_once_at_the_end() -> None:
    metrics, background = FakeMetrics(), Background(NotedEvents())
    output = MetricsOutput(cast("EmbeddedMetrics", metrics), 60.0, background)
    begun = asyncio.get_running_loop().time()
    await output.start()
    await asyncio.sleep(90)
    await output.stop()
    await background.end()
    assert [at - begun for at in metrics.lines] == [0, 60, 90]


async def found(addresses: list[str]) -> str:
    return addresses.pop(0)


@pytest.mark.parametrize("states", [("draining",), ("healthy", "unhealthy", "unknown", "draining")])
@in_virtual_time
async def test_the_watch_ends_when_the_target_drains(states: tuple[str, ...]) -> None:
    aws, log = FakeAws(states=states), NotedEvents()
    watch = TargetWatch(cast("AwsWire", aws), log, "group", partial(found, ["10.0.0.7"]), 8080)
    begun = asyncio.get_running_loop().time()
    await watch.until_draining()
    assert asyncio.get_running_loop().time() - begun == len(states) * TARGET_INTERVAL_S
    assert aws.asked == [{"TargetGroupArn": "group", "Targets": [{"Id": "10.0.0.7", "Port": 8080}]}] * len(states)
    assert log.names == ["target.unknown"] * states.count("unknown")


@in_virtual_time
async def test_an_address_that_comes_late_is_asked_for_again() -> None:
    """With an empty one, the load balancer knew no such target, and the watch never ended."""
    aws, log = FakeAws(states=("draining",)), NotedEvents()
    watch = TargetWatch(cast("AwsWire", aws), log, "group", partial(found, ["", "", "10.0.0.7"]), 8080)
    await watch.until_draining()
    assert [asked["Targets"][0]["Id"] for asked in aws.asked] == ["10.0.0.7"]
    assert log.names == ["target.unknown"] * 2
