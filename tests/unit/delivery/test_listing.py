"""What a node writes into the directory of all nodes, in virtual time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from tests.support.doubles import connect
from tests.support.memory_ports import MemoryDirectory
from tests.support.virtual_time import in_virtual_time
from tests.unit.delivery.desk import Desk
from websocket_handler.delivery.listing import REFRESH_ROUNDS, WRITE_INTERVAL_S, Listing, Observers
from websocket_handler.ports.directory import DirectoryUnavailable, Listed, Present
from websocket_handler.protocol.identity import ANYONE


class Writes(MemoryDirectory):
    """A directory that counts what it is given, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.given: list[tuple[list[str], list[str], list[str]]] = []

    async def write(
        self, node_id: str, changed: Sequence[Listed], gone: Sequence[str], present: Mapping[str, Present]
    ) -> None:
        if self.is_away:
            raise DirectoryUnavailable("away")
        self.given.append(([each.connection_id for each in changed], list(gone), list(present)))
        await super().write(node_id, changed, gone, present)

    async def leave(self, node_id: str, projects: Sequence[str]) -> None:
        if self.is_away:
            raise DirectoryUnavailable("away")
        await super().leave(node_id, projects)


def listing(listed_max: int = 1000) -> tuple[Desk, Writes, Listing]:
    directory = Writes()
    made = Listing(directory, "n", Random(1), listed_max)
    return Desk(observer=made), directory, made


@in_virtual_time
async def test_what_changed_is_written_once_a_second_and_nothing_else() -> None:
    desk, directory, made = listing()
    running = asyncio.create_task(made.run())
    one = desk.connect("one")
    desk.connect("two")
    desk.subscribe(one, "p")
    await asyncio.sleep(1.5 * WRITE_INTERVAL_S)
    assert directory.given == [(["one", "two"], [], ["p"])]
    desk.node.unsubscribe(one, "p", lambda: None)
    desk.subscribe(one, "q")
    await asyncio.sleep(5 * WRITE_INTERVAL_S)
    assert directory.given[1:] == [(["one"], [], ["p", "q"])]
    assert (directory.followers, directory.connections["n"]["one"].projects) == (
        {"q": {"n": Present(1, (("one", 0.0),))}},
        ("q",),
    )
    desk.node.unregister(one)
    await asyncio.sleep(WRITE_INTERVAL_S)
    assert directory.given[2:] == [([], ["one"], ["q"])]
    assert (directory.followers, list(directory.connections["n"])) == ({}, ["two"])
    await asyncio.sleep(REFRESH_ROUNDS * WRITE_INTERVAL_S)
    assert directory.given[3:] == [(["two"], [], [])], "before the directory forgets it"
    running.cancel()


@in_virtual_time
async def test_an_outage_delays_what_is_open_and_gathers_nothing_for_what_came_and_went() -> None:
    desk, directory, made = listing()
    known = desk.connect("known")
    desk.subscribe(known, "p")
    assert await made.write()
    directory.is_away = True
    for number in range(100):
        passing = desk.connect(f"passing{number}")
        desk.subscribe(passing, f"q{number}")
        assert not await made.write() if number < 2 else True
        desk.node.unregister(passing)
    desk.node.unregister(known)
    desk.connect("new")
    assert not await made.write()
    directory.is_away = False
    assert await made.write()
    changed, gone, projects = directory.given[-1]
    assert (changed, set(gone)) == (["new"], {"known", "passing0", "passing1"}), "the first two may have arrived"
    assert set(projects) == {"p", "q0", "q1"}
    assert (list(directory.connections["n"]), directory.followers) == (["new"], {})


@in_virtual_time
async def test_as_many_are_named_as_allowed_and_all_are_counted() -> None:
    desk, directory, made = listing(listed_max=2)
    for name in ("a", "b", "c"):
        desk.subscribe(desk.connect(name), "p")
    assert await made.write()
    assert directory.followers["p"]["n"] == Present(3, (("a", 0.0), ("b", 0.0)))


@in_virtual_time
async def test_a_node_that_leaves_takes_its_clients_off() -> None:
    desk, directory, made = listing()
    desk.subscribe(desk.connect("a"), "p")
    assert await made.write()
    directory.is_away = True
    await made.leave()
    directory.is_away = False
    await made.leave()
    assert (directory.connections, directory.followers) == ({}, {})


def test_the_end_of_a_token_is_listed_and_a_later_one_takes_its_place() -> None:
    _, _, made = listing()
    connection = connect(name="a")
    for expires_at in (10.0, 20.0, None):
        connection.identity = replace(ANYONE, expires_at=expires_at)
        made.changed(connection)
        assert [each.expires_at for each in made.listed] == [expires_at]


def test_a_user_is_listed_as_soon_as_it_is_known() -> None:
    _, _, made = listing()
    connection = connect(name="a")
    Observers((made,)).changed(connection)
    connection.identity = replace(ANYONE, user_id="ada")
    both = Observers((made, made))
    both.changed(connection)
    assert made.listed == [Listed("a", 0.0, "ada", ())]
    both.gone(connection)
    assert made.listed == []
