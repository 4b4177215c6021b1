"""The requests that are being answered when the node ends, in virtual time."""

import asyncio

import pytest

from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.api.requests import ANSWERS_S, Requests


class Socket:
    """An HTTP socket that remembers when it was ended."""

    def __init__(self) -> None:
        self.ended_at: float | None = None

    def hang_up(self) -> None:
        self.ended_at = asyncio.get_running_loop().time()


def begin(requests: Requests, seconds: float) -> tuple[asyncio.Task[None], list[str]]:
    """A request that takes so long, and what became of it; the HTTP server's part is played here."""
    ends: list[str] = []

    async def application(_scope: object, _receive: object, _send: object) -> None:
        try:
            await asyncio.sleep(seconds)
            ends.append("answered")
        except asyncio.CancelledError:
            ends.append("dropped")
            raise

    answering = requests.ended_quietly(application)
    task = asyncio.ensure_future(answering({}, None, None))  # type: ignore[arg-type]
    requests.running.add(task)
    task.add_done_callback(requests.running.discard)
    return task, ends


@in_virtual_time
async def test_without_requests_a_node_ends_at_once_and_every_socket_with_it() -> None:
    requests, sockets = Requests(), [Socket(), Socket()]
    requests.connections.update(sockets)
    await requests.start()
    begun = asyncio.get_running_loop().time()
    await requests.stop()
    assert [socket.ended_at for socket in sockets] == [begun, begun]


@in_virtual_time
async def test_the_last_answers_are_waited_for_before_any_socket_ends() -> None:
    requests, socket = Requests(), Socket()
    requests.connections.add(socket)
    begun = asyncio.get_running_loop().time()
    answered = [begin(requests, seconds) for seconds in (0.1, ANSWERS_S - 0.1)]
    await requests.stop()
    assert [ends for _, ends in answered] == [["answered"], ["answered"]]
    assert socket.ended_at == begun + ANSWERS_S - 0.1


@in_virtual_time
async def test_what_takes_longer_is_dropped_quietly() -> None:
    requests = Requests()
    begun = asyncio.get_running_loop().time()
    quick, slow = begin(requests, 0.1), begin(requests, ANSWERS_S + 0.1)
    await requests.stop()
    assert (quick[1], slow[1]) == (["answered"], ["dropped"])
    assert asyncio.get_running_loop().time() == begun + ANSWERS_S
    assert slow[0].exception() is None, "it is no fault of the application"
    await settle()
    assert requests.running == set()


@in_virtual_time
async def test_who_cancels_a_request_before_the_end_is_told() -> None:
    requests = Requests()
    task, ends = begin(requests, 60)
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ends == ["dropped"]


@in_virtual_time
async def test_a_bug_is_raised_before_and_after_the_end() -> None:
    requests = Requests()

    async def broken(_scope: object, _receive: object, _send: object) -> None:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await requests.ended_quietly(broken)({}, None, None)  # type: ignore[arg-type]
        await requests.stop()
