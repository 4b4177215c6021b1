"""A project's log as a stream of events, in virtual time."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.deltas import delta, ranges
from tests.support.doubles import HandStore
from tests.support.http_api import Api, Exchange, KnownTokens, bearer, known
from tests.support.nodes import NotedEvents
from tests.support.runs import RUN, run_of
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.access.admission import AdmissionOptions
from websocket_handler.api.events import REFUSED_RETRY_MS, RETRY_MS
from websocket_handler.api.streams import HEARTBEAT_S
from websocket_handler.delivery.node import Node

EVENTS = "/api/v1/projects/p/events"


@dataclass(frozen=True)
class Event:
    """An event as a browser reads it: the last value of each field."""

    kind: str
    position: str | None
    data: Any
    retry_ms: int | None


def events(exchange: Exchange) -> list[Event]:
    """The whole events that have come; comments are none."""
    assert exchange.status == 200, exchange.body
    assert exchange.headers["content-type"].split(";")[0] == "text/event-stream"
    found: list[Event] = []
    for block in exchange.body.decode().split("\n\n")[:-1]:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields[name] = f"{fields[name]}\n{value[1:]}" if name in fields else value.removeprefix(" ")
        if "data" in fields:
            retry = int(fields["retry"]) if "retry" in fields else None
            found.append(Event(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]), retry))
    return found


class Reader:
    """Somebody who follows the project."""

    def __init__(self, api: Api, target: str = EVENTS, **headers: str) -> None:
        self.exchange, self.answering = api.begin("GET", target, b"", **headers)

    async def events(self) -> list[Event]:
        """What has come when nothing more comes at the moment."""
        await settle()
        return events(self.exchange)

    async def ended(self) -> list[Event]:
        """Everything, once the stream has ended."""
        await self.answering
        return events(self.exchange)


async def publish(api: Api, count: int = 1, first: int = 1) -> str:
    """Publish some objects; the log's epoch."""
    epoch = ""
    for n in range(first, first + count):
        answer = await api.ask("POST", "/api/v1/projects/p/messages", b'{"n":%d}' % n)
        epoch = answer.json["epoch"]
    return epoch


def shown(found: Sequence[Event]) -> list[tuple[str, Any]]:
    """Kind and what it says."""
    return [(event.kind, event.data.get("n", event.data.get("recovered"))) for event in found]


@in_virtual_time
async def test_a_stream_begins_with_its_position_and_goes_on_with_what_is_published() -> None:
    api = Api()
    epoch = await publish(api, 2)
    reader = Reader(api)
    (confirmed,) = await reader.events()
    assert (confirmed.kind, confirmed.position, confirmed.retry_ms) == (
        "subscription_confirmed",
        f"{epoch}:2",
        RETRY_MS,
    )
    await publish(api, 2, first=3)
    _, third, fourth = await reader.events()
    assert [(one.kind, one.position, one.data["n"]) for one in (third, fourth)] == [
        ("message", f"{epoch}:3", 3),
        ("message", f"{epoch}:4", 4),
    ]
    assert reader.exchange.headers["cache-control"] == "no-store"
    assert reader.exchange.headers["x-accel-buffering"] == "no"


@in_virtual_time
async def test_a_browser_resumes_where_it_was_cut_and_its_own_position_wins() -> None:
    api = Api()
    epoch = await publish(api, 3)
    for reader in (
        Reader(api, last_event_id=f"{epoch}:1"),
        Reader(api, f"{EVENTS}?since={epoch}:1"),
        Reader(api, f"{EVENTS}?since={epoch}:3", last_event_id=f"{epoch}:1"),
        Reader(api, f"{EVENTS}?since={epoch}:1", last_event_id=""),
        Reader(api, f"{EVENTS}?since={epoch}:3&lastEventId={epoch}%3A1"),
        Reader(api, f"{EVENTS}?since={epoch}:1&lastEventId="),
        Reader(api, f"{EVENTS}?lastEventId={epoch}%3A3", last_event_id=f"{epoch}:1"),
    ):
        assert shown(await reader.events()) == [("subscription_confirmed", True), ("message", 2), ("message", 3)]


@pytest.mark.parametrize("last_event_id", ["another:1", "7", "x:y", ":", "é", "a" * 1000])
@in_virtual_time
async def test_a_position_that_is_not_ours_begins_anew_and_says_so(last_event_id: str) -> None:
    """An error would end an `EventSource` for good."""
    api = Api()
    await publish(api, 2)
    reader = Reader(api, last_event_id=last_event_id)
    assert shown(await reader.events()) == [("subscription_confirmed", False), ("message", 1), ("message", 2)]


@pytest.mark.parametrize("since", ["", "x", "e:-1", "e:1:2", "e:9007199254740992"])
@in_virtual_time
async def test_a_wrong_position_in_the_url_is_a_mistake_of_the_program_and_told(since: str) -> None:
    answer = await Api().ask("GET", f"{EVENTS}?since={since}")
    assert (answer.status, answer.code) == (400, "invalid_field")


