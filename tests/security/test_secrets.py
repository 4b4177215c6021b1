"""Credentials in every place where a client can put one: none of them is in a log line, a metric, an error, or a
close reason; and what clients write into logs is one escaped, bounded line."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.support.frames import handshake_head
from tests.support.gateway import REPOSITORY, Gateway, Start, clean_environment
from tests.support.peers import Peer, Raw, http
from tests.support.tokens import GUARDED, SECRET, token


def everything_said(gateway: Gateway) -> str:
    """The metrics, and the whole log: it stops the gateway."""
    metrics = http(gateway.port, "GET", "/metrics", authorization=f"Bearer {token()}").body.decode()
    gateway.stop()
    return json.dumps(gateway.log) + metrics


def test_credentials_are_in_no_log_line_metric_error_or_close_reason(start: Start) -> None:
    valid, forged = token(sub="canary"), token()[:-6] + "canary"
    with start(**GUARDED, ALLOW_TOKEN_IN_QUERY="on") as gateway:  # noqa: S106
        heads = [
            handshake_head(f"/ws?access_token={text}&project_id=%00" if where == "query" else "/ws", **headers)
            for text in (valid, forged)
            for where, headers in (
                ("query", {}),
                ("header", {"authorization": f"Bearer {text}"}),
                ("basic", {"authorization": f"Basic {text}"}),
                ("protocol", {"sec_websocket_protocol": f"bearer, {text}"}),
                ("agent", {"user_agent": text, "origin": f"https://{text[:40].lower()}"}),
            )
        ]
        answers = ""
        for head in heads:
            with Raw(gateway.port) as raw:
                raw.send(head)
                response = raw.response()
                answers += repr(response.headers) + response.body.decode()
        ticket = http(gateway.port, "POST", "/api/v1/tickets", authorization=f"Bearer {valid}").json()["ticket"]
        with Peer.connect(gateway.port, f"/ws?ticket={ticket}") as peer:
            answers += json.dumps(peer.request("authenticate", token=forged))
            answers += json.dumps(peer.request("authenticate", token=token(sub="other")))
            answers += repr(peer.ended())
        answers += http(gateway.port, "GET", f"/api/v1/connections?access_token={valid}").body.decode()
        said = everything_said(gateway) + answers
    assert "connection.closed" in said
    for secret in (valid, forged, ticket, SECRET, valid.split(".")[1], valid.split(".")[2]):
        assert secret not in said


def test_control_characters_and_100_kib_in_what_clients_send_make_single_bounded_ascii_lines(start: Start) -> None:
    with start() as gateway:
        hostile = 'a\r\n{"event":"forged"}\u2028' + "x" * 100_000
        with Peer.connect(gateway.port) as peer:
            peer.send_text(json.dumps({"action": hostile[:60_000]}))
            assert peer.next()["code"] == "unknown_action"
        for path in ("/%0d%0a%7B%22event%22:%22forged%22%7D", "/\x85", f"/{'x' * 9000}"):
            http(gateway.port, "GET", path, user_agent="b\x0bforged" if "x" not in path else "c")
        gateway.stop()
    assert gateway.records("connection.closed")
    assert not gateway.records("forged")
    assert all(len(json.dumps(record)) < 4000 for record in gateway.log)


def test_the_config_command_shows_no_secret() -> None:
    environment = clean_environment({"JWT_SECRETS": SECRET, "AWS_ENDPOINT_URL": "http://me:hidden@127.0.0.1:1", **KEYS})
    shown = _run(["config"], environment)
    assert "hidden" not in shown
    assert SECRET not in shown
    assert "BEGIN" not in shown
    assert re.search(r"JWT_SECRETS +\*\*\*", shown)


KEYS = {"JWT_PUBLIC_KEYS": GUARDED["JWT_PUBLIC_KEYS"]}


def _run(arguments: list[str], environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "websocket_handler", *arguments]
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    return result.stdout + result.stderr


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"AUTH_MODE": "jwt"}, "AUTH_MODE"),
        ({"AUTH_MODE": "jwt", "JWT_SECRETS": "canary-short"}, "JWT_SECRETS"),
        ({"AUTH_MODE": "jwt", "JWT_SECRETS": SECRET, "JWT_ALGORITHMS": "none"}, "JWT_ALGORITHMS"),
        ({"AUTH_MODE": "jwt", "JWT_JWKS_URL": "http://issuer.example/k"}, "JWT_JWKS_URL"),
        ({"AUTH_MODE": "password"}, "AUTH_MODE"),
        ({"ALLOWED_ORIGINS": "https://app.example.com/"}, "ALLOWED_ORIGINS"),
    ],
)
def test_a_gateway_with_unsafe_settings_does_not_start_and_says_which(
    resources: dict[str, str], settings: dict[str, str], variable: str
) -> None:
    said = _run(["serve"], clean_environment({**resources, **settings}))
    assert said.startswith(f"{variable}: ")
    assert "canary" not in said
    assert SECRET not in said


def test_the_token_command_mints_what_the_gateway_takes(guarded: Gateway) -> None:
    environment = clean_environment({name: value for name, value in GUARDED.items() if name.startswith("JWT")})
    minted = _run(["token", "--user", "ada", "--project", "proj-open", "--right", "subscribe"], environment).strip()
    with Peer.connect(guarded.port, "/ws?project_id=proj-open", authorization=f"Bearer {minted}") as peer:
        assert peer.next()["type"] == "subscription_confirmed"
        assert peer.request("publish", project_id="proj-open", message={})["code"] == "forbidden"


@pytest.mark.parametrize(
    "arguments", [["--right", "root"], ["--project", "../x"], ["--user", "a b"], ["--expires-in", "-1"]]
)
def test_the_token_command_refuses_what_would_not_work(arguments: list[str]) -> None:
    said = _run(["token", *arguments], clean_environment({"JWT_SECRETS": SECRET}))
    assert said
    assert "eyJ" not in said


def test_everybody_may_come_is_said_loudly_when_the_address_is_not_loopback(resources: dict[str, str]) -> None:
    from tests.support.gateway import started_gateway  # noqa: PLC0415

    with started_gateway(resources, LOG_STORE="memory", WEBSOCKET_HOST="0.0.0.0") as gateway:
        record = gateway.wait_for_record("node.insecure")
        assert record["level"] == "warning"
        assert "AUTH_MODE=none" in record["reason"]
