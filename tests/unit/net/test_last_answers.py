"""How a WebSocket ends whose client sends no more, or broke the protocol: in virtual time, over a store that answers
late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.frames import CLOSE, TEXT, client_frame, text_frame
from tests.support.memory_ports import MemoryForwarder
from tests.support.nodes import core_options, memory_ports
from tests.support.server_frames import read_back
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.assembly import assemble
from websocket_handler.hub.log import LogLimits
from websocket_handler.net.closing import CLOSE_TIMEOUT_S, FAIL_TIMEOUT_S
from websocket_handler.net.keepalive import KeepaliveOptions
from websocket_handler.net.websocket import WebSocket
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.ports.forwarder import Accepted, Prepared, Refused
from websocket_handler.ports.log_store import Segment, always
from websocket_handler.protocol.codes import CloseCode
from websocket_handler.protocol.frames import PLAIN
from websocket_handler.protocol.identity import ANYONE, RIGHTS, Identity
from websocket_handler.protocol.names import Agent

LATE_S: Final = 9.0
ANSWERS_S: Final = 35.0


class LateStore(MemoryLogStore):
    """A store that answers every call `LATE_S` later, or never."""

    late_s: float | None = LATE_S

    def _later(self, done: Callable[[Any], None]) -> Callable[[Any], None]:
        def answer(value: Any) -> None:
            if self.late_s is not None:
                asyncio.get_running_loop().call_later(self.late_s, done, value)

        return answer

    def open(self, project_id: str, done: Callable[[Any], None], is_wanted: Callable[[], bool] = always) -> None:
        super().open(project_id, self._later(done), is_wanted)

    def append(self, project_id: str, segment: Segment, done: Callable[[Any], None]) -> None:
        super().append(project_id, segment, self._later(done))

    def read(
        self,
        project_id: str,
        after: int,
        done: Callable[[Any], None],
        at_turn: Callable[[], int | None] | None = None,
    ) -> None:
        super().read(project_id, after, self._later(done), at_turn)


class LateForwarder(MemoryForwarder):
    """Queues that answer as late."""

    async def send(self, agent: Agent, tasks: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        await asyncio.sleep(LATE_S)
        return await super().send(agent, tasks)


class LateAuthenticator:
    """An issuer whose keys come as late."""

    def authenticate(self, _token: str, done: Authenticated) -> None:
        asyncio.get_running_loop().call_later(LATE_S, done, Identity("ada", None, ("*",), RIGHTS))

    def failure(self) -> str | None:
        return None


class Wire:
    """The gateway's end of a socket."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = asyncio.Event()
        self.was_aborted = False

    def write(self, data: bytes) -> None:
        assert not self.ended.is_set(), "written after the end"
        self.written += data

    def close(self) -> None:
        self.ended.set()

    def abort(self) -> None:
        self.was_aborted = True
        self.close()

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, **_limits: int) -> None:
        """Tests say when it is full."""

    def get_extra_info(self, _name: str) -> None:
        """No socket."""

    def pause_reading(self) -> None:
        """What is read is what tests pass on."""

    def resume_reading(self) -> None:
        """The same."""

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """What was written so far: opcodes and payloads."""
        return [(int(frame.opcode), bytes(frame.data)) for frame in read_back(self.written)]

    @property
    def answers(self) -> list[str]:
        """The types of all messages behind the greeting, errors by their code."""
        messages = [json.loads(payload) for opcode, payload in self.frames if opcode == TEXT][1:]
        return [message.get("code", message["type"]) for message in messages]


class Scene:
    """One WebSocket on a node with a late store."""

    def __init__(self, ping_interval_s: float = 25.0, authenticator: LateAuthenticator | None = None) -> None:
        clock = SteeredClock(loop_time)
        self.store = LateStore(clock, LogLimits())
        ports = memory_ports(clock=clock, log_store=self.store, forwarder=LateForwarder(), authenticator=authenticator)
        keepalive = KeepaliveOptions(ping_interval_s=ping_interval_s, answers_timeout_s=ANSWERS_S)
        core = assemble(ports, core_options(keepalive=keepalive))
        core.keepalive.start()
        self.wire = Wire()
        wire: Any = self.wire
        self.socket = WebSocket(core.sockets, wire, (), None if authenticator else ANYONE, "", PLAIN)
        self.socket.begin(b"")
        self._began_at = loop_time()

    def say(self, *commands: str) -> None:
        """Send commands in one packet."""
        self.socket.data_received(b"".join(map(text_frame, commands)))

    async def end_s(self) -> float:
        """How long it takes until the gateway ends the connection."""
        await self.wire.ended.wait()
        return round(loop_time() - self._began_at, 3)


# A client that sends no more

PUBLISH: Final = '{"action":"publish","project_id":"a","message":{"n":1}}'
SUBSCRIBE: Final = '{"action":"subscribe","project_id":"a"}'
HISTORY: Final = '{"action":"history","project_id":"b"}'
FORWARD: Final = '{"action":"forward","type":"dev","data":1}'
LATE_COMMANDS: Final = {
    "publish": (PUBLISH, ["publish_confirmed"], 2 * LATE_S),  # the log is opened first
    "subscribe": (SUBSCRIBE, ["subscription_confirmed"], LATE_S),
    "history": (HISTORY, ["history"], LATE_S),
    "forward": (FORWARD, ["forward_confirmed"], LATE_S),
}


