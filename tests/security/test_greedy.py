"""Clients that ask for more than there is for one, and doors that are closed unless somebody opens them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.forgeries import ATTACKS, answer_to
from tests.support.frames import client_frame as frame
from tests.support.frames import handshake_head
from tests.support.gateway import Gateway, Start
from tests.support.peers import Peer, Raw, bystander, http
from websocket_handler.protocol.codes import CommandError


def test_a_history_limit_of_a_billion_is_capped_at_one_page(open_gateway: Gateway, open_witness: Peer) -> None:
    path = f"/api/v1/projects/p-{os.urandom(4).hex()}/messages"
    for first in range(0, 1100, 100):
        batch = json.dumps([{"n": n} for n in range(first, first + 100)]).encode()
        assert http(open_gateway.port, "POST", path, batch).status == 200
    project_id = path.split("/")[4]
    with Peer.connect(open_gateway.port) as peer:
        page = peer.request("history", project_id=project_id, limit=10**9, after=100)
        assert [message["n"] for message in page["messages"]] == list(range(100, 1100))
        assert page["offset"] == 1100
        oldest = peer.request("history", project_id=project_id, limit=10**9)
        assert (len(oldest["messages"]), oldest["recovered"]) == (1000, False), "a thousand are retained"
    assert len(http(open_gateway.port, "GET", f"{path}?limit=1000000000&after=100").json()["messages"]) == 1000
    assert open_witness.request("ping")["type"] == "pong"


def test_a_flood_of_subscribing_and_unsubscribing_gets_rate_errors_and_the_last_word_holds(start: Start) -> None:
    with start() as gateway, bystander(gateway.port, {}) as witness, Peer.connect(gateway.port) as peer:
        pair = b"".join(
            frame(1, b'{"action":"%b","project_id":"p-1"}' % action) for action in (b"subscribe", b"unsubscribe")
        )
        peer.raw.send(pair * 1000)
        answers = [peer.next() for _ in range(2000)]
        types = [answer.get("code", answer["type"]) for answer in answers]
        assert types[:4] == ["subscription_confirmed", "unsubscription_confirmed"] * 2
        assert set(types) == {"subscription_confirmed", "unsubscription_confirmed", "rate_limited"}
        assert types.count("rate_limited") > 1000
        assert witness.request("ping")["type"] == "pong"
        done = [kind for kind in types if kind != "rate_limited"]
        presence = witness.request("presence", project_id="p-1")
        assert presence["count"] == (done[-1] == "subscription_confirmed")


def test_the_echo_for_conformance_suites_is_not_there_unless_it_is_switched_on(guarded: Gateway, witness: Peer) -> None:
    with Raw(guarded.port) as raw:
        raw.send(handshake_head("/__echo"))
        response = raw.response()
        assert (response.status, response.code) == (404, "not_found")
        assert raw.is_ended()
    assert http(guarded.port, "GET", "/__echo").status == 404
    assert witness.request("ping")["type"] == "pong"


WATCHED = ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.listdir", "import")


class Watch:
    """Tells of every file that is opened and every address that is asked for, through the interpreter's audit hooks."""

    def __init__(self) -> None:
        self.seen: list[str] | None = None
        sys.addaudithook(self._hear)  # for good: a hook can only be told not to listen

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.seen is not None and event in WATCHED:
            self.seen.append(f"{event} {arguments[:1]}")

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """What happens inside the block."""
        seen: list[str] = []
        self.seen = seen
        try:
            yield seen
        finally:
            self.seen = None


@pytest.fixture(scope="module")
def watch() -> Watch:
    """One hook for all of them; it is seen to work."""
    made = Watch()
    with made.listening() as seen, open(__file__, "rb"):
        assert len(seen) == 1
    return made


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_no_token_makes_the_gateway_read_a_file_or_call_anybody(watch: Watch, attack: Callable[[], str]) -> None:
    text = attack()
    answer_to(text)  # what is loaded once, is loaded
    with watch.listening() as seen:
        answer = answer_to(text)
    assert isinstance(answer, CommandError)
    assert seen == []
