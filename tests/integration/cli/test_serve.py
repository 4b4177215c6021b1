"""`websocket-handler serve` as a process: the ends that it may come to. What happens to clients at its end is in
tests/integration/test_shutdown.py."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

from tests.support.commands import run_command
from tests.support.gateway import REPOSITORY
from websocket_handler.cli import EXIT_PORT, EXIT_USAGE

SETTINGS = {
    "DYNAMODB_TABLE_NAME": "table",
    "LOG_STORE": "memory",
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "WEBSOCKET_HOST": "127.0.0.1",
    "WEBSOCKET_PORT": "0",
    **{f"SQS_QUEUE_URL_{agent}": "http://127.0.0.1:9/queue" for agent in ("PM", "DEV", "QA", "OPS")},
}


def ended(**changes: str) -> subprocess.CompletedProcess[str]:
    """A gateway that ends by itself; an empty value takes a setting out."""
    environment = {name: value for name, value in (SETTINGS | changes).items() if value}
    return run_command([sys.executable, "-m", "websocket_handler", "serve"], REPOSITORY, environment)


def test_settings_that_cannot_be_used_are_all_named_and_nothing_is_started() -> None:
    end = ended(DYNAMODB_TABLE_NAME="", WEBSOCKET_PORT="70000", AUTH_MODE="magic")
    assert (end.returncode, end.stdout) == (EXIT_USAGE, "")
    for name in ("DYNAMODB_TABLE_NAME", "WEBSOCKET_PORT", "AUTH_MODE"):
        assert name in end.stderr


def test_a_port_that_is_taken_is_told_and_the_process_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        end = ended(WEBSOCKET_PORT=str(taken.getsockname()[1]))
    assert end.returncode == EXIT_PORT
    records = [json.loads(line) for line in end.stdout.splitlines()]
    (failed,) = [record for record in records if record["event"] == "node.failed"]
    assert failed["level"] == "error"
    assert failed["reason"]
    assert not [record for record in records if record["event"] == "node.listening"]
