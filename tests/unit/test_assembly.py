"""The assembly: which access a node gets, and what its readiness asks."""

import pytest

from tests.support.memory_ports import MemoryUpdateSource
from tests.support.nodes import core_options, memory_ports
from tests.support.virtual_time import in_virtual_time
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.assembly import assemble
from websocket_handler.delivery.readiness import Reason
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.codes import CommandError, ErrorCode


class NoKeys:
    """An authenticator that cannot fetch its keys."""

    def authenticate(self, _token: str, done: Authenticated) -> None:
        done(CommandError(ErrorCode.AUTHENTICATION_UNAVAILABLE, "no keys"))

    def failure(self) -> str | None:
        return "no keys"


@in_virtual_time
async def test_without_an_authenticator_everybody_may_come_in() -> None:
    core = assemble(memory_ports(), core_options())
    assert isinstance(core.access, OpenAccess)
    assert core.origins.allow("http://localhost:5173", "gateway")


@in_virtual_time
async def test_with_an_authenticator_tokens_count_and_pages_of_other_hosts_stay_outside() -> None:
    core = assemble(memory_ports(authenticator=NoKeys()), core_options())
    assert isinstance(core.access, TokenAccess)
    assert not core.origins.allow("https://anywhere.example", "gateway")


@in_virtual_time
async def test_origins_that_the_operator_names_count_in_both_modes() -> None:
    for authenticator in (None, NoKeys()):
        options = core_options(allowed_origins="https://console.example")
        core = assemble(memory_ports(authenticator=authenticator), options)
        assert core.origins.allow("https://console.example", "gateway")
        assert not core.origins.allow("https://anywhere.example", "gateway")


@in_virtual_time
async def test_readiness_asks_everything_that_requests_need() -> None:
    core = assemble(memory_ports(authenticator=NoKeys(), update_source=MemoryUpdateSource()), core_options())
    assert core.updates is not None
    core.recorder.fault, core.updates.queue.fault = "no table", "no queue"
    core.server.refuse_newcomers()
    assert core.readiness.reasons() == [
        Reason("node", "draining"),
        Reason("memory updates", "no queue"),
        Reason("memory state", "no table"),
        Reason("authentication", "no keys"),
    ]


@in_virtual_time
async def test_a_node_that_goes_away_refuses_newcomers() -> None:
    core = assemble(memory_ports(), core_options())
    core.server.check_room(0)
    core.server.refuse_newcomers()
    with pytest.raises(CommandError) as refused:
        core.server.check_room(0)
    assert refused.value.code is ErrorCode.DRAINING