@pytest.mark.parametrize(("command", "answers", "after_s"), LATE_COMMANDS.values(), ids=LATE_COMMANDS)
@in_virtual_time
async def test_a_late_answer_is_waited_for_and_not_longer(command: str, answers: list[str], after_s: float) -> None:
    scene = Scene()
    scene.say(command)
    assert scene.socket.eof_received()
    assert await scene.end_s() == after_s
    assert scene.wire.answers == answers
    assert not scene.wire.was_aborted


@in_virtual_time
async def test_a_token_that_takes_long_to_verify_is_answered_too() -> None:
    scene = Scene(authenticator=LateAuthenticator())
    scene.say('{"action":"authenticate","token":"t"}')
    assert scene.socket.eof_received()
    assert await scene.end_s() == LATE_S
    assert scene.wire.answers == ["authenticated"]


@in_virtual_time
async def test_the_last_answer_of_several_is_waited_for() -> None:
    scene = Scene()
    scene.say(SUBSCRIBE, '{"action":"unsubscribe","project_id":"a"}', FORWARD, HISTORY, PUBLISH)
    assert scene.socket.eof_received()
    assert await scene.end_s() == 2 * LATE_S
    assert sorted(scene.wire.answers) == [
        "forward_confirmed",
        "history",
        "publish_confirmed",
        "subscription_confirmed",
        "unsubscription_confirmed",
    ]


@in_virtual_time
async def test_who_waits_for_nothing_is_let_go_at_once() -> None:
    scene = Scene()
    scene.say('{"action":"ping"}', '{"action":"publish","project_id":"a","message":{"offset":1}}')
    assert scene.socket.eof_received()
    await settle()
    assert scene.wire.ended.is_set()
    assert scene.wire.answers == ["pong", "reserved_field"]


@in_virtual_time
async def test_an_answer_that_never_comes_is_not_waited_for_for_ever() -> None:
    scene = Scene()
    scene.store.late_s = None
    scene.say(PUBLISH)
    assert scene.socket.eof_received()
    assert await scene.end_s() == ANSWERS_S
    assert scene.wire.answers == []


@in_virtual_time
async def test_who_cannot_answer_a_ping_is_sent_none() -> None:
    scene = Scene(ping_interval_s=1.0)
    scene.say(PUBLISH)
    assert scene.socket.eof_received()
    assert await scene.end_s() == 2 * LATE_S
    assert {opcode for opcode, _ in scene.wire.frames} == {TEXT}


@in_virtual_time
async def test_what_waits_for_a_full_outbox_is_answered_first() -> None:
    scene = Scene()
    scene.socket.pause_writing()
    scene.say('{"action":"ping"}', PUBLISH)
    assert scene.socket.eof_received()
    await asyncio.sleep(1.0)
    assert scene.wire.answers == ["pong"]
    assert not scene.wire.ended.is_set()
    scene.socket.resume_writing()
    assert await scene.end_s() == 1.0 + 2 * LATE_S
    assert scene.wire.answers == ["pong", "publish_confirmed"]


@in_virtual_time
async def test_a_close_of_the_gateway_is_not_waited_for_then() -> None:
    scene = Scene()
    scene.say(PUBLISH)
    assert scene.socket.eof_received()
    scene.socket.close(CloseCode.HANDED_OVER, "bye")
    assert scene.wire.ended.is_set()
    assert scene.wire.frames[-1] == (CLOSE, CloseCode.HANDED_OVER.to_bytes(2) + b"bye")
    await asyncio.sleep(ANSWERS_S)


# A client that broke the protocol, and one that did not


@in_virtual_time
async def test_who_broke_the_protocol_is_not_waited_for_however_much_follows() -> None:
    scene = Scene()
    for _ in range(4):
        scene.socket.data_received(client_frame(TEXT, b"{}", mask=None) + text_frame('{"action":"ping"}'))
        await asyncio.sleep(0.1)
    assert await scene.end_s() == FAIL_TIMEOUT_S
    assert scene.wire.was_aborted
    assert scene.wire.answers == []
    assert [payload[:2] for opcode, payload in scene.wire.frames if opcode == CLOSE] == [b"\x03\xea"]


@in_virtual_time
async def test_who_breaks_the_protocol_after_our_close_is_not_waited_for_either() -> None:
    scene = Scene()
    scene.socket.close(CloseCode.INTERNAL_ERROR, "")
    scene.socket.data_received(client_frame(TEXT, b"{}", mask=None))
    assert await scene.end_s() == FAIL_TIMEOUT_S
    assert scene.wire.frames[-1] == (CLOSE, CloseCode.INTERNAL_ERROR.to_bytes(2))


@in_virtual_time
async def test_an_orderly_close_is_waited_for() -> None:
    scene = Scene()
    scene.socket.close(CloseCode.HANDED_OVER, "")
    scene.say('{"action":"ping"}')
    assert await scene.end_s() == CLOSE_TIMEOUT_S
    assert scene.wire.was_aborted
    assert scene.wire.answers == []
