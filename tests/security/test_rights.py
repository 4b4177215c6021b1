"""What a token allows: every command and every route, on permitted, forbidden and missing projects."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.support.gateway import Gateway
from tests.support.peers import Message, Peer, Response, http
from tests.support.tokens import ALL_RIGHTS, bearer, token
from websocket_handler.api.application import make_application
from websocket_handler.protocol.identity import RIGHTS, Identity, is_pattern

COMMANDS: dict[str, Message] = {
    "subscribe": {"action": "subscribe"},
    "history": {"action": "history"},
    "publish": {"action": "publish", "message": {"type": "x"}},
    "presence": {"action": "presence"},
    "forward:pm": {"action": "forward", "type": "planning", "data": {}},
    "forward:dev": {"action": "forward", "type": "DEV", "data": {}},
    "forward:qa": {"action": "forward", "type": "test", "data": {}},
    "forward:ops": {"action": "forward", "type": "deploy", "data": {}},
}
NEEDS = {name: "subscribe" if name == "history" else name for name in COMMANDS}


def as_user(gateway: Gateway, **changes: Any) -> Peer:
    return Peer.connect(gateway.port, authorization=f"Bearer {token(**changes)}")


@pytest.mark.usefixtures("witness")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_needs_its_own_right_and_a_permitted_project(guarded: Gateway, name: str) -> None:
    command = COMMANDS[name]
    with as_user(guarded, rights=[NEEDS[name]]) as peer:
        assert peer.request(**command, project_id="proj-open")["type"] != "error"
        assert peer.request(**command, project_id="team-red")["type"] != "error"
        assert peer.request(**command, project_id="proj-other")["code"] == "forbidden"
    others = [right for right in ALL_RIGHTS if right != NEEDS[name] and not right.startswith("forward")]
    others += [right for right in NEEDS.values() if right.startswith("forward") and right != NEEDS[name]]
    with as_user(guarded, rights=others) as peer:
        assert peer.request(**command, project_id="proj-open")["code"] == "forbidden"


@pytest.mark.usefixtures("witness")
def test_a_forbidden_project_and_one_that_does_not_exist_get_the_same_answer(guarded: Gateway) -> None:
    with as_user(guarded, sub="owner", projects=["secret-project"]) as owner:
        assert owner.request("publish", project_id="secret-project", message={"a": 1})["type"] == "publish_confirmed"
    with as_user(guarded) as peer:
        for command in COMMANDS.values():
            existing = peer.request(**command, project_id="secret-project")
            missing = peer.request(**command, project_id="no-such-project")
            assert existing | {"id": ""} == missing | {"id": ""}
            assert existing["code"] == "forbidden"


def test_forbidden_projects_are_never_opened_on_the_node(guarded: Gateway) -> None:
    def open_projects() -> int:
        lines = http(guarded.port, "GET", "/metrics", **bearer()).body.decode().splitlines()
        name = "websocket_handler_projects "
        return int(float(next(line for line in lines if line.startswith(name)).removeprefix(name)))

    before = open_projects()
    with as_user(guarded, projects=[]) as peer:
        for number in range(100):
            assert peer.request("subscribe", project_id=f"probe-{number}")["code"] == "forbidden"
    assert open_projects() <= before  # others may become idle meanwhile


@pytest.mark.usefixtures("witness")
@pytest.mark.parametrize(
    ("project_id", "code"),
    [
        *((name, "forbidden") for name in ("team", "Team-red", "xteam-red", "proj-open2", "proj-ope", "proj-open.")),
        *((name, "invalid_project_id") for name in ("*", "team-*")),
    ],
)
def test_look_alike_project_ids_are_not_permitted(guarded: Gateway, project_id: str, code: str) -> None:
    with as_user(guarded) as peer:
        answer = peer.request("subscribe", project_id=project_id)
        assert (answer["type"], answer["code"]) == ("error", code)


def test_url_subscriptions_need_the_right_too(guarded: Gateway) -> None:
    path = "/ws?project_id=proj-other&project_id=proj-open&project_id=absent"
    with Peer.connect(guarded.port, path, authorization=f"Bearer {token()}") as peer:
        answers = [peer.next() for _ in range(3)]
        assert [answer.get("code", answer["type"]) for answer in answers] == [
            "forbidden",
            "subscription_confirmed",
            "forbidden",
        ]


# Senders


def received(emulator: Any, queue_url: str, message_id: str) -> dict[str, Any]:
    """The message with this id from a queue that other tests fill too."""
    client = emulator.client("sqs")
    while True:
        answer = client.receive_message(
            QueueUrl=queue_url, MessageAttributeNames=["All"], MaxNumberOfMessages=10, WaitTimeSeconds=5
        )
        assert answer.get("Messages"), "the queue is empty"
        for message in answer["Messages"]:
            if message["MessageAttributes"]["MessageId"]["StringValue"] == message_id:
                client.close()
                return dict(message)


def test_the_servers_identity_wins_over_what_a_client_says_about_itself(
    guarded: Gateway, resources: dict[str, str], emulator: Any
) -> None:
    with as_user(guarded, sub="ada") as peer:
        data = {"user_id": "root", "client": {"user_id": "root"}}
        answer = peer.request(
            "forward", type="dev", data=data, message_id="who-1", user_id="root", client={"user_id": "r"}
        )
        assert answer["type"] == "forward_confirmed"
    message = received(emulator, resources["SQS_QUEUE_URL_DEV"], "who-1")
    body = json.loads(message["Body"])
    assert body["client"]["user_id"] == "ada"
    assert body["data"] == data
    assert message["MessageAttributes"]["UserId"]["StringValue"] == "ada"


def test_two_users_with_the_same_message_id_have_two_tasks(guarded: Gateway) -> None:
    with as_user(guarded, sub="ada") as ada, as_user(guarded, sub="eve") as eve:
        first = ada.request("forward", type="qa", data={"from": "ada"}, message_id="same")
        second = eve.request("forward", type="qa", data={"from": "eve"}, message_id="same")
        assert (first["type"], second["type"]) == ("forward_confirmed", "forward_confirmed")
        assert first["receipt"] != second["receipt"]


# HTTP

ROUTES = {
    "publish": ("POST", "/api/v1/projects/{p}/messages", b'{"type":"x"}'),
    "subscribe": ("GET", "/api/v1/projects/{p}/messages", b""),
    "events": ("GET", "/api/v1/projects/{p}/events", b""),
    "presence": ("GET", "/api/v1/projects/{p}/presence", b""),
    "interrupts": ("GET", "/api/v1/projects/{p}/interrupts", b""),
    "answer_interrupt": ("POST", "/api/v1/projects/{p}/interrupts/i1", b"{}"),
    "admin": ("GET", "/api/v1/connections", b""),
    "disconnect": ("DELETE", "/api/v1/connections/nobody", b""),
    "revoke": ("POST", "/api/v1/users/nobody/disconnect", b""),
    "rebalance": ("POST", "/api/v1/rebalance", b""),
    "drain": ("POST", "/api/v1/nodes/nobody/drain", b""),
    "queues": ("GET", "/api/v1/queues", b""),
    "agents": ("GET", "/api/v1/agents", b""),
    "redrive": ("POST", "/api/v1/queues/nobody/redrive", b""),
    "broadcast": ("POST", "/api/v1/broadcast", b'{"type":"notice"}'),
    "metrics": ("GET", "/metrics", b""),
    "ticket": ("POST", "/api/v1/tickets", b""),
    "agui_info": ("GET", "/agui/info", b""),
    "agui_run": ("POST", "/agui/agent/dev/run", b'{"threadId":"proj-open","runId":"r1"}'),
    "agui_connect": ("POST", "/agui/agent/dev/connect", b'{"threadId":"proj-open","runId":"r1"}'),
    "agui_stop": ("POST", "/agui/agent/dev/stop/{p}", b""),
    "ai_chat": ("POST", "/ai?agent=dev", b'{"id":"proj-open","messages":[{"id":"u1","role":"user","parts":[]}]}'),
    "ai_send": ("POST", "/ai/{p}?agent=dev", b'{"messages":[{"id":"u1","role":"user","parts":[]}]}'),
    "ai_resume": ("GET", "/ai/{p}/stream", b""),
    "ai_stop": ("POST", "/ai/{p}/stop?agent=dev", b""),
}
NEEDS_A_TOKEN_ONLY = {"ticket", "agui_info"}
ROUTE_RIGHT = {
    "agui_run": "forward:dev",
    "agui_connect": "subscribe",
    "agui_stop": "forward:dev",
    "ai_chat": "forward:dev",
    "ai_send": "forward:dev",
    "ai_resume": "subscribe",
    "ai_stop": "forward:dev",
    "events": "subscribe",
    "interrupts": "subscribe",
    "answer_interrupt": "subscribe",
    "disconnect": "admin",
    "revoke": "admin",
    "rebalance": "admin",
    "queues": "admin",
    "agents": "admin",
    "redrive": "admin",
    "drain": "admin",
    "broadcast": "admin",
    "metrics": "admin",
}
BAD_HEADERS: dict[str, Callable[[], dict[str, str]]] = {
    "none": dict,
    "nonsense": lambda: {"authorization": "Bearer nonsense"},
    "basic": lambda: {"authorization": "Basic YWRhOnB3"},
    "expired": lambda: bearer(exp=1_000_000_000),
    "without scheme": lambda: {"authorization": token()},
}


def call(gateway: Gateway, name: str, project_id: str = "proj-open", **headers: str) -> Response:
    method, path, body = ROUTES[name]
    return http(gateway.port, method, path.replace("{p}", project_id), body, **headers)


@pytest.mark.usefixtures("witness")
@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_every_route_refuses_who_does_not_prove_who_they_are(
    guarded: Gateway, name: str, headers: Callable[[], dict[str, str]]
) -> None:
    response = call(guarded, name, **headers())
    assert (response.status, response.code) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    assert "no-store" in response.headers["cache-control"]


@pytest.mark.usefixtures("witness")
@pytest.mark.parametrize("name", [name for name in ROUTES if name not in NEEDS_A_TOKEN_ONLY])
def test_every_route_needs_its_right(guarded: Gateway, name: str) -> None:
    rights = [right for right in RIGHTS if right != ROUTE_RIGHT.get(name, name)]
    response = call(guarded, name, authorization=f"Bearer {token(rights=rights)}")
    assert (response.status, response.code) == (403, "forbidden")


@pytest.mark.parametrize("name", ["publish", "subscribe", "events", "presence", "interrupts", "answer_interrupt"])
def test_a_route_answers_the_same_for_a_forbidden_and_a_missing_project(guarded: Gateway, name: str) -> None:
    published = call(guarded, "publish", "secret-project", **bearer(projects=["secret-project"]))
    existing = call(guarded, name, "secret-project", **bearer())
    missing = call(guarded, name, "no-such-project", **bearer())
    assert published.status == 200, "it does exist"
    assert (existing.status, existing.body) == (missing.status, missing.body) == (403, missing.body)


@pytest.mark.parametrize(
    "name",
    [
        *("publish", "subscribe", "presence", "interrupts", "admin", "revoke", "broadcast", "metrics", "ticket"),
        *("agui_info", "agui_stop"),
    ],
)
def test_a_route_opens_with_its_right(guarded: Gateway, name: str) -> None:
    assert call(guarded, name, authorization=f"Bearer {token()}").status == 200


def test_a_ticket_or_token_in_the_query_opens_no_route(guarded: Gateway) -> None:
    for query in (f"access_token={token()}", "ticket=x"):
        path = f"/api/v1/connections?{query}"
        assert http(guarded.port, "GET", path).status == 401
        assert http(guarded.port, "GET", path, authorization=f"Bearer {token()}").status == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/health", 200),
        ("/ready", 200),
        ("/", 200),
        ("/p/proj-open@e:1", 200),
        ("/console/../../etc/passwd", 404),
        ("/api/v1/nothing", 404),
    ],
)
def test_what_is_open_to_all_tells_nothing(guarded: Gateway, path: str, status: int) -> None:
    with as_user(guarded, sub="ada") as peer:
        assert peer.request("subscribe", project_id="proj-open")["type"] == "subscription_confirmed"
        response = http(guarded.port, "GET", path)
        assert response.status == status
        for secret in ("proj-open", "ada", peer.greeting["connection_id"]):
            assert secret.encode() not in response.body


def test_every_route_of_the_application_is_in_this_file_or_open_on_purpose() -> None:
    open_to_all = {"/health", "/ready", "/", "/console/{name}", "/p/{position}", "/ws"}
    application = make_application(None, None, has_console=True, path="/ws", random=Random(1))  # type: ignore[arg-type]
    paths = {getattr(route, "path", "") for route in application.routes}
    tested = {path.partition("?")[0].replace("{p}", "{project_id}") for _, path, _ in ROUTES.values()}
    known = {path.replace("nodes/nobody", "nodes/{node_id}") for path in tested}
    known = {path.replace("queues/nobody", "queues/{queue}") for path in known}
    known = {path.replace("nobody", "{connection_id}" if "connections" in path else "{user_id}") for path in known}
    known = {path.replace("/agent/dev/", "/agent/{agent}/") for path in known}
    known = {path.replace("/interrupts/i1", "/interrupts/{interrupt_id:path}") for path in known}
    assert paths == known | open_to_all


# The pure rules


def test_patterns_are_ids_prefixes_or_the_star_alone() -> None:
    assert all(map(is_pattern, ["*", "a", "team-*", "a.b:c_d-*", "a" * 128]))
    assert not any(map(is_pattern, ["", "**", "a*b", "*a", "a**", "../*", "a b", "é*", "a" * 129, "a\n*"]))


def test_an_identity_without_projects_may_nothing_on_any() -> None:
    identity = Identity("ada", None, (), frozenset(RIGHTS))
    assert not identity.may("subscribe", "proj-open")
    assert identity.may("admin")
