"""The log in which a node tells about itself: who writes it, who reads it, and how much is kept."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import pytest

from tests.support.http_api import Api, KnownTokens, bearer, known
from tests.support.patience import PATIENCE_S
from tests.support.virtual_time import in_virtual_time
from websocket_handler.assembly import Core
from websocket_handler.delivery.node import OWN_LOG_LIMITS
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
