"""The log in which a node tells about itself: who writes it, who reads it, and how much is kept."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import pytest

from tests.support.http_api import Api, KnownTokens, bearer, client_on, known
from tests.support.patience import PATIENCE_S
from tests.support.virtual_time import in_virtual_time
from websocket_handler.assembly import Core
from websocket_handler.delivery.node import OWN_LOG_LIMITS
from websocket_handler.delivery.own_log import DEEDS_PER_REPORT
from websocket_handler.logs.feed import PageLimits
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import ADMIN, PRESENCE, PUBLISH, RIGHTS, SUBSCRIBE
from websocket_handler.protocol.names import OWN_LOG
from websocket_handler.protocol.publication import read_object

PAGE: Final = PageLimits(messages=10_000, bytes=100_000_000)
PATH: Final = f"/api/v1/projects/{OWN_LOG}/messages"


async def told(core: Core, wait_s: float = 0) -> list[dict[str, Any]]:
    """What the node tells: all that is there, or what comes first."""
    with core.node.feed(OWN_LOG, limits=PAGE) as feed:
        page = await feed.next(wait_s)
    return [] if page is None else [msgspec.json.decode(payload) for payload in page.payloads]


@in_virtual_time
async def test_a_node_reports_without_being_asked() -> None:
    core = Api().core
    reporting = asyncio.create_task(core.own_log.run())
    core.ports.counters.publications += 3
    (report,) = await told(core, PATIENCE_S)
    reporting.cancel()
    assert (report["type"], report["node_id"], report["publications"]) == ("node", "node", 3)
    assert len(report["lag_ms"]) == 5


@in_virtual_time
async def test_an_hour_is_kept_and_counts_for_no_project() -> None:
    core = Api().core
    for _ in range(OWN_LOG_LIMITS.messages + 1):
        core.own_log.report()
        await asyncio.sleep(0)
    offsets = [report["offset"] for report in await told(core)]
    assert (offsets[0], offsets[-1], len(offsets)) == (2, OWN_LOG_LIMITS.messages + 1, OWN_LOG_LIMITS.messages)
    assert (len(core.node.projects), core.node.projects.retained_bytes) == (0, 0)
    assert core.ports.counters.publications == 0
    core.node.sweep()
    assert len(await told(core)) == OWN_LOG_LIMITS.messages


@in_virtual_time
async def test_nobody_else_publishes_there() -> None:
    api = Api()
    answer = await api.ask("POST", PATH, b'{"type":"node"}')
    assert (answer.status, answer.code) == (403, "forbidden")
    with pytest.raises(CommandError) as caught:
        api.core.node.prepare(read_object(b"{}"), OWN_LOG)
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert await told(api.core) == []


@in_virtual_time
async def test_only_an_operator_reads_it() -> None:
    """The right `admin` opens it, on whatever projects, and `subscribe` on all projects does not."""
    everybody = known("ada", "*", rights=[right for right in RIGHTS if right != ADMIN])
    api = Api(tokens=KnownTokens(root=known("root", rights=[ADMIN]), ada=everybody))
    assert (await api.ask("GET", PATH, authorization=bearer("ada"))).status == 403
    assert (await api.ask("GET", PATH, authorization=bearer("root"))).status == 200
    operator = known("op", "proj_1", rights=[ADMIN, SUBSCRIBE, PRESENCE, PUBLISH])
    assert [operator.may(right, OWN_LOG) for right in (SUBSCRIBE, PRESENCE, PUBLISH, ADMIN)] == [
        True,
        True,
        False,
        False,
    ]
    assert not everybody.may(SUBSCRIBE, OWN_LOG)


@in_virtual_time
async def test_what_an_operator_does_stands_there() -> None:
    api = Api(tokens=KnownTokens(root=known("root", "*")))
    answer = await api.ask("POST", "/api/v1/rebalance?seconds=30", authorization=bearer("root"))
    assert answer.status == 202
    (action,) = await told(api.core, PATIENCE_S)
    expected = {"type": "action", "action": "rebalance", "user_id": "root", "seconds": 30}
    assert {name: action[name] for name in expected} == expected
    assert api.core.ports.log.events[-1] == (  # type: ignore[attr-defined]
        "operator.acted",
        {"action": "rebalance", "user_id": "root", "seconds": 30},
    )


def deeds(told_by_node: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What operators did, without where and when it stands."""
    besides = {"type", "project_id", "offset", "published_at"}
    return [
        {name: value for name, value in each.items() if name not in besides}
        for each in told_by_node
        if each["type"] == "action"
    ]


