"""A link outlives its connections: a real server is stopped, paused and started again under it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest
from redis.asyncio import Redis

from tests.support.patience import PATIENCE_S
from tests.support.valkeys import Valkey, running_valkey
from websocket_handler.adapters.valkey.connection import Reply, packed
from websocket_handler.adapters.valkey.link import Failed, Link, LinkOptions
from websocket_handler.adapters.valkey.server import Server, Unreachable
from websocket_handler.adapters.valkey.url import Address, ValkeyUrl
from websocket_handler.ports.backoff import Backoff

pytestmark = pytest.mark.asyncio
Answer = Sequence[Reply] | Failed
NOWHERE = Server(ValkeyUrl((Address("127.0.0.1", 1),)))


@asynccontextmanager
async def running_link(valkey: Valkey, options: LinkOptions | None = None) -> AsyncIterator[Link]:
    link = Link(Server(valkey.url), Backoff(Random(1).random, 0.01, 0.05), options or LinkOptions(PATIENCE_S))
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a link tells nobody that it has a fault
            await asyncio.sleep(0)


async def answer_to(link: Link, commands: bytes, count: int = 1) -> Answer:
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    link.call(commands, count, answer.set_result)
    return await asyncio.wait_for(answer, PATIENCE_S)


async def test_what_is_asked_before_there_is_a_connection_is_answered(valkey: Valkey) -> None:
    async with running_link(valkey) as link:
        assert link.fault == "not connected yet"
        assert await link.ask("PING") == b"PONG"
        assert link.fault is None
        assert await answer_to(link, packed("SET", "k", "é") + packed("GET", "k"), 2) == [b"OK", "é".encode()]
        with pytest.raises(Unreachable, match="wrong number"):
            await link.ask("GET")
        async with Redis(port=valkey.port) as other:  # a second client reads the same
            assert await other.get("k") == "é".encode()


async def test_what_is_unanswered_is_asked_again_when_the_server_is_back() -> None:
    with running_valkey() as server:
        async with running_link(server) as link:
            await link.ask("PING")
            server.stop()
            answers = [asyncio.create_task(link.ask("ECHO", str(number))) for number in range(20)]
            await asyncio.sleep(0)
            server.start()
            assert await asyncio.gather(*answers) == [b"%d" % number for number in range(20)]


async def test_a_server_that_says_nothing_is_given_up() -> None:
    """It still takes connections: the kernel does that."""
    with running_valkey() as server:
        async with running_link(server, LinkOptions(timeout_s=0.5, silent_s=0.1)) as link:
            await asyncio.wait_for(_until_answered(link), PATIENCE_S)
            assert server.process is not None
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                answer = await answer_to(link, packed("PING"))
                assert isinstance(answer, Failed)
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
            assert await asyncio.wait_for(_until_answered(link), PATIENCE_S) == b"PONG"


async def _until_answered(link: Link) -> Reply:
    while True:
        try:
            return await link.ask("PING")
        except Unreachable:
            continue


async def test_a_demoted_primary_is_left_and_asked_again_once_it_is_one_again(valkey: Valkey) -> None:
    async with running_link(valkey) as link, Redis(port=valkey.port) as other:
        await link.ask("PING")
        await other.slaveof("127.0.0.1", 1)
        write = asyncio.create_task(link.ask("SET", "k", "v"))
        await until(lambda: link.fault is not None)
        await other.slaveof()
        assert await write == b"OK"


async def test_as_many_calls_as_allowed_and_one_more() -> None:
    link = Link(NOWHERE, Backoff(Random(1).random), LinkOptions(calls_max=2))
    answers: list[Answer] = []
    for _ in range(2):
        link.call(packed("PING"), 1, answers.append)
    assert answers == []
    link.call(packed("PING"), 1, answers.append)
    assert isinstance(answers[0], Failed)
    assert "more than 2 calls" in answers[0].reason


async def test_as_many_bytes_as_allowed_and_one_more() -> None:
    size = len(packed("PING"))
    link = Link(NOWHERE, Backoff(Random(1).random), LinkOptions(bytes_max=2 * size))
    answers: list[Answer] = []
    for _ in range(2):
        link.call(packed("PING"), 1, answers.append)
    assert answers == []
    link.call(b"x", 1, answers.append)
    assert isinstance(answers[0], Failed)


async def test_a_call_that_nobody_waits_for_any_more_takes_its_own_answer(valkey: Valkey) -> None:
    async with running_link(valkey) as link:
        await link.ask("PING")
        given_up = asyncio.create_task(link.ask("ECHO", "first"))
        await asyncio.sleep(0)
        next_one = asyncio.create_task(link.ask("ECHO", "second"))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await next_one == b"second"
        assert given_up.cancelled()


async def test_the_end_answers_what_waits(valkey: Valkey) -> None:
    answers: list[Answer] = []
    async with running_link(valkey) as link:
        link.call(packed("PING"), 1, answers.append)
        await asyncio.sleep(0)
    assert answers == [Failed("the node ends")]


async def test_an_error_of_the_greeting_ends_the_connection_and_is_told(valkey: Valkey) -> None:
    link = Link(Server(valkey.url), Backoff(Random(1).random), LinkOptions(), greeting=lambda: [packed("NONSENSE")])
    task = asyncio.create_task(link.run())
    await until(lambda: "NONSENSE" in (link.fault or ""))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
