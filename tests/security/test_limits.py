"""Limits at the door: each has its typed answer, its counter, and an end."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

import pytest

from tests.support.frames import handshake_head
from tests.support.gateway import Gateway, Start, one_turn
from tests.support.peers import Ended, Peer, Raw, Response, bystander
from tests.support.tokens import GUARDED, bearer, token


def refused(gateway: Gateway, path: str = "/ws", **headers: str) -> Response:
    with Raw(gateway.port) as raw:
        raw.send(handshake_head(path, **headers))
        response = raw.response()
        assert raw.is_ended()
        return response


def counted(gateway: Gateway, code: str) -> int:
    """How many handshakes were refused with this code."""
    lines = gateway.get("/metrics")[1].decode().splitlines()
    name = f'websocket_handler_handshakes_refused_total{{code="{code}"}} '
    return int(float(next((line for line in lines if line.startswith(name)), f"{name}0").removeprefix(name)))


def test_handshakes_beyond_the_rate_are_told_to_come_again(start: Start) -> None:
    with (
        start(HANDSHAKES_PER_SECOND="2.5") as gateway,
        bystander(gateway.port, {}),
        contextlib.ExitStack() as stack,
    ):
        raws = [stack.enter_context(Raw(gateway.port)) for _ in range(12)]
        with one_turn(gateway):
            for raw in raws:
                raw.send(handshake_head())
        statuses = []
        for raw in raws:
            response = raw.response()
            statuses.append(response.status)
            if response.status == 429:
                assert response.code == "rate_limited"
                assert int(response.headers["retry-after"]) >= 1
        assert statuses[:4] == [101] * 4
        assert 429 in statuses
        assert counted(gateway, "rate_limited") == statuses.count(429)
        gateway.until(lambda: _can_connect(gateway))


def _can_connect(gateway: Gateway, **headers: str) -> bool:
    with Raw(gateway.port) as raw:
        raw.send(handshake_head(**headers))
        return raw.response().status == 101


def test_connections_of_one_address_are_limited_and_counted_down_again(start: Start) -> None:
    mine = {"x_forwarded_for": "1.1.1.1"}
    with start(CONNECTIONS_PER_ADDRESS="2", TRUSTED_PROXY_HOPS="1") as gateway:
        with (
            bystander(gateway.port, {"x_forwarded_for": "9.9.9.9"}),
            Peer.connect(gateway.port, **mine),
            Peer.connect(gateway.port, **mine),
        ):
            response = refused(gateway, **mine)
            assert (response.status, response.code, response.headers["retry-after"]) == (
                503,
                "too_many_connections",
                "1",
            )
            assert counted(gateway, "too_many_connections") == 1
        gateway.until(lambda: _can_connect(gateway, **mine))


def test_a_spoofed_forwarded_for_buys_no_further_connections(start: Start) -> None:
    other = {"x_forwarded_for": "7.7.7.7"}
    with start(CONNECTIONS_PER_ADDRESS="1", TRUSTED_PROXY_HOPS="1") as gateway, bystander(gateway.port, other):  # noqa: SIM117
        with Peer.connect(gateway.port, x_forwarded_for="1.1.1.1, 9.9.9.9"):
            assert refused(gateway, x_forwarded_for="2.2.2.2, 9.9.9.9").status == 503
            assert refused(gateway, x_forwarded_for="9.9.9.9").status == 503
            assert refused(gateway, x_forwarded_for="9.9.9.9:4711").status == 503
            fifty = ", ".join(f"10.0.0.{number}" for number in range(50))
            assert refused(gateway, x_forwarded_for=f"{fifty}, 9.9.9.9").status == 503
            with Peer.connect(gateway.port, x_forwarded_for="9.9.9.9, 8.8.8.8"):
                pass


def test_forwarded_for_is_not_believed_without_a_trusted_proxy(start: Start) -> None:
    with start(CONNECTIONS_PER_ADDRESS="1") as gateway, Peer.connect(gateway.port, x_forwarded_for="1.1.1.1"):
        assert refused(gateway, x_forwarded_for="2.2.2.2").status == 503


def test_connections_of_one_user_are_limited_whichever_way_they_come(start: Start) -> None:
    other = {"authorization": f"Bearer {token(sub='bob')}"}
    with start(**GUARDED, CONNECTIONS_PER_USER="1") as gateway, bystander(gateway.port, other):
        bearer = {"authorization": f"Bearer {token()}"}
        with Peer.connect(gateway.port, **bearer), Peer.connect(gateway.port) as second:
            response = refused(gateway, **bearer)
            assert (response.status, response.code) == (503, "too_many_connections")
            assert second.request("authenticate", token=token())["code"] == "too_many_connections"
            assert second.request("authenticate", token=token(sub="eve"))["type"] == "authenticated"


def test_near_the_memory_limit_new_connections_are_refused_and_old_ones_served(start: Start) -> None:
    with start() as gateway:
        used = _resident_bytes(gateway.process.pid)
    with start(MEMORY_LIMIT_BYTES=str(used // 2)) as gateway:
        response = refused(gateway)
        assert (response.status, response.code) == (503, "too_many_connections")
        assert gateway.get("/health") == (200, b"OK")
    with start(MEMORY_LIMIT_BYTES=str(used * 4)) as gateway, bystander(gateway.port, {}):
        assert _can_connect(gateway)


def test_ipv4_clients_of_a_node_on_all_addresses_count_each_for_itself(start: Start) -> None:
    """On a socket for both families the kernel writes 127.0.0.1 as ::ffff:127.0.0.1."""
    with start(WEBSOCKET_HOST="::", CONNECTIONS_PER_ADDRESS="1") as gateway, contextlib.ExitStack() as stack:

        def status(own_address: str) -> int:
            raw = stack.enter_context(Raw(gateway.port, own_address=own_address))
            raw.send(handshake_head())
            return raw.response().status

        assert [status("127.0.0.1"), status("127.0.0.1"), status("127.0.0.2")] == [101, 503, 101]
        assert gateway.get("/health")[0] == 200


def test_a_full_node_refuses_and_recovers(start: Start) -> None:
    with start(MAX_CONNECTIONS="1") as gateway:
        with Peer.connect(gateway.port) as peer:
            response = refused(gateway)
            assert (response.status, response.code) == (503, "too_many_connections")
            assert peer.request("ping")["type"] == "pong"
        gateway.until(lambda: _can_connect(gateway))


def test_when_descriptors_run_out_the_node_neither_spins_nor_dies_and_recovers(start: Start) -> None:
    with start() as gateway, Peer.connect(gateway.port) as peer:
        pid = gateway.process.pid
        in_use = len(os.listdir(f"/proc/{pid}/fd"))
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 8, hard))
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                with contextlib.suppress(OSError):
                    stack.enter_context(Raw(gateway.port)).send(b"GET")
            before = _sleeps(pid)

            def has_slept() -> bool:
                assert peer.request("ping")["type"] == "pong"
                return _sleeps(pid) >= before + 10

            gateway.until(has_slept)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        gateway.until(lambda: _answers(gateway))
        assert peer.request("ping")["type"] == "pong"


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _answers(gateway: Gateway) -> bool:
    try:
        return _can_connect(gateway)
    except (OSError, Ended):
        return False


def _sleeps(pid: int) -> int:
    """How many times the process gave the processor back because there was nothing to do. A busy loop never does."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def publications(count: int) -> list[str]:
    """Commands of eight agents in turn."""
    return [
        f'{{"action":"publish","id":"{n}","project_id":"team-{n % 8}","message":{{"n":{n}}}}}' for n in range(count)
    ]


