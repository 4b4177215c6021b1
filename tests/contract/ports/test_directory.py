"""The contract of `ports.directory`, for memory and for every server that speaks RESP."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
import pytest_asyncio

from tests.support.clock import SteeredClock
from tests.support.memory_ports import MemoryDirectory
from tests.support.patience import PATIENCE_S
from tests.support.ports_testing import Tasks, new_project
from tests.support.valkey_logs import running_logs
from tests.support.valkeys import KINDS, Valkeys
from websocket_handler.adapters.system.ids import new_id
from websocket_handler.adapters.valkey.directory import ValkeyDirectory
from websocket_handler.ports.directory import NOBODY, Directory, Listed, Present, Unanswered

pytestmark = pytest.mark.asyncio
ONE = Listed("c1", 1_700_000_000.5, "ada", ("p", "q"), expires_at=1_700_003_600.5)
TWO = Listed("c2", 1_700_000_001.0, "", ())


@pytest_asyncio.fixture(params=["memory", *KINDS])
async def directory(
    request: pytest.FixtureRequest, clock: SteeredClock, tasks: Tasks, valkeys: Valkeys
) -> AsyncIterator[Directory]:
    if request.param == "memory":
        yield MemoryDirectory()
    else:
        async with running_logs(clock, tasks) as logs:
            yield ValkeyDirectory(logs.link(valkeys[request.param]))


async def present(directory: Directory, project_id: str) -> Mapping[str, Present] | Unanswered:
    answer: asyncio.Future[Mapping[str, Present] | Unanswered] = asyncio.get_running_loop().create_future()
    directory.present(project_id, answer.set_result)
    return await asyncio.wait_for(answer, PATIENCE_S)


async def listed(directory: Directory, *node_ids: str) -> list[Listed]:
    answer: asyncio.Future[Sequence[Listed] | Unanswered] = asyncio.get_running_loop().create_future()
    directory.listed(node_ids, answer.set_result)
    found = await asyncio.wait_for(answer, PATIENCE_S)
    assert not isinstance(found, Unanswered)
    return sorted(found, key=lambda each: each.connection_id)


async def test_what_a_node_wrote_is_read_until_it_writes_otherwise(directory: Directory) -> None:
    node, project = new_id(), new_project()
    await directory.write(node, [ONE, TWO], [], {project: Present(1, (("c1", 2.5),))})
    assert await listed(directory, node) == [ONE, TWO]
    assert await present(directory, project) == {node: Present(1, (("c1", 2.5),))}
    changed = Listed("c2", TWO.connected_at, "eve", ("p",))
    await directory.write(node, [changed], ["c1", "never seen"], {project: NOBODY})
    assert await listed(directory, node) == [changed]
    assert await present(directory, project) == {}


async def test_nodes_are_told_apart_and_the_one_that_leaves_is_forgotten(directory: Directory) -> None:
    here, there, project = new_id(), new_id(), new_project()
    for node, one in ((here, ONE), (there, TWO)):
        await directory.write(node, [one], [], {project: Present(1, ((one.connection_id, 1.0),))})
    assert await listed(directory, here, there) == [ONE, TWO]
    assert await present(directory, project) == {
        here: Present(1, (("c1", 1.0),)),
        there: Present(1, (("c2", 1.0),)),
    }
    await directory.leave(here, [project])
    assert await listed(directory, here, there) == [TWO]
    assert await present(directory, project) == {there: Present(1, (("c2", 1.0),))}


async def user(directory: Directory, user_id: str, *node_ids: str) -> int | Unanswered:
    answer: asyncio.Future[int | Unanswered] = asyncio.get_running_loop().create_future()
    directory.user(user_id, node_ids, answer.set_result)
    return await asyncio.wait_for(answer, PATIENCE_S)


async def test_the_connections_of_a_user_are_added_up_over_the_nodes(directory: Directory) -> None:
    here, there, ada = new_id(), new_id(), f"ada}}:{new_id()}"
    await directory.write_users(here, {ada: 2, "eve": 1})
    await directory.write_users(there, {ada: 3})
    assert [await user(directory, ada, *nodes) for nodes in ((here, there), (there,), (new_id(),))] == [5, 3, 0]
    assert await user(directory, "eve", here, there) == 1
    await directory.write_users(here, {ada: 1, "eve": 0})
    assert [await user(directory, one, here, there) for one in (ada, "eve")] == [4, 0]
    many = {f"user{number}": number % 7 + 1 for number in range(450)}
    await directory.write_users(here, many)
    assert await user(directory, "user449", here) == many["user449"]


async def test_nobody_is_found_where_nobody_wrote(directory: Directory) -> None:
    assert await listed(directory) == await listed(directory, new_id()) == []
    assert await present(directory, new_project()) == {}


async def test_many_connections_are_written_at_once(directory: Directory) -> None:
    node = new_id()
    many = [Listed(f"c{number:04}", 1.0, "", ()) for number in range(450)]
    await directory.write(node, many, [], {})
    assert await listed(directory, node) == many
    await directory.write(node, [], [each.connection_id for each in many[1:]], {})
    assert await listed(directory, node) == many[:1]
