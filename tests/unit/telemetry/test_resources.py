"""What the log says of queues and tables that only an operator can make usable."""

from tests.support.nodes import NotedEvents
from websocket_handler.telemetry.resources import BURST, REMINDER_S, Resource, Resources

QUEUE = Resource("SQS_QUEUE_URL_QA", "https://sqs/1/qa")
TABLE = Resource("DYNAMODB_TABLE_NAME", "state")


class Watch:
    """Resources with a clock in the test's hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log = NotedEvents()
        self.resources = Resources(self.log, lambda: self.now)

    def fail(self, resource: Resource = QUEUE, operation: str = "send", code: str = "Gone") -> None:
        self.resources.failed(resource, operation, code, "no such queue")


def test_a_line_names_the_resource_and_the_setting() -> None:
    watch = Watch()
    watch.fail()
    fields = {
        "setting": "SQS_QUEUE_URL_QA",
        "resource": "https://sqs/1/qa",
        "operation": "send",
        "code": "Gone",
        "reason": "no such queue",
    }
    assert watch.log.events == [("resource.unusable", fields)]
    assert watch.resources.unusable == 1


def test_it_is_told_once_and_then_once_a_minute_with_what_was_left_out() -> None:
    watch = Watch()
    for _ in range(1000):
        watch.fail()
    assert watch.log.names == ["resource.unusable"]
    watch.now = REMINDER_S
    watch.fail()
    assert watch.log.names == ["resource.unusable"] * 2
    assert watch.log.events[-1][1]["left_out"] == 999


def test_the_end_is_told_and_each_resource_is_counted_on_its_own() -> None:
    watch = Watch()
    watch.fail()
    watch.fail(TABLE)
    watch.resources.worked(QUEUE, "send")
    assert watch.resources.unusable == 1
    assert watch.log.events[-1] == ("resource.usable", {"setting": QUEUE.setting, "resource": QUEUE.name})
    watch.resources.worked(QUEUE, "send")
    assert watch.log.names.count("resource.usable") == 1


def test_another_operation_that_works_does_not_hide_the_fault() -> None:
    """A look at the queue may be permitted where sending is not."""
    watch = Watch()
    watch.fail(operation="send", code="AccessDenied")
    watch.resources.worked(QUEUE, "look")
    assert watch.resources.unusable == 1
    assert watch.log.names == ["resource.unusable"]


def test_a_resource_that_changes_to_and_fro_does_not_flood_the_log() -> None:
    watch = Watch()
    for _ in range(1000):
        watch.fail()
        watch.resources.worked(QUEUE, "send")
    assert watch.log.names.count("resource.unusable") == BURST
    assert watch.log.names.count("resource.usable") == BURST


def test_another_reason_is_told_at_once() -> None:
    watch = Watch()
    watch.fail(code="Gone")
    watch.fail(code="AccessDenied")
    assert [fields["code"] for _, fields in watch.log.events] == ["Gone", "AccessDenied"]