@in_virtual_time
async def test_two_positions_of_a_browser_are_none_of_ours() -> None:
    api = Api()
    epoch = await publish(api, 1)
    exchange = Exchange("GET", EVENTS, last_event_id=f"{epoch}:1")
    exchange.scope["headers"].append((b"last-event-id", f"{epoch}:1".encode()))
    answering = asyncio.create_task(exchange.run(api.application))
    await settle()
    assert shown(events(exchange)) == [("subscription_confirmed", False), ("message", 1)]
    answering.cancel()


@in_virtual_time
async def test_a_quiet_stream_says_now_and_then_that_it_is_there() -> None:
    api = Api()
    reader = Reader(api)
    await settle()
    begun = asyncio.get_running_loop().time()
    for beats in (1, 2, 3):
        await reader.exchange.until(b": still here\n\n" * beats)
        assert asyncio.get_running_loop().time() - begun == beats * HEARTBEAT_S
    assert len(await reader.events()) == 1


@in_virtual_time
async def test_a_log_that_was_lost_is_told_in_the_middle_of_the_stream() -> None:
    api = Api()
    await publish(api, 3)
    reader = Reader(api)
    await settle()
    project = api.core.node.projects.find("p")
    assert project is not None
    project.journal.log.epoch = "anew"
    project.wake()
    _, reset, *rest = await reader.events()
    assert (reset.kind, reset.position, reset.data["recovered"]) == ("subscription_reset", "anew:0", False)
    assert [one.position for one in rest] == ["anew:1", "anew:2", "anew:3"]


@in_virtual_time
async def test_a_node_that_goes_away_sends_its_readers_elsewhere() -> None:
    api = Api()
    reader = Reader(api)
    await settle()
    api.core.server.refuse_newcomers()
    api.core.node.projects.wake_readers()
    last = (await reader.ended())[-1]
    assert (last.kind, last.data["type"], last.data["reason"], last.position) == (
        "reconnect",
        "reconnect",
        "draining",
        None,
    )
    assert api.core.ports.counters.streams == 0


@in_virtual_time
async def test_a_client_that_sends_no_more_gets_all_there_is_and_the_end() -> None:
    api = Api()
    epoch = await publish(api, 2)
    reader = Reader(api, last_event_id=f"{epoch}:0")
    reader.exchange.half_close.happened()
    assert shown(await reader.ended()) == [("subscription_confirmed", True), ("message", 1), ("message", 2)]


@in_virtual_time
async def test_a_stream_ends_with_the_token_that_opened_it() -> None:
    api = Api()
    clock = api.core.ports.clock
    tokens = KnownTokens(ada=known("ada", "p", expires_at=clock.wall() + 40))
    api = Api(tokens=tokens, ports={"clock": clock})
    begun = asyncio.get_running_loop().time()
    reader = Reader(api, authorization=bearer("ada"))
    await reader.ended()
    lived_s = asyncio.get_running_loop().time() - begun
    assert 40 <= lived_s < 40 + HEARTBEAT_S
    assert reader.exchange.body.count(b": still here") == 2


@in_virtual_time
async def test_a_revoked_reader_gets_nothing_more() -> None:
    api = Api(tokens=KnownTokens(ada=known("ada", "p"), eve=known("eve", "p")))
    reader = Reader(api, authorization=bearer("ada"))
    await settle()
    api.gateway.access.revoke("ada")
    await api.ask("POST", "/api/v1/projects/p/messages", b'{"n":1}', authorization=bearer("eve"))
    assert len(await reader.ended()) == 1


@in_virtual_time
async def test_a_refusal_that_passes_is_a_stream_that_says_when_to_come_back() -> None:
    api = Api(admission=AdmissionOptions(connections_per_address=1))
    holder = Reader(api)
    await settle()
    waits: set[int] = set()
    for _ in range(20):
        (told,) = events(await api.ask("GET", EVENTS))
        assert (told.kind, told.data["reason"]) == ("reconnect", "too_many_connections")
        assert told.retry_ms == told.data["after_ms"]
        waits.add(told.retry_ms or 0)
    assert all(REFUSED_RETRY_MS[0] <= wait <= REFUSED_RETRY_MS[1] for wait in waits)
    assert len(waits) > 10, "who was refused together does not return together"
    counters = api.core.ports.counters
    assert (counters.errors["too_many_connections"], counters.streams) == (20, 1)
    holder.answering.cancel()


@in_virtual_time
async def test_a_refusal_that_stays_is_an_error() -> None:
    api = Api(tokens=KnownTokens(ada=known("ada", "q")))
    assert (await api.ask("GET", EVENTS)).code == "unauthorized"
    assert (await api.ask("GET", EVENTS, authorization=bearer("ada"))).code == "forbidden"


