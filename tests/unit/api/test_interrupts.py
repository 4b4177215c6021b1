"""Open questions of runs: who lists them, who answers first, and that the agent gets one answer."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.http_api import Api, Exchange, KnownTokens, bearer, known
from tests.support.memory_ports import MemoryForwarder
from tests.support.nodes import RETAINED, NotedEvents
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.decisions import PATIENCE_S, fold_now
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.ports.forwarder import Accepted, Prepared, Refused
from websocket_handler.protocol.names import Agent

LIST = "/api/v1/projects/p/interrupts"
SHORT = LogLimits(messages=10, bytes=1_000_000, seconds=1e9)
TOKENS = KnownTokens(
    ann=known("ann", "p"), bob=known("bob", "p"), reader=known("reader", "p", rights=("subscribe", "forward:qa"))
)


class Shelf(MemoryLogStore):
    """A store for several nodes."""

    is_shared = True


class Fifo(MemoryForwarder):
    """A queue that takes a task once, as SQS does with a message id that it knows."""

    async def send(self, agent: Agent, tasks: Any) -> list[Accepted | Refused]:
        known_ids = {task.message_id for task in self.queues[agent]}
        fresh: list[Prepared] = [task for task in tasks if task.message.message_id not in known_ids]
        await super().send(agent, fresh)
        return [Accepted(f"receipt of {task.message.message_id}") for task in tasks]


class Deaf(Fifo):
    """A queue whose answer never comes. `is_lost`: the task does not reach it either."""

    def __init__(self, *, is_lost: bool) -> None:
        super().__init__()
        self.is_lost = is_lost

    async def send(self, agent: Agent, tasks: Any) -> list[Accepted | Refused]:
        if not self.is_lost:
            await super().send(agent, tasks)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def shelf(limits: LogLimits = RETAINED) -> Shelf:
    return Shelf(SteeredClock(loop_time), limits)


def node(
    store: MemoryLogStore | None = None,
    forwarder: MemoryForwarder | None = None,
    *,
    tokens: Any = TOKENS,
    **options: Any,
) -> Api:
    ports: dict[str, Any] = {"forwarder": forwarder or Fifo()}
    return Api(tokens=tokens, ports=ports | ({"log_store": store} if store is not None else {}), **options)


async def ask_people(api: Api, run_id: str, *ids: str, agent: str | None = "dev", **more: Any) -> None:
    """A run asks, and ends with that."""
    run = {"threadId": "p", "runId": run_id, **({"agent": agent} if agent else {})}
    interrupts = [{"id": each, "reason": "approval", **more} for each in ids]
    outcome = {"type": "interrupt", "interrupts": interrupts}
    api.core.server.send_to_project("p", {"type": "RUN_STARTED", **run})
    api.core.server.send_to_project("p", {"type": "RUN_FINISHED", **run, "outcome": outcome})
    await settle()


async def answer(api: Api, interrupt_id: str = "i", who: str = "ann", **fields: Any) -> Exchange:
    body = json.dumps(fields).encode()
    return await api.ask("POST", f"{LIST}/{interrupt_id}", body, authorization=bearer(who))


async def listed(api: Api, who: str = "ann") -> list[str]:
    exchange = await api.ask("GET", LIST, authorization=bearer(who))
    assert exchange.status == 200, exchange.body
    return [each["id"] for each in exchange.json["interrupts"]]


def tasks(forwarder: MemoryForwarder, agent: Agent = Agent.DEV) -> list[Any]:
    return forwarder.queues[agent]


@in_virtual_time
async def test_an_answer_reaches_the_agent_and_the_second_one_hears_who_was_faster() -> None:
    queue = Fifo()
    api = node(forwarder=queue)
    assert await listed(api) == []
    await ask_people(api, "r1", "i", "j/k ä")
    assert await listed(api) == ["i", "j/k ä"]
    first = await answer(api, status="resolved", payload={"approved": True})
    assert first.status == 200, first.body
    assert (first.json["type"], first.json["agent"]) == ("decision_confirmed", "dev")
    second = await answer(api, who="bob", payload={"approved": False})
    assert (second.status, second.code, second.json["decided_by"]) == (409, "already_decided", "ann")
    assert second.json["decided_at"] in second.json["message"]
    (task,) = tasks(queue)
    data = json.loads(task.data)
    resume = [{"interruptId": "i", "status": "resolved", "payload": {"approved": True}}]
    assert (data["resume"], data["parentRunId"], data["runId"]) == (resume, "r1", task.message_id)
    assert (task.user_id, task.message_id) == ("ann", first.json["message_id"])
    other = await answer(api, "j%2Fk%20%C3%A4", status="cancelled")
    assert other.status == 200, other.body
    assert json.loads(tasks(queue)[1].data)["resume"] == [{"interruptId": "j/k ä", "status": "cancelled"}]
    assert await listed(api) == []


@in_virtual_time
async def test_two_people_on_two_nodes_answer_a_thousand_times_and_the_agent_gets_a_thousand_answers() -> None:
    store, queue = shelf(), Fifo()
    nodes = [node(store, queue), node(store, queue)]
    won = {"ann": 0, "bob": 0}
    for number in range(1000):
        await ask_people(nodes[number % 2], f"r{number}", f"i{number}")
        exchanges = await asyncio.gather(
            answer(nodes[0], f"i{number}", "ann", payload="ann"), answer(nodes[1], f"i{number}", "bob", payload="bob")
        )
        assert sorted(each.status for each in exchanges) == [200, 409], [each.body for each in exchanges]
        winner = "ann" if exchanges[0].status == 200 else "bob"
        loser = exchanges[1 if winner == "ann" else 0]
        assert (loser.code, loser.json["decided_by"]) == ("already_decided", winner)
        assert json.loads(tasks(queue)[-1].data)["resume"][0]["payload"] == winner
        won[winner] += 1
        assert len(tasks(queue)) == number + 1
    assert sum(won.values()) == 1000


@in_virtual_time
async def test_the_first_answer_wins_also_where_no_key_is_remembered() -> None:
    """The key is forgotten after a while, so the condition has to be enough."""
    store, queue = shelf(), Fifo()
    forgetful = DeliveryLimits(key_count=0)
    nodes = [node(store, queue, delivery=forgetful), node(store, queue, delivery=forgetful)]
    for number in range(20):
        await ask_people(nodes[number % 2], f"r{number}", f"i{number}")
        exchanges = await asyncio.gather(
            answer(nodes[0], f"i{number}", "ann", payload="ann"), answer(nodes[1], f"i{number}", "bob", payload="bob")
        )
        assert sorted(each.status for each in exchanges) == [200, 409], [each.body for each in exchanges]
        assert len(tasks(queue)) == number + 1


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_node_that_dies_between_the_decision_and_the_queue_loses_no_answer(is_lost: bool) -> None:
    @in_virtual_time
    async def play() -> None:
        store, dying = shelf(), Deaf(is_lost=is_lost)
        first = node(store, dying)
        await ask_people(first, "r1", "i")
        dead = asyncio.create_task(answer(first, payload="yes"))
        await settle()
        dead.cancel()
        queue = Fifo()
        queue.queues = dying.queues  # the same queue, seen from another node
        second = node(store, queue)
        late = await answer(second, who="bob", payload="no")
        assert (late.code, late.json["decided_by"]) == ("already_decided", "ann")
        for _ in range(5):
            second.core.decisions.look()
            await asyncio.sleep(PATIENCE_S)
        await settle()
        (task,) = tasks(queue)
        assert json.loads(task.data)["resume"][0]["payload"] == "yes"
        assert task.user_id == "ann"

    play()


async def forgotten(api: Api) -> None:
    """So much happens that the log no longer holds what was before."""
    for _ in range(20):
        api.core.server.send_to_project("p", {"type": "note"})
        await settle()


@in_virtual_time
async def test_a_question_that_the_log_no_longer_holds_is_listed_and_answered_after_a_restart() -> None:
    store, queue, short = shelf(SHORT), Fifo(), DeliveryLimits(log=SHORT)
    first = node(store, queue, delivery=short)
    await ask_people(first, "r1", "i", "j")
    await forgotten(first)
    second = node(store, queue, delivery=short)
    assert await listed(second) == ["i", "j"]
    third = node(store, queue, delivery=short)
    assert (await answer(third, payload="yes")).status == 200
    assert [json.loads(task.data)["resume"][0]["payload"] for task in tasks(queue)] == ["yes"]
    await forgotten(third)
    again = await answer(node(store, queue, delivery=short), who="bob", payload="no")
    assert (again.code, again.json["decided_by"]) == ("already_decided", "ann")


@pytest.mark.parametrize("lease_s", [0.0, 40.0])
def test_an_answer_to_a_question_that_the_log_no_longer_holds_reaches_the_agent_though_its_node_dies(
    lease_s: float,
) -> None:
    @in_virtual_time
    async def play() -> None:
        store, dying, short = shelf(SHORT), Deaf(is_lost=True), DeliveryLimits(log=SHORT, run_lease_s=lease_s)
        first = node(store, dying, delivery=short)
        await ask_people(first, "r1", "i")
        await forgotten(first)
        dead = asyncio.create_task(answer(first, payload="yes"))
        await settle()
        dead.cancel()
        queue = Fifo()
        second = node(store, queue, delivery=short)
        second.core.node.project("p")
        for _ in range(3):
            second.core.node.end_leases()
            second.core.decisions.look()
            await asyncio.sleep(PATIENCE_S)
        (task,) = tasks(queue)
        assert (json.loads(task.data)["resume"][0]["payload"], task.user_id) == ("yes", "ann")

    play()


@in_virtual_time
async def test_what_a_publisher_calls_a_decision_goes_to_no_queue() -> None:
    queue = Fifo()
    api = node(forwarder=queue)
    await ask_people(api, "r1", "i")
    value = {"interruptId": "i", "agent": "ops", "by": "ann", "at": "now", "status": "resolved"}
    api.core.server.send_to_project("p", {"type": "CUSTOM", "name": "wsh.decided", "value": value})
    await settle()
    assert await listed(api) == []
    for _ in range(3):
        api.core.decisions.look()
        await asyncio.sleep(PATIENCE_S)
    assert not any(queue.queues.values())


@in_virtual_time
async def test_an_operators_decision_is_told_of_and_that_of_others_is_in_the_log_only() -> None:
    tokens = KnownTokens(root=known("root", "*"), ann=known("ann", "p", rights=("subscribe", "publish", "forward:dev")))
    api = Api(tokens=tokens)
    await ask_people(api, "run", "i", "j", "k" * 200)
    await answer(api, "i", "root")
    await answer(api, "k" * 200, "root", status="cancelled")
    assert (await answer(api, "j", "ann")).status == 200
    log = api.core.ports.log
    assert isinstance(log, NotedEvents)
    acted = [fields for name, fields in log.events if name == "operator.acted" and fields["action"] != "publish"]
    names = {"user_id": "root", "of_project_id": "p", "run_id": "run", "agent": "dev"}
    assert acted == [
        {"action": "approve", "interrupt_id": "i", **names},
        {"action": "refuse", "interrupt_id": "k" * 128, **names},
    ]


@in_virtual_time
async def test_who_may_not_send_work_to_the_agent_may_not_answer_it() -> None:
    api = node()
    await ask_people(api, "r1", "i")
    assert await listed(api, "reader") == ["i"]
    assert (await answer(api, who="reader")).code == "forbidden"
    assert (await answer(api, who="reader", agent="qa")).status == 200


@in_virtual_time
async def test_a_question_has_a_time() -> None:
    api = node()
    now = api.core.ports.clock
    soon, late = now.text(now.wall() + 60), now.text(now.wall() - 60)
    await ask_people(api, "r1", "late", expiresAt=late)
    await ask_people(api, "r2", "soon", expiresAt=soon)
    await ask_people(api, "r3", "odd", expiresAt=7)
    assert await listed(api) == ["soon", "odd"]
    expired = await answer(api, "late")
    assert (expired.code, expired.json["expired_at"]) == ("already_decided", late)
    await asyncio.sleep(61)
    assert (await answer(api, "soon")).code == "already_decided"


@pytest.mark.parametrize(
    ("interrupt_id", "body", "code"),
    [
        ("i", b'{"status":"maybe"}', "invalid_field"),
        ("i", b'{"agent":"boss"}', "invalid_field"),
        ("i", b"[]", "not_an_object"),
        ("i", b"{", "invalid_json"),
        ("i", b"{}", "missing_field"),
        ("unknown", b"{}", "not_found"),
        ("i", b'{"payload":"%s"}' % (b"x" * 70_000), "message_too_large"),
    ],
)
def test_what_is_no_answer(interrupt_id: str, body: bytes, code: str) -> None:
    @in_virtual_time
    async def play() -> None:
        api = node(tokens=None)
        await ask_people(api, "r1", "i", agent=None)
        exchange = await api.ask("POST", f"{LIST}/{interrupt_id}", body)
        assert exchange.code == code
        assert (await api.ask("POST", f"{LIST}/i", b'{"agent":"dev"}')).status == 200

    play()


@in_virtual_time
async def test_what_a_run_asks_once_more_is_another_question_with_a_task_of_its_own() -> None:
    queue = Fifo()
    api = node(forwarder=queue)
    for payload in ("first", "second", "third"):
        await ask_people(api, "r1", "i")
        assert await listed(api) == ["i"]
        assert (await answer(api, payload=payload)).status == 200
        assert (await answer(api, who="bob", payload="late")).code == "already_decided"
    answers = [json.loads(task.data)["resume"][0]["payload"] for task in tasks(queue)]
    assert answers == ["first", "second", "third"]
    assert len({task.message_id for task in tasks(queue)}) == 3


@in_virtual_time
async def test_an_answer_to_an_earlier_question_is_none_to_the_next_one() -> None:
    store, queue = shelf(), Fifo()
    first, second = node(store, queue), node(store, queue)
    await ask_people(first, "r1", "i")
    await listed(second)
    project = second.core.node.project("p")
    asked = dict(fold_of(second).ends.interrupts["i"])
    await ask_people(first, "r1", "i")  # the second node does not hear of it
    told: list[Any] = []
    value = {"agent": "dev", "by": "bob", "at": "now", "status": "resolved"}
    second.core.decisions.decide(project, asked, value, told.append)
    await settle()
    assert [(each.code, "asked again" in each.message) for each in told] == [("already_decided", True)]
    assert await listed(first) == ["i"]
    assert tasks(queue) == []


def fold_of(api: Api) -> Fold:
    fold = fold_now(api.core.node.project("p"))
    assert fold is not None
    return fold


@in_virtual_time
async def test_a_question_that_a_run_has_answered_meanwhile_is_not_unknown() -> None:
    store, queue = shelf(), Fifo()
    first, second = node(store, queue), node(store, queue)
    await ask_people(first, "r1", "i")
    await listed(second)
    asked = dict(fold_of(second).ends.interrupts["i"])
    first.core.server.send_to_project("p", {"type": "RUN_STARTED", "threadId": "p", "runId": "r2", "parentRunId": "r1"})
    await settle()
    told: list[Any] = []
    value = {"agent": "dev", "by": "bob", "at": "now", "status": "resolved"}
    second.core.decisions.decide(second.core.node.project("p"), asked, value, told.append)
    await settle()
    assert [(each.code, "went on" in each.message) for each in told] == [("already_decided", True)]
