"""What a system on one machine needs to know before it starts anything."""

from __future__ import annotations

import os
import socket

import pytest

from tests.support.broken_aws import refused_port
from websocket_handler.cli.dev.parts import DemoError
from websocket_handler.cli.dev.system import OWN_PORTS, clean_environment, free_port, is_ready


def test_nothing_leads_to_an_account_or_past_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "SQS_QUEUE_URL_PM", "DYNAMODB_TABLE_NAME"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("NO_PROXY", "internal")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    found = clean_environment()
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "SQS_QUEUE_URL_PM", "DYNAMODB_TABLE_NAME"} & found.keys()
    assert found["AWS_CONFIG_FILE"] == os.devnull
    assert found["NO_PROXY"] == "internal,127.0.0.1,localhost"
    assert found["LOG_LEVEL"] == "WARNING"


def test_a_port_that_is_taken_is_told_with_the_command_that_helps() -> None:
    assert free_port(["127.0.0.1"], 0, "again") in OWN_PORTS
    with pytest.raises(DemoError, match=r"Cannot use 192\.0\.2\.1:"):
        free_port(["192.0.2.1"], 0, "again")  # no address of this machine (RFC 5737)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=f"Choose another port: WEBSOCKET_PORT={port + 1} again") as caught:
            free_port(["127.0.0.1"], port, "again")
    assert caught.value.exit_code == 3


def test_where_nobody_listens_no_gateway_is_ready() -> None:
    with refused_port() as port:
        assert not is_ready("127.0.0.1", port)
