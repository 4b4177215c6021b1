"""The life of a node in virtual time: the order of its beginning and end, one drain, and an end that is cut short."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.support.doubles import Client, client_of
from tests.support.memory_ports import MemoryForwarder, MemoryTaskProtection, MemoryUpdateSource
from tests.support.nodes import NotedEvents, core_options, memory_ports
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.assembly import Core, assemble
from websocket_handler.background import Background
from websocket_handler.life import FLUSH_MARGIN_S, PROBE_INTERVAL_S, Edge, Edges, Life
from websocket_handler.ports.backplane import Heard
from websocket_handler.ports.forwarder import Accepted, Prepared, Refused
from websocket_handler.ports.update_source import Update
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Subscribe
from websocket_handler.protocol.names import Agent

DRAIN_S = 4.0


class Step:
    """An edge that says when it starts and stops."""

    def __init__(self, name: str, said: list[str]) -> None:
        self._name = name
        self._said = said

    async def start(self) -> None:
        self._said.append(f"{self._name} starts")

    async def stop(self) -> None:
        self._said.append(f"{self._name} stops")


class TakenPort(Step):
    """An edge that cannot start."""

    async def start(self) -> None:
        raise OSError("the port is taken")


class Desk:
    """A node over memory, with three edges."""

    def __init__(
        self, *, sign: Callable[[], Any] | None = None, door: Edge | None = None, protected: int = 0, **ports: Any
    ) -> None:
        self.said: list[str] = []
        self.log = NotedEvents()
        options = core_options(scale_in_protection_connections=protected)
        self.core: Core = assemble(memory_ports(log=self.log, **ports), options)
        above = [Step("metrics", self.said), door or Step("door", self.said)]
        signs = {} if sign is None else {"target": sign}
        edges = Edges(below=[Step("aws", self.said)], above=above, signs=signs)
        self.life = Life(self.core, Background(self.log), edges, DRAIN_S)

    def arrive(self, *projects: str) -> Client:
        """A client that follows projects, and says goodbye when it is told to go."""
        client = Leaving(self.core)
        subscriptions = [Subscribe(project_id=project_id) for project_id in projects]
        client.connection = self.core.server.connection_handler(client, subscriptions)
        return client

    @property
    def tasks(self) -> int:
        """How many tasks there are beside the test."""
        return len(asyncio.all_tasks()) - 1


class Leaving(Client):
    """A client that ends its connection when it is asked to."""

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._core = core

    def close(self, code: int, reason: str) -> None:
        super().close(code, reason)
        self._core.server.unregister_connection(self.connection)


class SlowForwarder(MemoryForwarder):
    """Queues that take a task once a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.may_take = asyncio.Event()

    async def send(self, agent: Agent, tasks: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        await self.may_take.wait()
        return await super().send(agent, tasks)


@in_virtual_time
async def test_edges_start_and_stop_around_the_core_and_no_task_is_left() -> None:
    desk = Desk()
    await desk.life.start()
    assert desk.said == ["aws starts", "metrics starts", "door starts"]
    await desk.life.stop()
    assert desk.said[3:] == ["door stops", "metrics stops", "aws stops"]
    assert desk.log.names == ["node.draining", "node.drained", "node.stopped"]
    assert desk.tasks == 0


@in_virtual_time
async def test_an_edge_that_cannot_start_ends_the_start() -> None:
    desk = Desk(door=TakenPort("door", []))
    with pytest.raises(OSError, match="taken"):
        await desk.life.start()


@in_virtual_time
async def test_a_drain_refuses_newcomers_tells_clients_and_happens_once() -> None:
    desk = Desk()
    await desk.life.start()
    client = desk.arrive("p")
    await asyncio.gather(desk.life.drain("target"), desk.life.drain("signal"))
    assert [message["type"] for message in client_of(client.connection).messages[-1:]] == ["reconnect"]
    assert desk.log.events[0][1]["cause"] == "target"
    assert desk.log.names == ["node.draining", "node.drained"]
    with pytest.raises(CommandError) as refused:
        desk.arrive()
    assert refused.value.code is ErrorCode.DRAINING
    assert desk.said == ["aws starts", "metrics starts", "door starts"], "a drain alone stops nothing"


@in_virtual_time
async def test_a_sign_of_the_load_balancer_begins_the_drain() -> None:
    gone = asyncio.Event()
    desk = Desk(sign=gone.wait)
    await desk.life.start()
    await asyncio.sleep(60)
    assert not desk.core.server.is_draining
    gone.set()
    await settle()
    assert desk.core.server.is_draining
    assert desk.log.events[0] == ("node.draining", {"cause": "target", "connections": 0, "seconds": DRAIN_S})


@in_virtual_time
async def test_a_watch_that_fails_goes_on_watching() -> None:
    asked: list[float] = []

    async def fails_once() -> None:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            raise RuntimeError("a bug")

    desk = Desk(sign=fails_once)
    await desk.life.start()
    await asyncio.sleep(30)
    assert len(asked) == 2, "a drained node watches no more"
    assert desk.log.names == ["task.failed", "node.draining", "node.drained"]


@in_virtual_time
async def test_no_update_is_received_once_the_drain_began() -> None:
    source = MemoryUpdateSource()
    desk = Desk(update_source=source)
    await desk.life.start()
    source.put([Update("1", "", b'{"n":1}', {"ProjectId": "p"})])
    await settle()
    await desk.life.drain("signal")
    source.put([Update("2", "", b'{"n":2}', {"ProjectId": "p"})])
    await settle()
    assert source.hidden == {}, "what was received is deleted, and nothing is received any more"


@in_virtual_time
async def test_a_draining_node_gives_its_protection_from_scale_in_up() -> None:
    desk = Desk(protected=1)
    await desk.life.start()
    desk.arrive()
    await asyncio.sleep(10)
    protection = desk.core.ports.task_protection
    assert isinstance(protection, MemoryTaskProtection)
    assert await protection.is_protected()
    await desk.life.drain("signal")
    assert not await protection.is_protected()


@in_virtual_time
async def test_the_end_waits_for_what_was_accepted() -> None:
    queue = SlowForwarder()
    desk = Desk(forwarder=queue)
    await desk.life.start()
    answers: list[str | CommandError] = []
    desk.core.server.forward_to_sqs("dev", {}, done=answers.append)
    stopping = asyncio.create_task(desk.life.stop())
    await asyncio.sleep(1)
    assert not stopping.done()
    queue.may_take.set()
    await stopping
    assert answers == ["receipt-1"]


@in_virtual_time
async def test_the_end_waits_no_longer_than_its_margin() -> None:
    desk = Desk(forwarder=SlowForwarder())
    await desk.life.start()
    answers: list[str | CommandError] = []
    desk.core.server.forward_to_sqs("dev", {}, done=answers.append)
    begun = asyncio.get_running_loop().time()
    await desk.life.stop()
    assert asyncio.get_running_loop().time() - begun == pytest.approx(FLUSH_MARGIN_S, abs=0.1)
    assert [answer.code for answer in answers if isinstance(answer, CommandError)] == [ErrorCode.FORWARD_FAILED]


@in_virtual_time
async def test_stop_now_cuts_hand_over_and_flush_short() -> None:
    desk = Desk(forwarder=SlowForwarder())
    await desk.life.start()
    client = Client()
    client.connection = desk.core.server.connection_handler(client)  # it never says goodbye
    desk.core.server.forward_to_sqs("dev", {})
    begun = asyncio.get_running_loop().time()
    stopping = asyncio.create_task(desk.life.stop())
    await asyncio.sleep(1)
    desk.life.stop_now()
    await stopping
    assert asyncio.get_running_loop().time() - begun == pytest.approx(1, abs=0.1)
    assert desk.log.names == ["node.draining", "node.stopping_now", "node.stopped"]
    assert desk.said[3:] == ["door stops", "metrics stops", "aws stops"]
    assert desk.tasks == 0


@in_virtual_time
async def test_a_fault_of_the_hand_over_is_logged_and_the_stop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("websocket_handler.life.hand_over", fail)
    desk = Desk()
    await desk.life.start()
    await desk.life.stop()
    assert desk.log.names == ["node.draining", "task.failed", "node.stopped"]


@in_virtual_time
async def test_lost_log_lines_are_told_once() -> None:
    desk = Desk()
    await desk.life.start()
    desk.core.ports.counters.log_records_dropped = 3
    await asyncio.sleep(60)
    assert desk.log.events == [("node.log_records_dropped", {"total": 3})]


class SaidBackplane:
    """A backplane that can be heard, or not."""

    name = "said"

    def __init__(self) -> None:
        self.fault: str | None = "not connected yet"

    def follow(self, project_id: str) -> None: ...

    def unfollow(self, project_id: str) -> None: ...

    def announce(self, project_id: str, epoch: str, head: int) -> None: ...

    async def run(self, heard: Heard) -> None:
        await asyncio.get_running_loop().create_future()

    def failure(self) -> str | None:
        return self.fault


@in_virtual_time
async def test_a_backplane_that_stays_away_is_logged_once_and_so_is_its_return() -> None:
    """A failover that takes less than a probe, and the first connection, are no outage."""
    backplane = SaidBackplane()
    desk = Desk(backplane=backplane)
    await desk.life.start()
    await settle()
    assert desk.core.gauges().backplane_down == 1
    backplane.fault = None
    await asyncio.sleep(1.5 * PROBE_INTERVAL_S)
    backplane.fault = "the server said nothing for 2 s"
    await asyncio.sleep(PROBE_INTERVAL_S)
    backplane.fault = None
    await asyncio.sleep(10 * PROBE_INTERVAL_S)
    assert (desk.log.events, desk.core.gauges().backplane_down) == ([], 0)

    backplane.fault = "127.0.0.1:6379 does not answer"
    await asyncio.sleep(10 * PROBE_INTERVAL_S)
    backplane.fault = None
    await asyncio.sleep(10 * PROBE_INTERVAL_S)
    assert desk.log.events == [
        ("dependency.down", {"dependency": "said backplane", "reason": "127.0.0.1:6379 does not answer"}),
        ("dependency.up", {"dependency": "said backplane", "reason": ""}),
    ]