@pytest.mark.parametrize("mode", ["none", "jwt"])
def test_eight_agents_share_one_socket_with_the_default_limits(start: Start, mode: str) -> None:
    """Five seconds' worth of eight streams with 30 publications a second each, all at once."""
    more = {} if mode == "none" else GUARDED
    headers = {} if mode == "none" else bearer(rights=["publish"])
    with start(**more) as gateway, Peer.connect(gateway.port, **headers) as agents:
        for text in publications(1200):
            agents.send_text(text)
        answers = [agents.next() for _ in range(1200)]
        assert not [answer for answer in answers if answer["type"] != "publish_confirmed"]


def test_who_may_not_publish_has_the_rate_of_a_browser_until_a_new_token_says_otherwise(start: Start) -> None:
    """The right counts, not the command. With this rate one command may come, and the next one in 1,000 s."""
    with start(**GUARDED, COMMANDS_PER_SECOND="0.001", PUBLISHES_PER_SECOND="0") as gateway:
        text = publications(1)[0]
        with Peer.connect(gateway.port, **bearer(rights=["subscribe"])) as peer:
            assert peer.ask(text)["code"] == "forbidden"
            assert peer.ask(text)["code"] == "rate_limited"
        with Peer.connect(gateway.port, **bearer(rights=["subscribe"])) as peer:
            assert peer.request("authenticate", token=token(rights=["publish"]))["type"] == "authenticated"
            assert {peer.ask(text)["type"] for text in publications(100)} == {"publish_confirmed"}
            assert peer.ask('{"action":"ping"}')["code"] == "rate_limited"
