"""Where an append leaves the short way, and what the long way makes of it: on connections that do what connections do.

A task of the store named `_finish` is the long way.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from types import CoroutineType
from typing import Any

import pytest

from tests.support.clock import SteeredClock
from tests.support.ports_testing import segment
from tests.support.scripted_server import Act, Deed, ScriptedServer, http_answer, scripted_server
from tests.support.wire_testing import EVER_S, PATIENT, PlainAws
from websocket_handler.adapters.aws.clock import AwsClock
from websocket_handler.adapters.aws.dynamodb_append import BROKEN_OFF
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogStore
from websocket_handler.adapters.aws.http_connections import ConnectionLimits
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.adapters.overload.budget import BudgetOptions
from websocket_handler.adapters.overload.gate import GateOptions
from websocket_handler.adapters.overload.limit import LimitOptions
from websocket_handler.background import Background
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import Behind, Committed, Segment, Tail, TooLarge, Unavailable

pytestmark = pytest.mark.asyncio
EMPTY: Sequence[Act] = [http_answer(b'{"Items":[]}')]
"""The answer to the query with which the store looks at a log: nothing is there. Its connection is idle afterwards."""
TAKEN: Sequence[Act] = [http_answer(b"{}")]
STALL: Sequence[Act] = [Deed.STALL, *TAKEN]
NO_RETRY = BudgetOptions(share=0.0, per_second=0.0, most=0.0)
ONE = LimitOptions(calls_min=1, calls_first=1, calls_max=1)
Answers = list[Committed | Behind | TooLarge | Unavailable]


def refusal(code: str, status: int = 400, more: bytes = b"", **headers: str) -> Sequence[Act]:
    """An error answer of DynamoDB."""
    text = b'{"__type":"com.amazonaws.dynamodb.v20120810#%b","message":"no"%b}' % (code.encode(), more)
    return [http_answer(text, status, **headers)]


def payload(number: int) -> Segment:
    """The segment with one record at this offset."""
    return segment(number, [b'{"n":%d}' % number])


class Desk:
    """A store in front of a scripted server. It knows that the logs `p`, `q` and `r` are empty."""

    def __init__(
        self, server: ScriptedServer, aws: PlainAws, limits: ConnectionLimits, options: dict[str, Any]
    ) -> None:
        self.server = server
        self.aws = aws
        self.wire = AwsWire(aws, limits)
        backoff = Backoff(Random(1).random, base_s=0.001, max_s=0.01)
        times = {"timeout_s": EVER_S, "attempt_timeout_s": EVER_S}
        self.table = Table("t", self.wire.call, self.wire.begin, backoff=backoff, **{**times, **options})
        self.background = Background(_NoFaults())
        self.tasks: list[str] = []
        self.store = DynamoDbLogStore(self.table, self._start, SteeredClock())
        self._answered = asyncio.Event()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        assert isinstance(work, CoroutineType)
        self.tasks.append(work.cr_code.co_name)
        self.background.start(work)

    async def look(self, *projects: str) -> None:
        """Look at these logs, one after the other."""
        for project in projects:
            seen: asyncio.Future[Tail | Unavailable] = asyncio.get_running_loop().create_future()
            self.store.open(project, seen.set_result)
            assert await seen == Tail(None, 0, 0, ())
        self.tasks.clear()
        self.server.requests.clear()

    def begin(self, project: str = "p", number: int = 1, wanted: Segment | None = None) -> Answers:
        """Append, and return the list to which the answer is added."""
        answers: Answers = []

        def done(answer: Committed | Behind | TooLarge | Unavailable) -> None:
            answers.append(answer)
            self._answered.set()

        self.store.append(project, wanted or payload(number), done)
        return answers

    async def answer(self, answers: Answers) -> Committed | Behind | TooLarge | Unavailable:
        """The one answer."""
        while not answers:
            self._answered.clear()
            await self._answered.wait()
        (answer,) = answers
        return answer

    async def append(self, project: str = "p", number: int = 1) -> Committed | Behind | TooLarge | Unavailable:
        return await self.answer(self.begin(project, number))

    @property
    def long_ways(self) -> int:
        """How many appends went on in a task."""
        return self.tasks.count("_finish")


class _NoFaults:
    def exception(self, event: str, fault: BaseException, **_fields: object) -> None:
        raise AssertionError(event) from fault


@asynccontextmanager
async def desk(
    *script: Sequence[Act],
    projects: Sequence[str] = ("p",),
    limits: ConnectionLimits = PATIENT,
    clock: AwsClock | None = None,
    **options: Any,
) -> AsyncIterator[Desk]:
    """The script begins after the store has looked at the logs."""
    async with scripted_server(EMPTY) as server, PlainAws(server.url, clock=clock) as aws:
        desk = Desk(server, aws, limits, options)
        await desk.look(*projects)
        server.script = script
        yield desk
        await desk.background.end()


async def test_an_append_behind_a_known_end_takes_no_task() -> None:
    async with desk(TAKEN) as it:
        for number in (1, 2, 3):
            assert await it.append(number=number) == Committed()
        assert it.tasks == ["_keep"], "one for all appends of the store"
        assert (it.server.connections, len(it.server.requests)) == (1, 3)
        assert it.table.gate.under_way == 0
        assert it.store.failure() is None


async def test_an_append_behind_an_unknown_end_looks_first() -> None:
    async with desk(EMPTY, EMPTY, TAKEN) as it:
        assert await it.append("elsewhere") == Committed()
        assert it.long_ways == 1
        assert [request.headers["x-amz-target"].split(".")[1] for request in it.server.requests] == [
            "Query",
            "Query",
            "PutItem",
        ]
        assert await it.append("elsewhere", 2) == Committed()
        assert it.long_ways == 1, "now the end is known"


async def test_without_an_idle_connection_a_new_one_is_waited_for_and_used_again() -> None:
    async with desk(TAKEN) as it:
        it.server.hang_up()
        assert await it.append() == Committed()
        assert await it.append(number=2) == Committed()
        assert (it.long_ways, it.server.connections, len(it.server.requests)) == (1, 2, 2)


async def test_two_appends_at_once_need_two_connections() -> None:
    async with desk(STALL, STALL, TAKEN, projects=("p", "q")) as it:
        both = [it.begin("p"), it.begin("q")]
        for _ in range(2 + 2):  # the looks arrived before
            await it.server.arrived.acquire()
        it.server.go_on.set()
        assert [await it.answer(answers) for answers in both] == [Committed(), Committed()]
        assert (it.long_ways, it.server.connections) == (1, 2)
        both = [it.begin("p", 2), it.begin("q", 2)]
        assert [await it.answer(answers) for answers in both] == [Committed(), Committed()]
        assert (it.long_ways, it.server.connections) == (1, 2)


@pytest.mark.parametrize(
    "acts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", Deed.RESET],
        [http_answer(b"", 500)],
        [http_answer(b"no JSON")],
        refusal("ThrottlingException"),
        refusal("ExpiredTokenException"),
    ],
)
async def test_what_may_heal_is_tried_again_within_the_budget(acts: Sequence[Act]) -> None:
    async with desk(acts, TAKEN) as it:
        assert await it.append() == Committed()
        assert (it.long_ways, len(it.server.requests)) == (1, 2)
        assert it.server.requests[0].body == it.server.requests[1].body
        assert it.table.gate.under_way == 0
    async with desk(acts, TAKEN, budget=NO_RETRY) as it:
        answer = await it.append()
        assert isinstance(answer, Unavailable)
        assert answer.retry_after_s > 0.0
        assert (it.long_ways, len(it.server.requests)) == (1, 1)
        assert it.store.failure() is not None
        assert await it.append(number=1) == Committed()
        assert it.store.failure() is None


async def test_a_first_attempt_counts_in_the_budget_once() -> None:
    budget = BudgetOptions(share=0.5, per_second=0.0, most=1.0)
    busy = refusal("ThrottlingException")
    script = [busy, TAKEN, busy, busy, TAKEN]
    async with desk(*script, budget=budget) as it:
        assert await it.append() == Committed()
        assert isinstance(await it.append(number=2), Unavailable), "half a retry was earned"
        assert await it.append(number=2) == Committed()


async def test_an_idle_connection_that_ends_as_it_is_used_is_replaced_without_a_retry() -> None:
    async with desk([Deed.CLOSE], TAKEN, budget=NO_RETRY) as it:
        assert await it.append() == Committed()
        assert [request.connection for request in it.server.requests] == [0, 1]
        assert it.server.requests[0].body == it.server.requests[1].body
    limits = ConnectionLimits(at_once_s=0.0, idle_s=EVER_S, connect_timeout_s=EVER_S)
    async with desk([Deed.CLOSE], TAKEN, budget=NO_RETRY, limits=limits) as it:
        assert isinstance(await it.append(), Unavailable)
        assert len(it.server.requests) == 1


@pytest.mark.parametrize(("writer", "meaning"), [("another", Behind()), ("ours", Committed())])
async def test_a_segment_that_is_there_already_is_told_by_its_writer(writer: str, meaning: object) -> None:
    wanted = payload(1)
    name = wanted.writer if writer == "ours" else writer
    there = refusal("ConditionalCheckFailedException", more=b',"Item":{"w":{"S":"%b"}}' % name.encode())
    async with desk(there, TAKEN) as it:
        assert await it.answer(it.begin(wanted=wanted)) == meaning
        assert (it.long_ways, len(it.server.requests), it.table.gate.under_way) == (1, 1, 0)


async def test_a_segment_that_is_too_large_is_no_fault_of_the_table() -> None:
    too_large = [http_answer(b'{"__type":"ValidationException","message":"Item size has exceeded the maximum"}', 400)]
    async with desk(too_large) as it:
        assert await it.append() == TooLarge()
        assert it.store.failure() is None


async def test_what_only_an_operator_can_help_with_is_told_and_not_tried_again() -> None:
    async with desk(refusal("AccessDeniedException"), TAKEN) as it:
        answer = await it.append()
        assert isinstance(answer, Unavailable)
        assert answer.retry_after_s == 0.0
        assert len(it.server.requests) == 1
        assert it.store.failure() is not None


async def test_a_wrong_clock_is_set_right_without_a_retry() -> None:
    theirs = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    wrong = refusal("InvalidSignatureException", Date=format_datetime(theirs, usegmt=True))
    clock = AwsClock((theirs - timedelta(hours=1)).timestamp)
    async with desk(wrong, TAKEN, budget=NO_RETRY, clock=clock) as it:
        assert await it.append() == Committed()
        assert await it.append(number=2) == Committed()
        dates = [request.headers["x-amz-date"] for request in it.server.requests]
        assert dates[1:] == [theirs.strftime("%Y%m%dT%H%M%SZ")] * 2
        assert it.long_ways == 1


async def test_credentials_that_aws_does_not_take_any_more_are_asked_for_by_the_long_way() -> None:
    async with desk(refusal("ExpiredTokenException"), TAKEN) as it:
        it.aws.tokens = ["token-2"]
        assert await it.append() == Committed()
        assert [request.headers["x-amz-security-token"] for request in it.server.requests] == ["token-1", "token-2"]


async def test_an_answer_that_does_not_come_ends_the_attempt_and_its_connection() -> None:
    async with desk(STALL, TAKEN, attempt_timeout_s=0.05) as it:
        assert await it.append() == Committed()
        assert it.long_ways == 1
        assert len(it.server.requests) >= 2
        await it.server.ended.acquire()
        assert it.server.requests[-1].connection > 0


async def test_the_shorter_one_of_both_deadlines_ends_the_first_attempt() -> None:
    async with desk(STALL, timeout_s=0.05) as it:
        answer = await it.append()
        assert isinstance(answer, Unavailable)
        assert "no answer in 0.05 s" in answer.reason


async def test_as_many_as_the_gate_has_room_for_wait_and_one_more_is_refused_at_once() -> None:
    gate = GateOptions(ONE, waiting_max=1)
    async with desk(STALL, TAKEN, projects=("p", "q", "r"), gate=gate) as it:
        first, second = it.begin("p"), it.begin("q")
        assert (it.table.gate.under_way, it.table.gate.waiting) == (1, 1)
        (refused,) = it.begin("r")
        assert isinstance(refused, Unavailable)
        assert refused.retry_after_s > 0.0
        assert it.store.failure() is None, "the table was not asked"
        it.server.go_on.set()
        assert [await it.answer(answers) for answers in (first, second)] == [Committed(), Committed()]
        assert (it.tasks, it.server.connections) == (["_keep"], 1)
        assert (it.table.gate.under_way, it.table.gate.waiting) == (0, 0)


async def test_an_append_that_waits_too_long_for_its_turn_is_refused() -> None:
    gate = GateOptions(ONE, wait_max_s=0.01)
    async with desk(STALL, TAKEN, projects=("p", "q"), gate=gate) as it:
        first, second = it.begin("p"), it.begin("q")
        assert isinstance(await it.answer(second), Unavailable)
        it.server.go_on.set()
        assert await it.answer(first) == Committed()
        assert len(it.server.requests) == 1


async def test_a_node_that_ends_answers_every_append_once() -> None:
    """One was written at once, one needed a connection and so a task, and one waits for its turn."""
    gate = GateOptions(LimitOptions(calls_min=2, calls_first=2, calls_max=2))
    async with desk(STALL, STALL, projects=("p", "q", "r"), gate=gate) as it:
        answers = [it.begin(project) for project in ("p", "q", "r")]
        for _ in range(3 + 2):
            await it.server.arrived.acquire()
        assert it.long_ways == 1
        await it.background.end()
        assert answers == [[Unavailable(BROKEN_OFF)]] * 3
        for _ in range(2):
            await it.server.ended.acquire()
        await it.wire.close()
        assert answers == [[Unavailable(BROKEN_OFF)]] * 3
        assert (it.table.gate.under_way, it.table.gate.waiting) == (0, 0)


async def test_a_client_that_is_closed_under_an_append_is_transient() -> None:
    async with desk(STALL, budget=NO_RETRY) as it:
        answers = it.begin()
        await it.wire.close()
        assert isinstance(await it.answer(answers), Unavailable)
        assert len(it.server.requests) <= 1
