"""Who is connected to all nodes, as one node answers it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.support.doubles import code_of
from tests.support.memory_ports import MemoryDirectory
from tests.unit.delivery.desk import Desk
from websocket_handler.delivery.census import Census, NodeLoad
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.directory import Listed, Present, Unanswered
from websocket_handler.protocol.codes import ErrorCode

ELSEWHERE = Listed("b", 5.0, "eve", ("p",))


class Away(MemoryDirectory):
    """A directory that does not answer in time."""

    def present(self, project_id: str, done: Callable[[Mapping[str, Present] | Unanswered], None]) -> None:
        done(Unanswered("away"))

    def listed(self, node_ids: Sequence[str], done: Callable[[Sequence[Listed] | Unanswered], None]) -> None:
        done(Unanswered("away"))


def asked(census: Census, limit: int = 10, after: str = "") -> list[Any]:
    """What it answers about the project `p`, and about all connections."""
    answers: list[Any] = []
    census.presence("p", answers.append)
    census.connections(after, limit, answers.append)
    return answers


def here(limits: DeliveryLimits | None = None) -> Desk:
    """A node with two clients, one of them on `p`."""
    desk = Desk(limits)
    desk.subscribe(desk.connect("a"), "p")
    desk.connect("c")
    return desk


async def directory() -> MemoryDirectory:
    made = MemoryDirectory()
    for node_id in ("here", "there", "dead"):
        await made.write(node_id, [ELSEWHERE], [], {"p": Present(3, (("b", 5.0),))})
    return made


def test_a_node_that_runs_alone_answers_from_its_memory() -> None:
    presence, connections = asked(Census(here().node, None, "here", tuple))
    assert presence == Present(1, (("a", 0.0),))
    assert connections.count == 2
    assert [(each.connection_id, each.projects) for each in connections.page] == [("a", ("p",)), ("c", ())]


@pytest.mark.asyncio
async def test_all_nodes_that_live_are_counted_and_each_once() -> None:
    census = Census(here().node, await directory(), "here", lambda: ["there"])
    presence, connections = asked(census)
    assert presence == Present(4, (("a", 0.0), ("b", 5.0)))
    assert (connections.count, [each.connection_id for each in connections.page]) == (3, ["a", "b", "c"])
    assert connections.page[1] == ELSEWHERE
    _, connections = asked(census, limit=1, after="a")
    assert (connections.count, connections.page) == (3, [ELSEWHERE])


@pytest.mark.asyncio
async def test_every_node_that_lives_is_named_with_its_load() -> None:
    shared = await directory()
    await shared.write("there", [Listed("d", 1.0, "", (), "there"), Listed("b", 5.0, "eve", (), "there")], [], {})
    census = Census(here().node, shared, "here", lambda: ["there", "quiet"], lambda: {"there", "gone"})
    _, connections = asked(census)
    assert connections.nodes == [
        NodeLoad("here", 2, is_draining=False),
        NodeLoad("there", 2, is_draining=True),
        NodeLoad("quiet", 0, is_draining=False),
    ]
    assert [each.node_id for each in connections.page] == ["here", "there", "here", "there"]
    assert asked(Census(here().node, None, "here", tuple))[1].nodes == ()


@pytest.mark.asyncio
async def test_as_many_are_named_as_one_node_names() -> None:
    census = Census(here(DeliveryLimits(presence_listed=1)).node, await directory(), "here", lambda: ["there"])
    assert asked(census)[0] == Present(4, (("a", 0.0),))


def test_who_asks_learns_that_the_other_nodes_could_not_be_asked() -> None:
    census = Census(here().node, Away(), "here", lambda: ["there"])
    assert [code_of(answer) for answer in asked(census)] == [ErrorCode.STORE_UNAVAILABLE] * 2
