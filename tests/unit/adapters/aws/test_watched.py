"""Errors that only an operator can end name the queue or the table, and the setting."""

from typing import Any

import pytest

from tests.support.nodes import NotedEvents
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.watched import WatchedCalls
from websocket_handler.telemetry.resources import Resource, Resources

pytestmark = pytest.mark.asyncio
URL = "https://sqs/1/qa"
GONE = AwsError(Fault.GONE, "QueueDoesNotExist", "no such queue")
SETTINGS = {"SQS_QUEUE_URL_PM": URL, "SQS_QUEUE_URL_QA": URL, "DYNAMODB_TABLE_NAME": "state"}


class Watched:
    """Calls that answer with `fault`, or work when it is None."""

    def __init__(self) -> None:
        self.fault: AwsError | None = None
        self.log = NotedEvents()
        self.resources = Resources(self.log, lambda: 0.0)
        self.call = WatchedCalls(self._call, SETTINGS, self.resources).call

    async def _call(self, *_args: Any, **_parameters: Any) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        return {"is": "fine"}


@pytest.mark.parametrize(
    ("parameters", "setting", "name"),
    [
        ({"QueueUrl": URL}, "SQS_QUEUE_URL_PM,SQS_QUEUE_URL_QA", URL),
        ({"TableName": "state"}, "DYNAMODB_TABLE_NAME", "state"),
        ({"RequestItems": {"state": []}}, "DYNAMODB_TABLE_NAME", "state"),
    ],
)
async def test_an_operators_fault_is_named_and_told(parameters: dict[str, Any], setting: str, name: str) -> None:
    watched = Watched()
    watched.fault = GONE
    with pytest.raises(AwsError) as raised:
        await watched.call("service", "operation", 1.0, **parameters)
    assert str(raised.value) == f"{setting}={name}: QueueDoesNotExist: no such queue"
    [(event, fields)] = watched.log.events
    assert event == "resource.unusable"
    assert (fields["setting"], fields["resource"], fields["operation"]) == (setting, name, "operation")
    watched.fault = None
    assert await watched.call("service", "operation", 1.0, **parameters) == {"is": "fine"}
    assert watched.log.names == ["resource.unusable", "resource.usable"]


@pytest.mark.parametrize("fault", [Fault.TRANSIENT, Fault.REFUSED])
async def test_other_faults_are_passed_on_as_they_are(fault: Fault) -> None:
    watched = Watched()
    watched.fault = AwsError(fault, "Code", "text")
    with pytest.raises(AwsError) as raised:
        await watched.call("sqs", "send", 1.0, QueueUrl=URL)
    assert raised.value is watched.fault
    assert watched.log.events == []


async def test_calls_about_nothing_that_a_setting_names_are_passed_on() -> None:
    watched = Watched()
    watched.fault = GONE
    with pytest.raises(AwsError) as raised:
        await watched.call("elbv2", "describe_target_health", 1.0, TargetGroupArn="arn")
    assert raised.value is GONE
    assert watched.resources.unusable == 0


class Begun:
    """A call on the short way, which has ended."""

    def __init__(self, result: dict[str, Any] | None) -> None:
        self.result = result


async def test_a_good_answer_on_the_short_way_is_noted_and_everything_else_is_left_to_the_call() -> None:
    log = NotedEvents()
    resources = Resources(log, lambda: 0.0)
    given: list[Any] = []

    def begin(*arguments: Any) -> Any:
        given.append(arguments)

    watched = WatchedCalls(Watched()._call, SETTINGS, resources, begin)
    told: list[Any] = []
    for table in ("state", "another"):
        assert watched.begin("dynamodb", "put_item", 2.0, {"TableName": table}, told.append) is None
    assert [arguments[:4] for arguments in given] == [
        ("dynamodb", "put_item", 2.0, {"TableName": table}) for table in ("state", "another")
    ]
    resources.failed(Resource("DYNAMODB_TABLE_NAME", "state"), "put_item", "Code", "why")
    (*_, ended), (*_, ended_elsewhere) = given
    calls = [Begun(None), Begun({})]
    ended(calls[0])
    ended_elsewhere(calls[1])
    assert log.names == ["resource.unusable"]
    ended(calls[1])
    assert log.names == ["resource.unusable", "resource.usable"]
    assert told == [calls[0], calls[1], calls[1]]
