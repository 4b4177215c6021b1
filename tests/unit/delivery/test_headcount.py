"""How many connections the users of a node have, as it tells the other nodes and as it hears it from them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

import pytest

from tests.support.doubles import connect
from tests.support.memory_ports import MemoryDirectory
from tests.support.virtual_time import in_virtual_time
from websocket_handler.access.users import UserCount
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.headcount import REFRESH_ROUNDS, WRITE_INTERVAL_S, Headcount
from websocket_handler.ports.directory import USER_COUNT_S, DirectoryUnavailable, Unanswered
from websocket_handler.protocol.codes import CommandError, ErrorCode


class Writes(MemoryDirectory):
    """A directory that counts what it is given, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.given: list[dict[str, int]] = []

    async def write_users(self, node_id: str, counts: Mapping[str, int]) -> None:
        if self.is_away:
            raise DirectoryUnavailable("away")
        self.given.append(dict(counts))
        await super().write_users(node_id, counts)

    def user(self, user_id: str, node_ids: Sequence[str], done: Callable[[int | Unanswered], None]) -> None:
        if self.is_away:
            done(Unanswered("away"))
        else:
            super().user(user_id, node_ids, done)


class Desk:
    """One node, on which each user may have three connections together with the others."""

    def __init__(self, directory: Writes, node_id: str, *others: str) -> None:
        self.directory = directory
        self.users = UserCount(3, is_shared=True)
        self.headcount = Headcount(directory, node_id, lambda: others, self.users, Random(1))

    def come(self, user_id: str) -> Connection | ErrorCode:
        """A client comes in, or is refused."""
        asked: list[bool] = []
        self.headcount.ask(user_id, lambda: asked.append(True))
        assert asked == [True]
        try:
            self.users.check_room(user_id)
        except CommandError as fault:
            return fault.code
        holder = connect()
        self.users.enter(user_id, holder)
        return holder


def two() -> tuple[Desk, Desk]:
    directory = Writes()
    return Desk(directory, "one", "two"), Desk(directory, "two", "one")


@pytest.mark.asyncio
async def test_a_user_has_as_many_connections_as_allowed_on_all_nodes_together() -> None:
    one, two_ = two()
    assert isinstance(one.come("ada"), Connection)
    await one.headcount.write()
    last = [two_.come("ada") for _ in range(2)][-1]
    assert isinstance(last, Connection), "at the maximum"
    assert two_.come("ada") is ErrorCode.TOO_MANY_CONNECTIONS
    assert isinstance(one.come("eve"), Connection)
    await two_.headcount.write()
    assert one.come("ada") is ErrorCode.TOO_MANY_CONNECTIONS
    two_.users.leave("ada", last)
    await two_.headcount.write()
    assert isinstance(one.come("ada"), Connection)


@pytest.mark.asyncio
async def test_what_counts_like_a_connection_counts_on_the_other_nodes_too() -> None:
    one, two_ = two()
    places = [one.users.take_place("ada") for _ in range(3)]
    await one.headcount.write()
    assert two_.come("ada") is ErrorCode.TOO_MANY_CONNECTIONS
    places[0]()
    await one.headcount.write()
    assert isinstance(two_.come("ada"), Connection)


@in_virtual_time
async def test_what_changed_is_written_twice_a_second_and_everything_before_it_is_forgotten() -> None:
    desk = Desk(Writes(), "one")
    running = asyncio.create_task(desk.headcount.run())
    for user_id in ("ada", "ada", "eve"):
        desk.come(user_id)
    gone = desk.come("gone")
    assert isinstance(gone, Connection)
    desk.users.leave("gone", gone)
    await asyncio.sleep(1.5 * WRITE_INTERVAL_S)
    assert desk.directory.given == [{"ada": 2, "eve": 1}], "who came and went leaves nothing"
    await asyncio.sleep(REFRESH_ROUNDS * WRITE_INTERVAL_S)
    assert desk.directory.given[1:] == [{"ada": 2, "eve": 1}]
    assert REFRESH_ROUNDS * WRITE_INTERVAL_S < USER_COUNT_S / 2
    running.cancel()


@pytest.mark.asyncio
async def test_while_the_directory_is_away_each_node_holds_the_limit_by_itself_and_nothing_grows() -> None:
    one, two_ = two()
    for _ in range(2):
        one.come("ada")
    await one.headcount.write()
    one.directory.is_away = True
    assert [type(two_.come("ada")) for _ in range(3)] == [Connection] * 3
    assert two_.come("ada") is ErrorCode.TOO_MANY_CONNECTIONS
    for number in range(100):
        holder = one.come(str(number))
        assert isinstance(holder, Connection)
        assert not await one.headcount.write()
        one.users.leave(str(number), holder)
    assert not await one.headcount.write()
    assert len(one.headcount._unwritten) == 100
    one.directory.is_away = False
    assert await one.headcount.write()
    assert await two_.headcount.write()
    assert one.directory.users == {("ada", "one"): 2, ("ada", "two"): 3}
    assert one.headcount._written == {"ada"}
    assert one.come("ada") is ErrorCode.TOO_MANY_CONNECTIONS


@pytest.mark.asyncio
async def test_a_node_whose_clients_are_about_to_move_counts_no_more() -> None:
    one, two_ = two()
    for _ in range(3):
        one.come("ada")
    await one.headcount.write()
    assert two_.come("ada") is ErrorCode.TOO_MANY_CONNECTIONS
    await one.headcount.leave()
    assert isinstance(two_.come("ada"), Connection)
    one.users.enter("ada", connect())
    await one.headcount.write()
    assert one.directory.users == {}
