"""What SQS gets from our forwarder, and what each of its answers means."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from demo.testing import Emulator
from tests.support.spec_files import SPEC
from tests.support.wire_testing import EVER_S
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sdk import Aws, AwsCall
from websocket_handler.adapters.aws.sqs_forwarder import MESSAGE_BYTES_MAX, BodyFormat, SqsForwarder
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.forwarder import Accepted, QueueUnavailable, QueueUnusable, Refused
from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Forward, ForwardTask
from websocket_handler.protocol.names import Agent, agent_named

VECTORS = json.loads((SPEC / "vectors" / "forward-messages.json").read_text(encoding="utf-8"))
NOW = "2026-11-22T20:00:00.123Z"


def task(data: bytes = b"{}", *, message_id: str = "m-1", project_id: str | None = "proj_123") -> ForwardTask:
    return ForwardTask(Agent.DEV, message_id, data, NOW, "c-7f3a", project_id)


CallOf = Callable[[Aws], AwsCall]
CLIENTS: dict[str, CallOf] = {"sdk": lambda aws: aws.call, "wire": lambda aws: AwsWire(aws).call}


@pytest.fixture(params=CLIENTS)
def call_of(request: pytest.FixtureRequest) -> CallOf:
    """Both clients keep the contract: the SDK, and the light one beside it."""
    return CLIENTS[request.param]


@pytest.fixture
def call(call_of: CallOf, aws: Aws) -> AwsCall:
    return call_of(aws)


def forwarder(url: str, call: AwsCall, body_format: BodyFormat = "envelope", timeout_s: float = EVER_S) -> SqsForwarder:
    return SqsForwarder(dict.fromkeys(Agent, url), body_format, call, timeout_s=timeout_s)


def received(sqs: Any, url: str, count: int) -> list[dict[str, Any]]:
    """The messages in the queue, which has to hold exactly `count`."""
    messages: list[dict[str, Any]] = []
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        if not answer.get("Messages"):
            assert len(messages) == count
            return messages
        messages += answer["Messages"]
        for message in answer["Messages"]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


@pytest.mark.asyncio
@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
async def test_the_vectors_of_the_specification(
    vector: dict[str, Any], call: AwsCall, sqs: Any, queue_url: str
) -> None:
    command = decode_command(vector["command"].encode())
    assert isinstance(command, Forward)
    agent = agent_named(command.type)
    assert agent is not None
    project_id = None if command.project_id is msgspec.UNSET else command.project_id
    made = ForwardTask(
        agent,
        str(command.message_id),
        bytes(command.data),
        vector["timestamp"],
        vector["connection_id"],
        project_id,
    )
    port = forwarder(queue_url, call, vector["body_format"])
    [answer] = await port.send(agent, [port.prepare(made)])
    [message] = received(sqs, queue_url, 1)
    assert answer == Accepted(message["MessageId"])
    assert message["Body"] == vector["body"]
    assert attributes(message) == vector["attributes"]
    assert message["Attributes"].get("MessageGroupId") == project_id


@pytest.mark.asyncio
@pytest.mark.parametrize(("project_id", "group"), [("proj_123", "proj_123"), (None, "dev")])
async def test_fifo_has_group_and_deduplication(
    project_id: str | None, group: str, call: AwsCall, sqs: Any, fifo_url: str
) -> None:
    port = forwarder(fifo_url, call)
    assert port.keeps_order(Agent.DEV)
    again = port.prepare(task(project_id=project_id))
    [first] = await port.send(Agent.DEV, [again])
    [second] = await port.send(Agent.DEV, [again])
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    [message] = received(sqs, fifo_url, 1)
    assert message["Attributes"]["MessageGroupId"] == group
    assert message["Attributes"]["MessageDeduplicationId"] == "m-1"


@pytest.mark.asyncio
async def test_a_project_keeps_its_order_in_a_fifo_queue(call: AwsCall, sqs: Any, fifo_url: str) -> None:
    port = forwarder(fifo_url, call, "data")
    for batch in range(3):
        numbers = range(batch * 10, batch * 10 + 10)
        await port.send(Agent.DEV, [port.prepare(task(b"%d" % number, message_id=f"m-{number}")) for number in numbers])
    assert [message["Body"] for message in received(sqs, fifo_url, 30)] == [str(n) for n in range(30)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "data",
    [
        '"\ufffe"'.encode(),
        '"\uffff"'.encode(),
        *(b'"%c"' % code for code in (0, 8, 11, 12, 27, 31)),
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\xc3"',
    ],
)
@pytest.mark.parametrize("body_format", ["envelope", "data"])
async def test_characters_that_sqs_refuses(call: AwsCall, queue_url: str, body_format: BodyFormat, data: bytes) -> None:
    with pytest.raises(CommandError) as refusal:
        forwarder(queue_url, call, body_format).prepare(task(data))
    assert refusal.value.code is ErrorCode.INVALID_CHARACTERS


@pytest.mark.asyncio
async def test_every_other_character_arrives(call: AwsCall, sqs: Any, queue_url: str) -> None:
    text = "\t\n\r\x20\x7f\x80\x85\ud7ff\ue000\ufffd\U00010000\U0010ffff\u2028😀"
    data = text.encode()
    port = forwarder(queue_url, call, "data")
    await port.send(Agent.DEV, [port.prepare(task(data))])
    assert received(sqs, queue_url, 1)[0]["Body"] == text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (task(project_id="a b"), ErrorCode.INVALID_PROJECT_ID),
        (task(project_id="p" * 129), ErrorCode.INVALID_PROJECT_ID),
        (task(project_id=""), ErrorCode.INVALID_PROJECT_ID),
        (task(message_id=""), ErrorCode.INVALID_CHARACTERS),
        (task(message_id="m 1"), ErrorCode.INVALID_CHARACTERS),
        (ForwardTask(Agent.DEV, "m", b"{}", NOW, "c\x00"), ErrorCode.INVALID_CHARACTERS),
        (ForwardTask(Agent.DEV, "m", b"{}", NOW, "c\ud800"), ErrorCode.INVALID_CHARACTERS),
    ],
)
async def test_names_that_sqs_refuses(call: AwsCall, queue_url: str, wrong: ForwardTask, code: ErrorCode) -> None:
    with pytest.raises(CommandError) as refusal:
        forwarder(queue_url, call, "data").prepare(wrong)
    assert refusal.value.code is code


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp, above 1 MiB of JSON
@pytest.mark.parametrize("body_format", ["envelope", "data"])
async def test_the_largest_message_and_one_byte_more(
    call: AwsCall, sqs: Any, queue_url: str, body_format: BodyFormat
) -> None:
    port = forwarder(queue_url, call, body_format)
    room = MESSAGE_BYTES_MAX - port.prepare(task(b'""')).size
    largest = port.prepare(task(b'"%b"' % (b"x" * room)))
    assert largest.size == MESSAGE_BYTES_MAX
    with pytest.raises(CommandError) as refusal:
        port.prepare(task(b'"%b"' % (b"x" * (room + 1))))
    assert refusal.value.code is ErrorCode.MESSAGE_TOO_LARGE
    [answer] = await port.send(Agent.DEV, [largest])
    assert isinstance(answer, Accepted)
    received(sqs, queue_url, 1)


@pytest.mark.asyncio
async def test_one_bad_message_does_not_take_the_others_with_it(call: AwsCall, sqs: Any, queue_url: str) -> None:
    port = forwarder(queue_url, call, "data")
    tasks = [port.prepare(task(b'"x"', message_id=f"m-{index}")) for index in range(3)]
    tasks[1].message["MessageBody"] = '"\ufffe"'  # past our own check
    first, second, third = await port.send(Agent.DEV, tasks)
    assert isinstance(first, Accepted)
    assert isinstance(third, Accepted)
    assert isinstance(second, Refused)
    assert second.is_senders_fault
    assert "InvalidMessageContents" in second.reason
    received(sqs, queue_url, 2)


@pytest.mark.asyncio
async def test_what_sqs_failed_on_may_be_sent_again(
    call: AwsCall, sqs: Any, queue_url: str, emulator: Emulator
) -> None:
    port = forwarder(queue_url, call, "data")
    emulator.add_fault("sqs", "partial", probability=1.0, seed=7, for_requests=1)
    tasks = [port.prepare(task(b"%d" % index, message_id=f"m-{index}")) for index in range(10)]
    answers = await port.send(Agent.DEV, tasks)
    again = [one for one, answer in zip(tasks, answers, strict=True) if isinstance(answer, Refused)]
    assert again
    assert not any(answer.is_senders_fault for answer in answers if isinstance(answer, Refused))
    _all_accepted(await port.send(Agent.DEV, again))
    bodies = sorted(message["Body"] for message in received(sqs, queue_url, 10))
    assert bodies == [str(index) for index in range(10)]


def _all_accepted(answers: Sequence[Accepted | Refused]) -> None:
    assert all(isinstance(answer, Accepted) for answer in answers), answers


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["error", "throttle", "stall"])
async def test_an_outage_fails_the_whole_call_and_heals(
    call: AwsCall, queue_url: str, emulator: Emulator, mode: str
) -> None:
    impatient, port = forwarder(queue_url, call, timeout_s=0.1), forwarder(queue_url, call)
    emulator.add_fault("sqs", mode, stall_s=300)
    with pytest.raises(QueueUnavailable):
        await impatient.send(Agent.DEV, [impatient.prepare(task())])
    emulator.clear_faults()
    _all_accepted(await port.send(Agent.DEV, [port.prepare(task())]))


@pytest.mark.asyncio
async def test_a_queue_or_a_host_that_is_not_there(
    call: AwsCall, call_of: CallOf, queue_url: str, emulator: Emulator
) -> None:
    port = forwarder(queue_url + "-gone", call)
    with pytest.raises(QueueUnavailable, match="NonExistentQueue"):
        await port.send(Agent.DEV, [port.prepare(task())])
    async with Aws("us-east-1", "http://127.0.0.1:1") as nowhere:
        with pytest.raises(QueueUnavailable):
            await forwarder(queue_url, call_of(nowhere)).send(Agent.DEV, [port.prepare(task())])


@pytest.mark.asyncio
async def test_only_an_operator_can_help_a_queue_that_is_not_there(
    call: AwsCall, call_of: CallOf, queue_url: str
) -> None:
    port = forwarder(queue_url + "-gone", call)
    for attempt in (port.check(Agent.DEV), port.send(Agent.DEV, [port.prepare(task())])):
        with pytest.raises(QueueUnusable) as raised:
            await attempt
        assert raised.value.code == "AWS.SimpleQueueService.NonExistentQueue"
    async with Aws("us-east-1", "http://127.0.0.1:1") as nowhere:
        with pytest.raises(QueueUnavailable) as outage:
            await forwarder(queue_url, call_of(nowhere)).check(Agent.DEV)
        assert not isinstance(outage.value, QueueUnusable)


class Answers:
    """An `AwsCall` that answers as the test says, by the ids of the entries."""

    def __init__(self, fault: AwsError, *, refuses: str = "") -> None:
        self.fault = fault
        self.refuses = refuses
        self.batches: list[list[str]] = []

    async def __call__(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        assert timeout_s > 0
        if operation != "send_message_batch":
            raise self.fault
        bodies = [entry["MessageBody"] for entry in parameters["Entries"]]
        self.batches.append(bodies)
        if self.refuses in bodies:
            raise self.fault
        taken = [{"Id": entry["Id"], "MessageId": entry["MessageBody"]} for entry in parameters["Entries"]]
        return {"Successful": taken}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("code", "is_usable"), [("AccessDenied", True), ("AccessDeniedException", True), ("InvalidClientTokenId", False)]
)
async def test_a_look_that_is_not_permitted_says_nothing_about_sending(code: str, is_usable: bool) -> None:
    port = forwarder("https://q/1/dev", Answers(AwsError(Fault.DENIED, code, "no")))
    if is_usable:
        await port.check(Agent.DEV)
    else:
        with pytest.raises(QueueUnusable):
            await port.check(Agent.DEV)
    denied = forwarder("https://q/1/dev", Answers(AwsError(Fault.DENIED, code, "no"), refuses="1"), "data")
    with pytest.raises(QueueUnusable) as raised:
        await denied.send(Agent.DEV, [denied.prepare(task(b"1"))])
    assert raised.value.is_of_one_right == is_usable


@pytest.mark.asyncio
async def test_a_call_that_is_refused_for_one_task_takes_the_others() -> None:
    """SQS refuses some batches as a whole: for a missing group, for example."""
    answers = Answers(AwsError(Fault.REFUSED, "MissingParameter", "no group"), refuses="1")
    port = forwarder("https://q/1/dev", answers, "data")
    tasks = [port.prepare(task(b"%d" % index, message_id=f"m-{index}")) for index in range(3)]
    assert await port.send(Agent.DEV, tasks) == [
        Accepted("0"),
        Refused("MissingParameter: no group", is_senders_fault=True),
        Accepted("2"),
    ]
    assert answers.batches == [["0", "1", "2"], ["0"], ["1"], ["2"]]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("entry", "is_final"),
    [
        ({"Code": "InternalError", "SenderFault": False}, False),
        ({"Code": "ThrottlingException", "SenderFault": True}, False),
        ({"Code": "KmsThrottled", "SenderFault": True}, False),
        ({"Code": "AccessDenied", "SenderFault": False}, True),
        ({"Code": "InvalidMessageContents", "SenderFault": True}, True),
        ({"Code": "ANewWord", "SenderFault": True}, True),
        ({"Code": "ANewWord"}, False),
        ({}, False),
    ],
)
async def test_which_failed_entries_are_worth_another_try(entry: dict[str, Any], is_final: bool) -> None:
    async def call(*_args: object, **_parameters: object) -> dict[str, Any]:
        return {"Failed": [{"Id": "0", **entry}]}

    port = forwarder("https://q/1/dev", call)
    [answer] = await port.send(Agent.DEV, [port.prepare(task())])
    assert isinstance(answer, Refused)
    assert answer.is_senders_fault is is_final


@pytest.mark.asyncio
async def test_every_agent_needs_a_queue(call: AwsCall) -> None:
    with pytest.raises(ValueError, match="no queue URL for: qa, ops"):
        SqsForwarder({Agent.PM: "u", Agent.DEV: "u", Agent.QA: ""}, "data", call)
