"""What every update source promises: at least once, until it is deleted."""

import contextlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.support.memory_ports import MemoryUpdateSource
from tests.support.ports_testing import all_of
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.sqs_updates import SqsUpdateSource
from websocket_handler.ports.update_source import SourceUnavailable, Update, UpdateSource

pytestmark = pytest.mark.asyncio
Put = Callable[[bytes, str | None], None]


@pytest.fixture(params=["memory", "sqs"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(kind: str, aws: Aws, queue_url: str) -> UpdateSource:
    return MemoryUpdateSource() if kind == "memory" else SqsUpdateSource(queue_url, aws.call, long_poll_s=1)


@pytest.fixture
def put(source: UpdateSource, sqs: Any, queue_url: str) -> Put:
    def put(body: bytes, project_id: str | None) -> None:
        if isinstance(source, MemoryUpdateSource):
            source.put([Update(uuid4().hex, "", body, {"ProjectId": project_id} if project_id else {})])
            return
        attributes = {"ProjectId": {"DataType": "String", "StringValue": project_id}} if project_id else {}
        sqs.send_message(QueueUrl=queue_url, MessageBody=body.decode(), MessageAttributes=attributes)

    return put


async def test_body_and_project_arrive(source: UpdateSource, put: Put) -> None:
    body = '{"type":"x", "t":"é😀"}'.encode()
    put(body, "proj_1")
    put(b"not json", None)
    updates = await all_of(source, 2)
    found = {(update.body, update.attributes.get("ProjectId")) for update in updates}
    assert found == {(body, "proj_1"), (b"not json", None)}
    assert len({update.update_id for update in updates}) == 2


async def test_at_most_ten_at_once_and_none_is_lost(source: UpdateSource, put: Put) -> None:
    for index in range(23):
        put(b"%d" % index, None)
    assert len(await source.receive()) <= 10
    rest = await all_of(source, 13)
    assert len({update.update_id for update in rest}) == 13


async def test_as_many_as_the_source_says_are_deleted_and_extended_in_one_call(source: UpdateSource, put: Put) -> None:
    for index in range(source.batch_messages_max):
        put(b"%d" % index, None)
    handles = [update.handle for update in await all_of(source, source.batch_messages_max)]
    await source.extend(handles)
    await source.delete(handles)
    if isinstance(source, MemoryUpdateSource):
        assert source.hidden == {}


async def test_what_is_not_deleted_comes_again(source: UpdateSource, put: Put, sqs: Any, queue_url: str) -> None:
    put(b"a", None)
    put(b"b", None)
    first = {update.body: update for update in await all_of(source, 2)}
    await source.delete([first[b"a"].handle])
    if isinstance(source, MemoryUpdateSource):
        source.reappear()
    else:
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=first[b"b"].handle, VisibilityTimeout=0)
    [again] = await all_of(source, 1)
    assert again.body == b"b"
    assert again.update_id == first[b"b"].update_id


async def test_nothing_and_garbage_are_harmless(source: UpdateSource, put: Put) -> None:
    await source.delete([])
    await source.extend([])
    put(b"a", None)
    [update] = await all_of(source, 1)
    await source.delete([update.handle])
    for handles in ([update.handle], ["garbage"], ["", "ä", update.handle]):
        for operation in (source.delete, source.extend):
            with contextlib.suppress(SourceUnavailable):
                await operation(handles)
    put(b"b", None)
    assert [update.body for update in await all_of(source, 1)] == [b"b"], "the others are left alone"


async def test_a_standard_queue_has_no_order(source: UpdateSource) -> None:
    assert not source.is_ordered
