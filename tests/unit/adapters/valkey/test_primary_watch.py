"""A node leaves a server that is no primary any more in the eyes of the Sentinels, and no other one."""

from typing import cast

from tests.support.virtual_time import in_virtual_time
from websocket_handler.adapters.valkey.link import Link
from websocket_handler.adapters.valkey.primary_watch import PrimaryWatch
from websocket_handler.adapters.valkey.server import Server


class SaidServer:
    """Sentinels that agree on an address, or on none."""

    def __init__(self, primary: str | None) -> None:
        self.primary = primary
        self.moved: SaidLink | None = None
        """A link that goes to the primary while they are asked."""

    async def agreed_primary(self) -> str | None:
        if self.moved is not None:
            self.moved.address = "new:6379"
        return self.primary


class SaidLink:
    """A link to an address; it has a fault while there is no connection."""

    def __init__(self, address: str, fault: str | None = None) -> None:
        self.address = address
        self.fault = fault
        self.dropped: list[str] = []

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)


def watch(server: SaidServer, *links: SaidLink) -> PrimaryWatch:
    return PrimaryWatch(cast("Server", server), lambda: cast("list[Link]", list(links)))


@in_virtual_time
async def test_a_server_that_was_replaced_is_left() -> None:
    old, new, none = SaidLink("old:6379"), SaidLink("new:6379"), SaidLink("old:6379", fault="not connected yet")
    await watch(SaidServer("new:6379"), old, new, none).look()
    assert old.dropped == ["the Sentinels name new:6379 as the primary, and no longer old:6379"]
    assert (new.dropped, none.dropped) == ([], [])


@in_virtual_time
async def test_nothing_is_left_while_the_sentinels_do_not_agree() -> None:
    link = SaidLink("old:6379")
    await watch(SaidServer(None), link).look()
    assert link.dropped == []


@in_virtual_time
async def test_an_answer_that_came_late_moves_nobody_back() -> None:
    server, link = SaidServer("old:6379"), SaidLink("old:6379")
    server.moved = link
    await watch(server, link).look()
    assert link.dropped == []