OPERATOR: Final = known("root", "*")
ADA: Final = known("ada", "*", rights=[right for right in RIGHTS if right != ADMIN])


@in_virtual_time
async def test_what_an_operator_publishes_and_forwards_stands_there_without_its_content() -> None:
    """Over the socket and over HTTP; of others nothing."""
    api = Api(tokens=KnownTokens(root=OPERATOR, ada=ADA))
    for name, identity in (("root", OPERATOR), ("ada", ADA)):
        client = client_on(api.core, identity)
        for command in (
            b'{"action":"publish","project_id":"p","message":{"secret":1}}',
            b'{"action":"forward","type":"dev","project_id":"p","message_id":"m-1","data":{"secret":2}}',
        ):
            api.core.server.handle_client_message(client, command)
            await asyncio.sleep(1)
        answer = await api.ask("POST", "/api/v1/projects/p/messages", b'[{"a":1},{"a":2}]', authorization=bearer(name))
        assert answer.status == 200
    epoch = api.core.node.project("p").journal.log.epoch
    assert deeds(await told(api.core)) == [
        {"action": "publish", "user_id": "root", "position": f"p@{epoch}:1"},
        {"action": "forward", "user_id": "root", "agent": "dev", "message_id": "m-1", "of_project_id": "p"},
        {"action": "publish", "user_id": "root", "position": f"p@{epoch}:2"},
        {"action": "publish", "user_id": "root", "position": f"p@{epoch}:3"},
    ]


@in_virtual_time
async def test_what_fails_was_not_done() -> None:
    api = Api(tokens=KnownTokens(root=OPERATOR))
    client = client_on(api.core, OPERATOR)
    for command in (
        b'{"action":"publish","project_id":"p","message":{"offset":1}}',
        b'{"action":"forward","type":"dev","message_id":"a b","data":{}}',
    ):
        api.core.server.handle_client_message(client, command)
    await asyncio.sleep(1)
    assert deeds(await told(api.core)) == []


@in_virtual_time
async def test_where_nobody_has_a_name_nobody_is_an_operator() -> None:
    api = Api()
    api.core.server.handle_client_message(
        client_on(api.core), b'{"action":"publish","project_id":"p","message":{"a":1}}'
    )
    await asyncio.sleep(1)
    assert deeds(await told(api.core)) == []


@in_virtual_time
async def test_of_many_deeds_the_first_ones_are_told_and_the_others_counted() -> None:
    """At the maximum all are told; of one more, its number. The next report begins anew."""
    own_log = (core := Api().core).own_log
    for number in range(DEEDS_PER_REPORT):
        own_log.used("publish", OPERATOR, {"number": number})
    own_log.report()
    for number in range(DEEDS_PER_REPORT + 1):
        own_log.used("publish", OPERATOR, {"number": number})
    own_log.used("forward", OPERATOR, {})
    own_log.report()
    own_log.report()
    await asyncio.sleep(1)
    of_one = [{"action": "publish", "user_id": "root", "number": number} for number in range(DEEDS_PER_REPORT)]
    more = [{"action": action, "user_id": "", "more": 1} for action in ("publish", "forward")]
    assert deeds(await told(core)) == [*of_one, *of_one, *more]
