"""What the view of the queues asks SQS, and what each of its answers means."""

from __future__ import annotations

from typing import Any

import pytest

from demo.testing import Emulator
from tests.support.patience import PATIENCE_S
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.sqs_queues import SqsQueues
from websocket_handler.ports.queues import MoveUnderWay, NoDeadLetters, QueueState, QueueUnreachable

pytestmark = pytest.mark.asyncio
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/dev"
DEAD_ARN = "arn:aws:sqs:eu-west-1:123456789012:dev-dead-letters"
POLICY = f'{{"deadLetterTargetArn":"{DEAD_ARN}","maxReceiveCount":5}}'
FULL = {
    "ApproximateNumberOfMessages": "3",
    "ApproximateNumberOfMessagesNotVisible": "2",
    "ApproximateNumberOfMessagesDelayed": "1",
}
DENIED = AwsError(Fault.DENIED, "AccessDenied", "no right")


class Account:
    """An `AwsCall` that knows one queue and its dead-letter queue."""

    def __init__(self, policy: str = POLICY, *, look: AwsError | None = None, move: AwsError | None = None) -> None:
        self._policy = policy
        self._look = look
        self._move = move
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, service: str, operation: str, timeout_s: float, **given: Any) -> dict[str, Any]:
        assert (service, timeout_s) == ("sqs", 5.0)
        self.calls.append((operation, given))
        if operation == "get_queue_attributes":
            if given["QueueUrl"] == URL:
                return {"Attributes": FULL | ({"RedrivePolicy": self._policy} if self._policy else {})}
            if self._look is not None:
                raise self._look
            return {"Attributes": {"ApproximateNumberOfMessages": "4", "ApproximateNumberOfMessagesNotVisible": "1"}}
        if self._move is not None:
            raise self._move
        return {"TaskHandle": "x"}


async def test_a_look_reads_the_queue_and_the_queue_that_its_policy_names() -> None:
    account = Account()
    assert await SqsQueues({"dev": URL}, account).look("dev") == QueueState(3, 2, 1, 5)
    assert [given["QueueUrl"] for _, given in account.calls] == [URL, f"{URL}-dead-letters"]


async def test_dead_letters_that_may_not_be_counted_hide_nothing_else() -> None:
    state = await SqsQueues({"dev": URL}, Account(look=DENIED)).look("dev")
    assert (state.waiting, state.in_flight, state.dead_letters, state.fault) == (3, 2, None, "AccessDenied: no right")


@pytest.mark.parametrize("policy", ["", "{", "[]", "{}", '{"deadLetterTargetArn":""}'])
async def test_without_a_policy_that_can_be_read_there_are_no_dead_letters(policy: str) -> None:
    queues = SqsQueues({"dev": URL}, Account(policy))
    assert await queues.look("dev") == QueueState(3, 2, 1, None)
    with pytest.raises(NoDeadLetters):
        await queues.return_dead_letters("dev")


@pytest.mark.parametrize(
    "arn", ["nonsense", "arn:aws:sqs:eu-west-1:1:a/../b", "arn:aws:sns:eu-west-1:1:a", f"{DEAD_ARN}x" * 4]
)
async def test_an_arn_that_names_no_queue_is_asked_nowhere(arn: str) -> None:
    account = Account(f'{{"deadLetterTargetArn":"{arn}"}}')
    state = await SqsQueues({"dev": URL}, account).look("dev")
    assert (state.dead_letters, state.fault) == (None, "the RedrivePolicy names no queue")
    with pytest.raises(QueueUnreachable):
        await SqsQueues({"dev": URL}, account).return_dead_letters("dev")
    assert {given["QueueUrl"] for _, given in account.calls} == {URL}


async def test_a_redrive_names_no_destination() -> None:
    """So that each message goes back to its own queue, also if several queues share their dead-letter queue."""
    account = Account()
    assert await SqsQueues({"dev": URL}, account).return_dead_letters("dev") == 5
    assert account.calls[-1] == ("start_message_move_task", {"SourceArn": DEAD_ARN})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("There is already a task running. Only one active task is allowed for a source queue arn.", MoveUnderWay),
        ("Only one active message movement task is supported per queue", MoveUnderWay),
        ("This operation is not supported for this queue", QueueUnreachable),
    ],
)
async def test_a_move_that_runs_is_told_from_one_that_cannot_be(message: str, expected: type[Exception]) -> None:
    move = AwsError(Fault.UNFIT, "AWS.SimpleQueueService.UnsupportedOperation", message)
    with pytest.raises(expected):
        await SqsQueues({"dev": URL}, Account(move=move)).return_dead_letters("dev")


async def test_a_move_that_is_not_permitted_names_the_right() -> None:
    with pytest.raises(QueueUnreachable, match="AccessDenied"):
        await SqsQueues({"dev": URL}, Account(move=DENIED)).return_dead_letters("dev")


async def test_an_outage_is_told_and_heals(aws: Aws, queue_url: str, emulator: Emulator) -> None:
    impatient, patient = (SqsQueues({"dev": queue_url}, aws.call, timeout_s=time) for time in (0.1, PATIENCE_S))
    emulator.add_fault("sqs", "stall", stall_s=300)
    for attempt in (impatient.look, impatient.return_dead_letters):
        with pytest.raises(QueueUnreachable):
            await attempt("dev")
    emulator.clear_faults()
    assert (await patient.look("dev")).waiting == 0
    with pytest.raises(QueueUnreachable, match="NonExistentQueue"):
        await SqsQueues({"dev": f"{queue_url}-gone"}, aws.call, timeout_s=PATIENCE_S).look("dev")
