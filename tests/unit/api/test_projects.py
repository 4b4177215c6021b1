"""The routes of one project: publish, read and wait, and what each of them refuses."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.deltas import delta, ranges, text_of
from tests.support.doubles import client_of
from tests.support.http_api import BODY_BYTES_MAX, Api, Exchange, KnownTokens, bearer, client_on, known
from tests.support.runs import RUN, run_of
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.api.projects import BATCH_MAX, WAIT_MAX_S, read_batch
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.protocol.codes import CommandError, ErrorCode

MESSAGES = "/api/v1/projects/p/messages"


async def published(api: Api, *values: Any, target: str = MESSAGES) -> Any:
    """The last confirmation of these objects, published one by one."""
    answers = [await api.ask("POST", target, json.dumps(value).encode()) for value in values]
    assert [answer.status for answer in answers] == [200] * len(values)
    return answers[-1].json


def offsets(answer: Exchange) -> list[int]:
    """What a page holds."""
    assert answer.status == 200, answer.body
    return [message["offset"] for message in answer.json["messages"]]


# Publishing


@in_virtual_time
async def test_an_object_is_confirmed_with_its_position_after_its_commit() -> None:
    api = Api()
    first = await published(api, {"n": 1})
    assert first == {"type": "publish_confirmed", "project_id": "p", "epoch": first["epoch"], "offset": 1}
    assert (await published(api, {"n": 2}))["offset"] == 2
    page = (await api.ask("GET", MESSAGES)).json
    assert [message["n"] for message in page["messages"]] == [1, 2]


@in_virtual_time
async def test_an_array_is_published_whole_and_in_its_order() -> None:
    api = Api()
    answer = await api.ask("POST", MESSAGES, b' \n[{"n":1}, {"n":2} ,{"n":3}]')
    assert answer.json == {
        "type": "publish_confirmed",
        "project_id": "p",
        "epoch": answer.json["epoch"],
        "offsets": [1, 2, 3],
    }
    assert [message["n"] for message in (await api.ask("GET", MESSAGES)).json["messages"]] == [1, 2, 3]


@in_virtual_time
async def test_a_batch_has_its_maximum_and_not_one_more_and_never_none() -> None:
    api = Api()
    most = b"[" + b",".join([b"{}"] * BATCH_MAX) + b"]"
    assert (await api.ask("POST", MESSAGES, most)).json["offsets"] == list(range(1, BATCH_MAX + 1))
    for body in (b"[]", most[:-1] + b",{}]"):
        answer = await api.ask("POST", MESSAGES, body)
        assert (answer.status, answer.code) == (400, "invalid_field")


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b'[{},{"offset":1}]', "reserved_field", "message 1: "),
        (b'[{"project_id":"q"}]', "project_mismatch", "message 0: "),
        (b"[{},{},7]", "not_an_object", "message 2: "),
        (b"[{},[]]", "not_an_object", "message 1: "),
        (b"[{},", "invalid_json", ""),
        (b'{"offset":1}', "reserved_field", ""),
        (b"7", "not_an_object", ""),
        (b"", "invalid_json", ""),
    ],
    ids=range(8),
)
@in_virtual_time
async def test_a_fault_names_its_message_and_nothing_at_all_was_published(body: bytes, code: str, text: str) -> None:
    api = Api()
    answer = await api.ask("POST", MESSAGES, body)
    assert answer.code == code
    assert answer.json["message"].startswith(text)
    assert text or not answer.json["message"].startswith("message ")
    assert offsets(await api.ask("GET", MESSAGES)) == []


@in_virtual_time
async def test_an_object_is_published_at_its_maximum_and_refused_one_byte_beyond() -> None:
    api = Api(delivery=DeliveryLimits(message_bytes=100))
    largest = b'{"t":"%b"}' % (b"x" * 92)
    for body, status in ((largest, 200), (b"[%b,%b]" % (largest, largest), 200), (largest[:-2] + b'x"}', 413)):
        assert (await api.ask("POST", MESSAGES, body)).status == status
    answer = await api.ask("POST", MESSAGES, b"[{},%b]" % (largest[:-2] + b'x"}'))
    assert (answer.code, answer.json["message"][:10]) == ("message_too_large", "message 1:")
    assert (await api.ask("POST", MESSAGES, b"x" * (BODY_BYTES_MAX + 1))).code == "message_too_large"


@in_virtual_time
async def test_a_key_makes_a_retry_harmless_for_each_message_of_a_batch() -> None:
    api = Api()
    for _ in range(2):
        assert (await api.ask("POST", MESSAGES, b'{"n":1}', idempotency_key="k")).json["offset"] == 1
        batch = await api.ask("POST", MESSAGES, b'[{"n":2},{"n":3}]', idempotency_key="batch")
        assert batch.json["offsets"] == [2, 3]
    other = await api.ask("POST", MESSAGES, b'{"n":4}', idempotency_key="k")
    assert (other.status, other.code) == (409, "conflict")


@pytest.mark.parametrize(("key", "status"), [("k" * 128, 200), ("k" * 129, 400), ("a b", 400), ("é", 400), ("", 400)])
@in_virtual_time
async def test_a_key_has_printable_characters(key: str, status: int) -> None:
    assert (await Api().ask("POST", MESSAGES, b"{}", idempotency_key=key)).status == status


@in_virtual_time
async def test_two_keys_are_none() -> None:
    api, exchange = Api(), Exchange("POST", MESSAGES, [b"{}"], idempotency_key="a")
    exchange.scope["headers"].append((b"idempotency-key", b"b"))
    assert (await exchange.run(api.application)).code == "invalid_field"


def test_each_object_of_a_batch_keeps_its_own_bytes() -> None:
    read = read_batch(b'[ {"n": 1.50} ,{"n":\t"\\u00e9"}]')
    assert [one.body for one in read] == [b'{"n": 1.50}', b'{"n":\t"\\u00e9"}']


def test_a_batch_that_two_readers_see_differently_is_refused() -> None:
    for body in (b"[{}", b"[{}]x", b'[{"a":1,}]', b"[\xff]", b"[" * 5000):
        with pytest.raises(CommandError) as refused:
            read_batch(body)
        assert refused.value.code in (ErrorCode.INVALID_JSON, ErrorCode.TOO_DEEP)


# Broadcasts


@in_virtual_time
async def test_a_broadcast_reaches_every_connection_of_the_node() -> None:
    api = Api()
    clients = [client_of(client_on(api.core)) for _ in range(3)]
    for client in clients:
        client.forget()
    answer = await api.ask("POST", "/api/v1/broadcast", b'[{"type":"a"},{"type":"b"}]')
    await settle()
    assert answer.json == {"type": "broadcast_confirmed", "connections": 3}
    assert [[one["type"] for one in client.messages] for client in clients] == [["a", "b"]] * 3
    bad = await api.ask("POST", "/api/v1/broadcast", b'[{"type":"c"},7]')
    await settle()
    assert (bad.code, len(clients[0].messages)) == ("not_an_object", 2)


# Reading


@in_virtual_time
async def test_pages_follow_each_other_from_the_offset_that_is_named() -> None:
    api = Api()
    await published(api, *({"n": n} for n in range(1, 6)))
    assert offsets(await api.ask("GET", f"{MESSAGES}?limit=2")) == [1, 2]
    page = await api.ask("GET", f"{MESSAGES}?after=2&limit=2")
    assert (offsets(page), page.json["offset"], page.json["recovered"]) == ([3, 4], 4, True)
    assert offsets(await api.ask("GET", f"{MESSAGES}?after=5")) == []


@in_virtual_time
async def test_a_position_in_another_epoch_is_told_and_read_from_the_beginning() -> None:
    api = Api()
    epoch = (await published(api, {"n": 1}))["epoch"]
    assert (await api.ask("GET", f"{MESSAGES}?after=1&epoch={epoch}")).json["recovered"] is True
    lost = await api.ask("GET", f"{MESSAGES}?after=1&epoch=another")
    assert (lost.json["recovered"], lost.json["epoch"], offsets(lost)) == (False, epoch, [1])


NO_AFTER = ("-1", "x", "9007199254740992", "1&after=1")
NO_EPOCH = ("", "a%20b", "a:1", "a" * 65)
NO_WAIT = ("", "-0.001", "60.001", "nan", "1_0", ".5", "%201", "1e9", "1&wait=1")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        *(f"after={text}" for text in NO_AFTER),
        *(f"epoch={text}" for text in NO_EPOCH),
        *(f"wait={text}" for text in NO_WAIT),
    ],
)
@in_virtual_time
async def test_a_question_that_makes_no_sense_is_refused_at_once(query: str) -> None:
    answer = await Api().ask("GET", f"{MESSAGES}?{query}")
    assert (answer.status, answer.code) == (400, "invalid_field")


@pytest.mark.parametrize("project_id", ["a" * 129, "a%20b", "%C3%A9"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@in_virtual_time
async def test_what_names_no_project_is_refused(method: str, project_id: str) -> None:
    answer = await Api().ask(method, f"/api/v1/projects/{project_id}/messages", b"{}")
    assert (answer.status, answer.code) == (400, "invalid_project_id")


# Waiting


@in_virtual_time
async def test_who_waits_is_answered_as_soon_as_there_is_something() -> None:
    api = Api()
    await published(api, {"n": 1})
    exchange, answering = api.begin("GET", f"{MESSAGES}?after=1&wait=60")
    await settle()
    assert (exchange.sent, api.core.ports.counters.streams) == ([], 1)
    await published(api, {"n": 2})
    assert offsets(await answering) == [2]
    assert api.core.ports.counters.streams == 0


@in_virtual_time
async def test_who_waits_for_nothing_is_answered_when_the_time_is_over() -> None:
    api, begun = Api(), asyncio.get_running_loop().time()
    assert offsets(await api.ask("GET", f"{MESSAGES}?wait={WAIT_MAX_S:.0f}")) == []
    assert asyncio.get_running_loop().time() - begun == WAIT_MAX_S
    assert offsets(await api.ask("GET", f"{MESSAGES}?wait=2.5e0")) == []
    assert asyncio.get_running_loop().time() - begun == WAIT_MAX_S + 2.5


@in_virtual_time
async def test_who_hangs_up_or_sends_no_more_waits_no_longer() -> None:
    api = Api()
    for end in ("hang up", "half close", "drain"):
        exchange, answering = api.begin("GET", f"{MESSAGES}?wait=60")
        await settle()
        begun = asyncio.get_running_loop().time()
        if end == "hang up":
            exchange.hang_up()
        elif end == "half close":
            exchange.half_close.happened()
        else:
            api.core.server.refuse_newcomers()
            api.core.node.projects.wake_readers()
        assert offsets(await answering) == []
        assert asyncio.get_running_loop().time() == begun, end
        assert api.core.ports.counters.streams == 0


@in_virtual_time
async def test_who_was_revoked_while_waiting_gets_nothing() -> None:
    api = Api(tokens=KnownTokens(ada=known("ada", "p")))
    _, answering = api.begin("GET", f"{MESSAGES}?wait=60", authorization=bearer("ada"))
    await settle()
    api.gateway.access.revoke("ada")
    answer = await answering
    assert (answer.status, answer.code) == (401, "unauthorized")


@in_virtual_time
async def test_presence_lists_who_follows_the_project() -> None:
    api = Api()
    here = client_on(api.core, known("ada"), "p")
    client_on(api.core, known("eve"), "q")
    answer = await api.ask("GET", "/api/v1/projects/p/presence")
    assert [one["connection_id"] for one in answer.json["connections"]] == [here.connection_id]


@in_virtual_time
async def test_a_page_folds_if_it_is_asked_to_and_its_limit_counts_what_is_joined() -> None:
    api = Api()
    await published(api, *(json.loads(delta(piece)) for piece in "abcde"))
    page = (await api.ask("GET", f"{MESSAGES}?fold=true&limit=3")).json
    assert (ranges(page["messages"]), text_of(page["messages"]), page["offset"]) == ([(1, 3)], "abc", 3)
    rest = (await api.ask("GET", f"{MESSAGES}?fold=true&after=3&wait=1")).json
    assert (ranges(rest["messages"]), rest["offset"]) == ([(4, 5)], 5)
    dense = (await api.ask("GET", MESSAGES)).body
    assert (await api.ask("GET", f"{MESSAGES}?fold=false")).body == dense
    assert offsets(await api.ask("GET", MESSAGES)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("fold", ["", "1", "True", "yes", "true&fold=true"])
@in_virtual_time
async def test_fold_is_true_or_false(fold: str) -> None:
    answer = await Api().ask("GET", f"{MESSAGES}?fold={fold}")
    assert (answer.status, answer.code) == (400, "invalid_field")


@in_virtual_time
async def test_a_page_has_the_snapshot_and_what_follows_it_and_never_waits() -> None:
    api = await run_of(*RUN[:3])
    answer = await api.ask("GET", f"{MESSAGES}?from=snapshot&wait=60")
    page = json.loads(answer.body)
    assert (page["type"], page["messages"], page["offset"], page["recovered"]) == ("history", [], 3, True)
    assert page["snapshot"]["messages"][0]["content"] == "a"
    await run_of(RUN[3], api=api)
    page = json.loads((await api.ask("GET", f"{MESSAGES}?from=snapshot")).body)
    assert (page["snapshot"]["offset"], [each["offset"] for each in page["messages"]]) == (3, [4])


@in_virtual_time
async def test_a_page_without_the_question_has_no_snapshot() -> None:
    api = await run_of(RUN[0])
    assert "snapshot" not in json.loads((await api.ask("GET", MESSAGES)).body)


@pytest.mark.parametrize(
    "target",
    [
        f"{MESSAGES}?from=",
        f"{MESSAGES}?from=snapshot&after=0",
        f"{MESSAGES}?from=snapshot&epoch=e",
    ],
)
@in_virtual_time
async def test_two_ways_to_begin_and_unknown_ones_are_refused(target: str) -> None:
    answer = await (await run_of()).ask("GET", target)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid_field")
