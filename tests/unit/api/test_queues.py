"""The queues over HTTP: what an operator reads, and the note of what an operator did."""

import pytest

from tests.support.http_api import Api, KnownTokens, bearer, known
from tests.support.memory_queues import MemoryQueue, MemoryQueues
from tests.support.nodes import NotedEvents
from tests.support.virtual_time import in_virtual_time
from websocket_handler.protocol.identity import ADMIN, RIGHTS

QUEUES = "/api/v1/queues"


def api_with(queues: MemoryQueues) -> Api:
    tokens = KnownTokens(root=known("root"), ada=known("ada", rights=[right for right in RIGHTS if right != ADMIN]))
    return Api(tokens=tokens, ports={"queues": queues})


@in_virtual_time
async def test_queues_are_listed_with_their_counts() -> None:
    api = api_with(MemoryQueues(dev=MemoryQueue(["a"], ["b"], ["c"]), qa=MemoryQueue(dead_letters=None)))
    answer = await api.ask("GET", QUEUES, authorization=bearer("root"))
    assert (answer.status, answer.json) == (
        200,
        {
            "queues": [
                {"queue": "dev", "waiting": 1, "in_flight": 1, "delayed": 0, "dead_letters": 1},
                {"queue": "qa", "waiting": 0, "in_flight": 0, "delayed": 0},
            ]
        },
    )
    head = await api.ask("HEAD", QUEUES, authorization=bearer("root"))
    assert (head.status, head.body) == (200, b"")


@in_virtual_time
async def test_a_queue_that_does_not_answer_is_in_the_list() -> None:
    queues = MemoryQueues(dev=MemoryQueue())
    queues.fault = "Timeout: no answer in 5 s"
    answer = await api_with(queues).ask("GET", QUEUES, authorization=bearer("root"))
    assert answer.json == {"queues": [{"queue": "dev", "fault": "Timeout: no answer in 5 s"}]}


@in_virtual_time
async def test_a_redrive_is_noted_with_who_asked() -> None:
    queues = MemoryQueues(dev=MemoryQueue([], [], ["c", "d"]))
    api = api_with(queues)
    answer = await api.ask("POST", f"{QUEUES}/dev/redrive", authorization=bearer("root"))
    assert (answer.status, answer.json) == (202, {"type": "redrive_begun", "queue": "dev", "messages": 2})
    assert queues.queues["dev"].waiting == ["c", "d"]
    log = api.core.ports.log
    assert isinstance(log, NotedEvents)
    acted = {"action": "redrive", "user_id": "root", "queue": "dev", "messages": 2}
    assert log.events[-1] == ("operator.acted", acted)


@in_virtual_time
async def test_a_queue_that_does_not_answer_moves_nothing_and_may_be_asked_again() -> None:
    queues = MemoryQueues(dev=MemoryQueue([], [], ["c"]))
    queues.fault = "Timeout: no answer in 5 s"
    answer = await api_with(queues).ask("POST", f"{QUEUES}/dev/redrive", authorization=bearer("root"))
    assert (answer.status, answer.code, answer.json["retryable"]) == (503, "queue_unavailable", True)
    assert queues.queues["dev"].dead_letters == ["c"]


@pytest.mark.parametrize(("method", "path"), [("GET", QUEUES), ("POST", f"{QUEUES}/dev/redrive")])
@in_virtual_time
async def test_only_an_operator_may(method: str, path: str) -> None:
    queues = MemoryQueues(dev=MemoryQueue([], [], ["c"]))
    answer = await api_with(queues).ask(method, path, authorization=bearer("ada"))
    assert (answer.status, answer.code) == (403, "forbidden")
    assert queues.queues["dev"].dead_letters == ["c"]


@pytest.mark.parametrize("name", ["absent", "Dev", "a" * 1000, "%00"])
@in_virtual_time
async def test_a_queue_that_nobody_knows_is_not_found(name: str) -> None:
    api = api_with(MemoryQueues(dev=MemoryQueue()))
    answer = await api.ask("POST", f"{QUEUES}/{name}/redrive", authorization=bearer("root"))
    assert (answer.status, answer.code) == (404, "not_found")
