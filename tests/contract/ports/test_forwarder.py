"""What every forwarder promises: an answer for each task, in order, up to both maxima of a batch."""

import pytest

from tests.support.memory_ports import MemoryForwarder
from tests.support.patience import PATIENCE_S
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.sqs_forwarder import SqsForwarder
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.ports.forwarder import Accepted, Forwarder
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent

pytestmark = pytest.mark.asyncio


def task(data: bytes, message_id: str) -> ForwardTask:
    return ForwardTask(Agent.DEV, message_id, data, "2026-11-22T20:00:00.123Z", "c-7f3a", "proj_123")


@pytest.fixture(params=["memory", "sdk", "wire"])
def port(request: pytest.FixtureRequest, aws: Aws, queue_url: str) -> Forwarder:
    """A forwarder whose queues are empty: in memory, or SQS through either of the two clients."""
    if request.param == "memory":
        return MemoryForwarder()
    call = aws.call if request.param == "sdk" else AwsWire(aws).call
    return SqsForwarder(dict.fromkeys(Agent, queue_url), "envelope", call, timeout_s=PATIENCE_S)


async def test_every_task_is_answered_in_order(port: Forwarder) -> None:
    tasks = [task(b"%d" % index, message_id=f"m-{index}") for index in range(port.batch_messages_max)]
    prepared = [port.prepare(one) for one in tasks]
    assert all(ready.size >= len(one.data) for ready, one in zip(prepared, tasks, strict=True))
    answers = await port.send(Agent.DEV, prepared)
    assert len(answers) == len(tasks)
    receipts = [answer.receipt for answer in answers if isinstance(answer, Accepted)]
    assert len(set(receipts)) == len(tasks)
    assert not port.keeps_order(Agent.DEV)


async def test_a_batch_is_taken_at_both_maxima(port: Forwarder) -> None:
    count = port.batch_messages_max
    ids = [f"m-{index:04}" for index in range(count)]
    besides = port.prepare(task(b'""', message_id=ids[0])).size
    room = port.batch_bytes_max - besides * count
    data = [b'"%b"' % (b"x" * (room // count + (room % count if index == 0 else 0))) for index in range(count)]
    prepared = [port.prepare(task(text, message_id=name)) for text, name in zip(data, ids, strict=True)]
    assert sum(ready.size for ready in prepared) == port.batch_bytes_max
    answers = await port.send(Agent.DEV, prepared)
    assert [type(answer) for answer in answers] == [Accepted] * count


async def test_a_queue_that_is_there_is_found(port: Forwarder) -> None:
    for agent in Agent:
        await port.check(agent)
