"""The Python SDK against a gateway in this process, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.patience import PATIENCE_S
from tests.support.town import Town, town
from tests.support.virtual_time import settle
from websocket_handler_client import (
    AwayError,
    Client,
    ClientError,
    ClosedError,
    Options,
    Position,
    RefusedError,
    State,
    Updates,
)
from websocket_handler_client.core.effects import Effect

pytestmark = pytest.mark.asyncio

QUICK = Options(backoff_base_s=0.01, backoff_max_s=0.05)


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[Town]:
    """A gateway."""
    async with asyncio.timeout(PATIENCE_S), town() as made:
        yield made


async def numbers(updates: Updates, wanted: int) -> list[int]:
    """The numbers of the next updates."""
    return [(await anext(updates))["n"] for _ in range(wanted)]


async def live(client: Client) -> Updates:
    """Read `p` from here on, once the gateway has confirmed it."""
    updates = client.project("p").updates()
    await client.ping()
    return updates


async def test_updates_come_in_order_with_their_positions(gateway: Town) -> None:
    async with Client(gateway.url) as client:
        project = client.project("p")
        updates = await live(client)
        for n in range(3):
            await gateway.publish({"type": "step", "n": n})
        found = [await anext(updates) for _ in range(3)]
        assert [(update.offset, update["n"], update.type) for update in found] == [
            (1, 0, "step"),
            (2, 1, "step"),
            (3, 2, "step"),
        ]
        assert project.position == found[-1].position


async def test_the_position_is_that_of_the_program_and_not_of_what_waits_for_it(gateway: Town) -> None:
    async with Client(gateway.url) as client:
        updates = await live(client)
        for n in range(3):
            await gateway.publish({"n": n})
        first = await anext(updates)
        await client.ping()
        assert client.project("p").position == first.position
    async with Client(gateway.url) as client:
        assert await numbers(client.project("p").updates(since=str(first.position)), 2) == [1, 2]


async def test_a_task_a_publication_and_a_page_of_history(gateway: Town) -> None:
    async with Client(gateway.url) as client:
        sent = await client.forward("code", {"task": "it"}, project="p", message_id="m1")
        assert (sent.message_id, sent.agent, bool(sent.receipt)) == ("m1", "dev", True)
        project = client.project("p")
        first = await project.publish({"n": 1}, key="k")
        assert await project.publish({"n": 1}, key="k") == first
        page = await project.history()
        assert ([message["n"] for message in page.messages], page.position, page.recovered) == ([1], first, True)
        assert await project.presence() == []
        assert gateway.tasks() == [{"task": "it"}]


async def test_an_error_of_the_gateway_has_its_code(gateway: Town) -> None:
    async with Client(gateway.url) as client:
        with pytest.raises(RefusedError) as raised:
            await client.forward("nobody", {})
        assert (raised.value.code, raised.value.retryable) == ("unknown_agent_type", False)
        with pytest.raises(RefusedError, match="invalid_project_id"):
            await anext(client.project("no project").updates())


async def test_two_readers_share_a_subscription_and_each_gets_its_own_updates(gateway: Town) -> None:
    for n in range(3):
        await gateway.publish({"n": n})
    async with Client(gateway.url) as client:
        project = client.project("p")
        late, all_of_them = await live(client), project.updates(rewind=0)
        begin = Position((await project.history()).position.epoch, 0)
        early = project.updates(since=begin)
        await gateway.publish({"n": 3})
        assert await numbers(early, 4) == [0, 1, 2, 3]
        assert await numbers(late, 1) == await numbers(all_of_them, 1) == [3]
        assert len(await project.presence()) == 1


async def test_a_reader_with_a_position_of_another_log_is_told_and_the_others_are_not(gateway: Town) -> None:
    await gateway.publish({"n": 0})
    voids: list[tuple[str, Position]] = []
    async with Client(gateway.url) as client:
        project = client.project("p")
        other = await live(client)
        foreign = project.updates(since="elsewhere:7", on_reset=lambda place: voids.append(("foreign", place)))
        await gateway.publish({"n": 1})
        assert await numbers(foreign, 2) == [0, 1]
        assert await numbers(other, 1) == [1]
        assert [(who, place.offset) for who, place in voids] == [("foreign", 0)]


async def test_the_subscription_ends_after_the_last_reader(gateway: Town) -> None:
    async with Client(gateway.url) as client:
        project = client.project("p")
        first, second = await live(client), project.updates()
        await first.aclose()
        assert len(await project.presence()) == 1
        await second.aclose()
        await settle()
        assert await project.presence() == []


async def test_a_loop_that_is_left_reads_no_further(gateway: Town) -> None:
    async with Client(gateway.url) as client:
        project = client.project("p")
        await live(client)
        updates = project.updates()
        await gateway.publish({"n": 0})
        async for update in updates:
            assert update["n"] == 0
            break
        del updates, update
        await settle()
        assert await project.presence() == []


async def test_a_cut_is_not_seen_in_the_updates(gateway: Town) -> None:
    async with Client(gateway.url, options=QUICK) as client:
        updates = await live(client)
        await gateway.publish({"n": 0})
        gateway.wire.cut()
        await gateway.publish({"n": 1})
        assert await numbers(updates, 2) == [0, 1]


async def test_a_drain_is_not_seen_in_the_updates(gateway: Town) -> None:
    """The gateway closes at once and says when to come back: not earlier, and without a back-off."""
    states: list[str] = []
    async with Client(gateway.url, on_state=lambda state: states.append(state.name)) as client:
        updates = await live(client)
        draining = asyncio.create_task(gateway.replace())
        for n in range(20):
            await gateway.publish({"n": n})
            await client.ping(wait_s=PATIENCE_S)
        await draining
        assert await numbers(updates, 20) == list(range(20))
        assert states == ["connecting", "live", "waiting", "connecting", "live"]
        assert gateway.wire.opened == 2


async def test_a_lost_log_is_told_in_order(gateway: Town) -> None:
    news: list[Any] = []
    async with Client(gateway.url, options=QUICK) as client:
        updates = client.project("p").updates(on_reset=lambda place: news.append(place.offset))
        await client.ping()
        await gateway.publish({"n": 0})
        news += await numbers(updates, 1)
        await gateway.lose_log()
        await gateway.publish({"n": 100})
        news += await numbers(updates, 1)
        assert news == [0, 0, 100]


async def test_a_slow_reader_loses_nothing_and_holds_nobody_up(gateway: Town) -> None:
    """Its buffer stays bounded: the gateway keeps what does not fit."""
    async with Client(gateway.url, options=Options(buffer_updates=10)) as client:
        project = client.project("p")
        updates = await live(client)
        for n in range(60):
            await gateway.publish({"n": n})
        await client.ping()
        assert project.is_lagging
        assert len(updates._inbox.items) <= 10
        assert await numbers(updates, 60) == list(range(60))
        assert not project.is_lagging


async def test_a_burst_does_not_make_a_quick_reader_look_slow(gateway: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes in one piece, with more updates than the buffer holds."""
    async with Client(gateway.url, options=Options(buffer_updates=200)) as client:
        updates = await live(client)
        paused: list[str] = []

        def pause(project_id: str) -> list[Effect]:
            paused.append(project_id)
            return []

        monkeypatch.setattr(client._driver.core, "pause", pause)
        reading = asyncio.create_task(numbers(updates, 2000))
        await settle()
        for n in range(2000):
            gateway.node.core.server.send_to_project("p", {"n": n})
        assert await reading == list(range(2000))
        assert paused == []