@in_virtual_time
async def test_a_bug_is_logged_once_and_ends_no_event_source_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[str, Any]] = []

    class Log(NotedEvents):
        def exception(self, event: str, fault: BaseException, **fields: object) -> None:
            logged.append((event, fields))

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("secret")

    api = Api(ports={"log": Log()})
    monkeypatch.setattr(Node, "feed", broken)
    answer = await api.ask("GET", EVENTS)
    (told,) = events(answer)
    assert (told.kind, told.data["reason"]) == ("reconnect", "internal")
    assert b"secret" not in answer.body
    assert logged == [("task.failed", {"path": EVENTS})]
    assert api.core.ports.counters.streams == 0


@in_virtual_time
async def test_who_hangs_up_while_the_store_is_asked_takes_a_place_no_longer() -> None:
    api = Api(ports={"log_store": HandStore()})
    exchange, answering = api.begin("GET", EVENTS)
    await settle()
    assert api.core.ports.counters.streams == 1
    exchange.hang_up()
    await answering
    assert api.core.ports.counters.streams == 0


@in_virtual_time
async def test_head_takes_no_place() -> None:
    api = Api(admission=AdmissionOptions(connections_per_address=1))
    for _ in range(3):
        answer = await api.ask("HEAD", EVENTS)
        assert (answer.status, answer.body) == (200, b"")
        assert "content-length" not in answer.headers
    assert api.core.ports.counters.streams_refused == {}


@in_virtual_time
async def test_a_stream_that_folds_joins_what_it_is_behind_by_under_the_last_position() -> None:
    api = Api()
    answers = [await api.ask("POST", "/api/v1/projects/p/messages", delta(piece)) for piece in "abc"]
    epoch = answers[0].json["epoch"]
    reader = Reader(api, f"{EVENTS}?fold=true&since={epoch}:1")
    dense = Reader(api, f"{EVENTS}?since={epoch}:1")
    await reader.events()
    await api.ask("POST", "/api/v1/projects/p/messages", delta("d"))
    _, caught_up, live = await reader.events()
    assert (caught_up.position, ranges([caught_up.data]), caught_up.data["delta"]) == (f"{epoch}:3", [(2, 3)], "bc")
    assert (live.position, ranges([live.data]), live.data["delta"]) == (f"{epoch}:4", [(4, 4)], "d")
    assert [event.data.get("delta") for event in await dense.events()] == [None, "b", "c", "d"]
    refused = await api.ask("GET", f"{EVENTS}?fold=1")
    assert (refused.status, refused.code) == (400, "invalid_field")


@in_virtual_time
async def test_a_stream_begins_with_the_snapshot_and_its_id_stands_there() -> None:
    api = await run_of(*RUN[:4])
    reader = Reader(api, f"{EVENTS}?from=snapshot")
    confirmation, snapshot = await reader.events()
    epoch = confirmation.data["epoch"]
    assert (confirmation.kind, confirmation.position, confirmation.data["recovered"]) == (
        "subscription_confirmed",
        None,
        True,
    )
    assert (snapshot.kind, snapshot.position, snapshot.data["offset"]) == ("snapshot", f"{epoch}:4", 4)
    assert snapshot.data["messages"] == [{"id": "m", "role": "assistant", "content": "ab"}]
    await run_of(RUN[4], api=api)
    assert [event.data["offset"] for event in await reader.events()] == [4, 4, 5]


@in_virtual_time
async def test_a_browser_that_comes_back_resumes_and_gets_a_snapshot_only_if_its_position_is_lost() -> None:
    api = await run_of(*RUN[:3])
    first = Reader(api, f"{EVENTS}?from=snapshot")
    position = (await first.events())[-1].position
    assert position is not None
    await run_of(RUN[3], api=api)
    again = await Reader(api, f"{EVENTS}?from=snapshot", last_event_id=position).events()
    assert [(event.kind, event.data["offset"]) for event in again] == [("subscription_confirmed", 3), ("message", 4)]
    lost = await Reader(api, f"{EVENTS}?from=snapshot", last_event_id="older:3").events()
    assert [(event.kind, event.data.get("recovered")) for event in lost] == [
        ("subscription_confirmed", False),
        ("snapshot", None),
        ("message", None),
    ]
    assert (lost[1].data["messages"][0]["content"], lost[2].data["delta"]) == ("a", "b")


@pytest.mark.parametrize(
    "target",
    [
        f"{EVENTS}?from=start",
        f"{EVENTS}?from=snapshot&from=snapshot",
        f"{EVENTS}?from=snapshot&since=e:1",
    ],
)
@in_virtual_time
async def test_two_ways_to_begin_and_unknown_ones_are_refused(target: str) -> None:
    answer = await (await run_of()).ask("GET", target)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid_field")
