"""What the simulation found about access and admission, as small tests. Each of them failed before the repair."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

from starlette.types import Message

from tests.simulation.http import application_over
from tests.support.clock import BEGIN
from tests.support.doubles import Client, HandStore, tail
from tests.support.nodes import core_options, memory_ports
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.api.half_close import HALF_CLOSE, HalfClose
from websocket_handler.assembly import Core, assemble
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.ports.peers import PEER_LIFETIME_S
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import SUBSCRIBE, Identity

TOKEN_S = 20.0
FOREVER = LogLimits(messages=1000, bytes=1_000_000, seconds=1e10)


class Tokens:
    """An authenticator. A token is the list of projects that it allows, separated by commas."""

    def authenticate(self, token: str, done: Authenticated) -> None:
        done(Identity("ada", BEGIN + 1000 + TOKEN_S, tuple(token.split(",")), frozenset({SUBSCRIBE}), BEGIN))

    def failure(self) -> str | None:
        return None


class Desk:
    """A node that checks tokens, over a store that answers when the test says so."""

    def __init__(self) -> None:
        self.store = HandStore()
        ports = memory_ports(authenticator=Tokens(), log_store=self.store)
        self.core: Core = assemble(ports, core_options(delivery=DeliveryLimits(log=FOREVER)))

    def arrive(self) -> Client:
        """A client with a token for everything, which follows `p` as soon as the log is known."""
        client, server = Client(), self.core.server
        identities: list[Identity | CommandError] = []
        self.core.access.authenticate("p,q", identities.append)
        client.connection = server.register_connection(client, cast("Identity", identities[0]))
        self.send(client, action="subscribe", project_id="p", rewind=9, id="s")
        client.forget()
        return client

    def send(self, client: Client, **command: object) -> None:
        """A client sends a command."""
        self.core.server.handle_client_message(client.connection, json.dumps(command).encode())

    def authenticate(self, client: Client, projects: str) -> None:
        """A client shows a token for these projects."""
        self.send(client, action="authenticate", token=projects)


def told(client: Client) -> list[tuple[str, str | None]]:
    """The types of the answers that a client got, and the codes of the errors among them."""
    answers = [message for message in client.messages if message.get("type", "token_expiring") != "token_expiring"]
    return [(answer["type"], answer.get("code")) for answer in answers]


@in_virtual_time
async def test_a_subscription_that_a_new_token_forbids_delivers_nothing_when_it_starts() -> None:
    """Seed 85: the token was replaced while the log was being opened; the subscription began all the same, and sent
    what the log retained."""
    desk = Desk()
    client = desk.arrive()
    desk.authenticate(client, "q")
    desk.store.opened(tail(1, 9))
    await settle()
    assert told(client) == [("authenticated", None), ("error", "forbidden")]
    assert client.offsets == []
    assert client.connection.subscriptions == {}
    assert desk.core.node.presence("p") == []


@in_virtual_time
async def test_a_subscription_starts_if_the_newest_token_allows_it() -> None:
    """Seed 36: a token that forbade the project was replaced by one that allows it, before the log was known; the
    subscription ended all the same."""
    desk = Desk()
    client = desk.arrive()
    desk.authenticate(client, "q")
    desk.authenticate(client, "p")
    desk.store.opened(tail(1, 9))
    await settle()
    assert told(client) == [("authenticated", None), ("authenticated", None), ("subscription_confirmed", None)]
    assert client.offsets == list(range(1, 10))


@in_virtual_time
async def test_a_second_subscription_is_refused_as_the_first_one_is() -> None:
    """Both wait for the log, and neither may begin once the token forbids it."""
    desk = Desk()
    client = desk.arrive()
    desk.send(client, action="subscribe", project_id="p", id="again")
    desk.authenticate(client, "q")
    desk.store.opened(tail(1, 9))
    await settle()
    assert told(client) == [("authenticated", None), ("error", "forbidden"), ("error", "forbidden")]
    assert client.connection.subscriptions == {}


@in_virtual_time
async def test_a_node_that_only_a_reader_watches_follows_what_others_write() -> None:
    """Seed 142: a long poll, or an event stream, heard nothing of what another node wrote, unless somebody followed the
    project over a socket."""
    desk = Desk()
    with desk.core.node.feed("p") as feed:
        desk.store.opened(tail(1, 3))
        feed.offset, feed.epoch = 3, "e"
        waiting = asyncio.create_task(feed.next(PEER_LIFETIME_S))
        await settle()
        desk.core.follower.follow()
        desk.store.answer_read(tail(4, 5, floor=0))
        page = await waiting
    assert page is not None
    assert [entry.offset for entry in page.entries] == [4, 5]


# Event streams


class Stream:
    """A reader of an event stream. It takes one message when the test says so."""

    def __init__(self, core: Core) -> None:
        self.messages: list[Message] = []
        self._may_take = asyncio.Semaphore(0)
        self._application = application_over(core)
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": "/api/v1/projects/p/events",
            "raw_path": b"",
            "query_string": b"since=e:0",
            "headers": [(b"host", b"gateway"), (b"authorization", b"Bearer p")],
            "client": ("10.0.0.1", 1),
            "root_path": "",
            "state": {HALF_CLOSE: HalfClose()},
        }
        self.task = asyncio.create_task(self._run(scope))

    async def _run(self, scope: dict[str, Any]) -> None:
        await self._application(scope, self._receive(), self._send)

    def _receive(self) -> Callable[[], Awaitable[Message]]:
        gone: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        async def receive() -> Message:
            return await asyncio.shield(gone)  # whoever waits may be cancelled, and another may wait then

        return receive

    async def _send(self, message: Message) -> None:
        await self._may_take.acquire()
        self.messages.append(message)

    async def take(self, count: int) -> None:
        """Read this many messages."""
        for _ in range(count):
            self._may_take.release()
        await settle()

    @property
    def text(self) -> bytes:
        """What it has read."""
        return b"".join(message.get("body", b"") for message in self.messages)


@in_virtual_time
async def test_an_event_stream_ends_with_its_token_however_slowly_it_is_read() -> None:
    """Seed 40: a page that had been read from the log went out to its end, long after the token was over."""
    desk = Desk()
    stream = Stream(desk.core)
    await settle()
    desk.store.opened(tail(1, 9))
    await stream.take(5)  # the head, the confirmation, and three events
    assert stream.text.count(b'"offset":') == 4
    await asyncio.sleep(TOKEN_S + 1)
    await stream.take(9)
    assert stream.text.count(b'"offset":') == 5, "one was on its way already"
    assert stream.task.done()


@in_virtual_time
async def test_an_event_stream_does_not_begin_for_a_token_that_ended_meanwhile() -> None:
    """Seed 654: the log was opened slowly, and the stream began for somebody who was revoked by then."""
    desk = Desk()
    stream = Stream(desk.core)
    await settle()
    desk.core.access.revoke("ada")
    desk.store.opened(tail(1, 9))
    await stream.take(9)
    assert stream.messages[0]["status"] == 401
    assert json.loads(stream.text)["code"] == ErrorCode.UNAUTHORIZED
