"""Places and the line in front of them: in virtual time."""

import asyncio

from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.adapters.aws.places import Places


class Room:
    """Guests that stay until they are told to go."""

    def __init__(self, places: int) -> None:
        self.places = Places(places)
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def enter(self, *names: str) -> None:
        for name in names:
            self.tasks[name] = asyncio.create_task(self._stay(name))
        await settle()

    async def leave(self, *names: str) -> None:
        for name in names:
            self.tasks[name].cancel()
        await settle()

    async def _stay(self, name: str) -> None:
        async with self.places:
            self.inside.append(name)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.inside.remove(name)


@in_virtual_time
async def test_so_many_are_inside_and_the_next_one_is_who_has_waited_longest() -> None:
    room = Room(2)
    await room.enter("a", "b", "c", "d")
    assert room.inside == ["a", "b"]
    await room.leave("a")
    assert room.inside == ["b", "c"]
    await room.leave("b", "c")
    assert room.inside == ["d"]


@in_virtual_time
async def test_a_plain_call_takes_what_is_free_and_never_what_somebody_waits_for() -> None:
    room = Room(1)
    assert room.places.take()
    assert not room.places.take()
    await room.enter("a")
    room.places.give_back()
    assert not room.places.take(), "it is that of `a`, which has not run yet"
    await settle()
    assert room.inside == ["a"]
    await room.leave("a")
    assert room.places.take()


@in_virtual_time
async def test_who_gives_up_waiting_leaves_its_place_to_the_next() -> None:
    room = Room(1)
    await room.enter("a", "b", "c")
    await room.leave("b")
    await room.leave("a")
    assert room.inside == ["c"]
    await room.leave("c")
    assert room.places.take()


@in_virtual_time
async def test_a_place_that_comes_to_one_who_gives_up_in_this_moment_is_not_lost() -> None:
    room = Room(1)
    assert room.places.take()
    await room.enter("a", "b")
    room.places.give_back()
    room.tasks["a"].cancel()
    await settle()
    assert room.inside == ["b"]
