"""A short run of the HTTP API against its description, and what the long runs found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security import api_fuzz
from tests.support.gateway import Gateway, running_gateway
from tests.support.peers import Peer, Raw, http
from tests.support.publications import project_named_in
from websocket_handler.protocol.codes import CommandError, ErrorCode

SEED = 20_261_122
EXAMPLES = 4


@pytest.fixture(scope="module")
def asking(resources: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that asks for tokens and limits no rates."""
    with running_gateway(resources, **api_fuzz.SETTINGS, **api_fuzz.GUARD) as running:
        yield running


@pytest.mark.parametrize("name", api_fuzz.USERS)
def test_every_operation_answers_as_the_description_says(asking: Gateway, open_gateway: Gateway, name: str) -> None:
    gateway = asking if api_fuzz.USERS[name].guarded else open_gateway
    summary, _ = api_fuzz.run(gateway, name, EXAMPLES, SEED)
    assert summary["operations"]["tested"] == summary["operations"]["total"] >= 13
    assert summary["test_cases"]["generated"] > 200
    assert {phase["status"] for phase in summary["phases"].values()} <= {"success", "skip"}


MESSAGES = "/api/v1/projects/proj-forms/messages"
EVENTS = "/api/v1/projects/proj-forms/events"
LIST = "/api/v1/connections"


@pytest.mark.parametrize("path", [MESSAGES, LIST])
@pytest.mark.parametrize("limit", ["1001", "1000000001", "9" * 17, "9" * 5000, "007"])
def test_a_limit_beyond_the_page_is_capped_however_high(open_gateway: Gateway, path: str, limit: str) -> None:
    assert http(open_gateway.port, "GET", f"{path}?limit={limit}").status == 200


def test_a_limit_limits(open_gateway: Gateway) -> None:
    with Peer.connect(open_gateway.port), Peer.connect(open_gateway.port):
        for limit in ("1", "01"):
            page = http(open_gateway.port, "GET", f"{LIST}?limit={limit}").json()
            assert (len(page["connections"]), page["count"] >= 2) == (1, True)


@pytest.mark.parametrize(
    "query",
    [
        *(f"{MESSAGES}?limit={value}" for value in ("0", "00", "-1", "+1", "1.0", "1_0", "%D9%A1", "", "%201")),
        *(f"{MESSAGES}?after={value}" for value in ("-1", "1e3", "", "9007199254740992", "%D9%A1")),
        *(f"{MESSAGES}?wait={value}" for value in ("1_0", "%D9%A1", "nan", "inf", "61", "-1", "%201", ".5", "1.", "")),
        *(f"{MESSAGES}?epoch={value}" for value in ("", "a%20b", "e" * 65)),
        *(f"{LIST}?after={value}" for value in ("", "a:b", "a" * 65, "%00", "%C3%A9")),
        *(f"{EVENTS}?since={value}" for value in ("", "e", "e:", "e:01", "e:-1", "e:9007199254740992", ":1", "e:1:1")),
        *(f"{MESSAGES}?{name}=1&{name}=1" for name in ("limit", "after", "wait", "epoch")),
        *(f"{LIST}?{name}=1&{name}=1" for name in ("limit", "after")),
        f"{EVENTS}?since=e:1&since=e:1",
    ],
)
def test_a_parameter_of_another_form_or_given_twice_is_refused(open_gateway: Gateway, query: str) -> None:
    response = http(open_gateway.port, "GET", query)
    assert (response.status, response.code) == (400, "invalid_field")


@pytest.mark.parametrize("wait", ["0", "0.0", "-0", "0e5", "1e-3"])
def test_wait_is_a_number_as_json_writes_it(open_gateway: Gateway, wait: str) -> None:
    assert http(open_gateway.port, "GET", f"{MESSAGES}?wait={wait}").status == 200


@pytest.mark.parametrize("lines", [b"Last-Event-ID: 0\r\n", b"Last-Event-ID: e:1\r\nLast-Event-ID: e:1\r\n"])
def test_a_last_event_id_that_is_not_ours_begins_anew(open_gateway: Gateway, lines: bytes) -> None:
    """A refusal would end an EventSource for good."""
    with Raw(open_gateway.port) as raw:
        raw.send(f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n".encode() + lines + b"\r\n")
        assert raw.read_until(b"\n\n").endswith(b'"recovered":false}\n\n')


def test_an_empty_last_event_id_means_that_there_was_no_event_yet(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        raw.send(f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\nLast-Event-ID:\r\n\r\n".encode())
        assert raw.read_until(b"\n\n").endswith(b'"recovered":true}\n\n')


BEYOND_A_FLOAT = '{"project_id":1e999,"type":-1e999}'


def test_a_number_beyond_a_float_where_a_name_belongs_is_a_fault_of_the_sender(open_gateway: Gateway) -> None:
    """Coverage-guided fuzzing found it: it was an internal error over HTTP, ended a socket, and stopped the reading of
    the updates queue."""
    response = http(open_gateway.port, "POST", MESSAGES, BEYOND_A_FLOAT.encode())
    assert (response.status, response.code) == (400, "project_mismatch")
    assert http(open_gateway.port, "POST", "/api/v1/broadcast", BEYOND_A_FLOAT.encode()).status == 200
    with Peer.connect(open_gateway.port) as peer:
        command = '{"action":"publish","project_id":"proj-forms","id":"1","message":'
        assert peer.ask(command + BEYOND_A_FLOAT + "}")["code"] == "project_mismatch"
        assert peer.request("ping")["type"] == "pong"


def test_an_update_with_such_a_number_is_left_to_the_redrive_policy() -> None:
    with pytest.raises(CommandError) as refused:
        project_named_in(BEYOND_A_FLOAT.encode())
    assert refused.value.code is ErrorCode.INVALID_PROJECT_ID