async def test_without_a_connection_a_call_fails_or_waits_as_the_caller_says(gateway: Town) -> None:
    away = asyncio.Event()

    def on_state(state: State) -> None:
        if state.name == "waiting":
            away.set()

    async with Client(gateway.url, on_state=on_state, options=Options(backoff_base_s=1e-3)) as client:
        await client.ping()
        gateway.wire.cut()
        await away.wait()
        with pytest.raises(AwayError):
            await client.ping()
        await client.ping(wait_s=PATIENCE_S)


async def test_close_is_final(gateway: Town) -> None:
    client = Client(gateway.url)
    updates = await live(client)
    reading = asyncio.ensure_future(anext(updates))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(ClosedError):
        await reading
    for later in (anext(updates), client.ping(), anext(client.project("q").updates())):
        with pytest.raises(ClosedError):
            await later
    assert client.state.name == "closed"
    await client.close()


async def test_a_callback_that_fails_ends_nothing(gateway: Town) -> None:
    faults: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(str(context["exception"])))

    def fail(state: State) -> None:
        raise ValueError(state.name)

    async with Client(gateway.url, on_state=fail) as client:
        await client.ping()
    assert faults == ["connecting", "live", "closed"]


async def test_a_broadcast_reaches_its_callback(gateway: Town) -> None:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    async with Client(gateway.url, on_broadcast=heard.put_nowait) as client:
        await client.ping()
        gateway.node.core.server.broadcast_message({"type": "notice"})
        assert await heard.get() == {"type": "notice"}


async def test_two_tasks_cannot_read_from_one_loop(gateway: Town) -> None:
    async with Client(gateway.url) as client:
        updates = await live(client)
        reading = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks"):
            await anext(updates)
        reading.cancel()


async def test_a_gateway_that_is_not_there_is_tried_again_and_says_why(gateway: Town) -> None:
    gateway.wire.target = 1
    states: asyncio.Queue[State] = asyncio.Queue()
    async with Client(gateway.url, on_state=states.put_nowait, options=QUICK) as client:
        with pytest.raises(ClientError):
            await client.ping()
        assert [(await states.get()).name for _ in range(2)] == ["connecting", "waiting"]
        assert client.state.reason


async def test_a_call_to_a_gateway_that_is_not_there_says_why() -> None:
    async with Client("ws://127.0.0.1:9/ws") as client:
        with pytest.raises(AwayError, match=r"there is no connection to the gateway: .*Connect"):
            await client.ping()


async def test_another_path_is_final(gateway: Town) -> None:
    async with Client(gateway.url + "s") as client:
        with pytest.raises(ClosedError, match="not_found"):
            await client.ping()
        assert client.state.name == "stopped"


@pytest.mark.parametrize("url", ["", "http://host/ws", "host/ws"])
async def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="ws://"):
        Client(url)
