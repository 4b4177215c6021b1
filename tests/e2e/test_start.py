"""The commands that start the gateway, as the documentation writes them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import jwt
import pytest

from tests.support.commands import run_command
from tests.support.gateway import REPOSITORY, Gateway, clean_environment, running_gateway
from tests.support.proxies import way_in

REQUIRED: Final = (
    "SQS_QUEUE_URL_PM",
    "SQS_QUEUE_URL_DEV",
    "SQS_QUEUE_URL_QA",
    "SQS_QUEUE_URL_OPS",
    "DYNAMODB_TABLE_NAME",
)
COMMANDS: Final[dict[str, tuple[Sequence[str], Path]]] = {
    "server.py": ((sys.executable, "server.py"), REPOSITORY / "websocket_handler"),
    "module": ((sys.executable, "-m", "websocket_handler"), REPOSITORY),
    "serve": ((sys.executable, "-m", "websocket_handler", "serve"), REPOSITORY),
    "script": ((str(Path(sysconfig.get_path("scripts")) / "websocket-handler"), "serve"), Path("/")),
}


@contextmanager
def served(name: str, environment: Mapping[str, str]) -> Iterator[Gateway]:
    """The gateway that one of the commands starts. It is killed if the test has not ended it."""
    command, folder = COMMANDS[name]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            gateway = Gateway(process)
            with way_in(int(gateway.wait_for_record("node.listening")["port"])) as gateway.port:
                yield gateway
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_documented_command_serves(settings: dict[str, str], name: str) -> None:
    """With the five variables, the region and where AWS is; SIGINT ends it with exit code 0."""
    needed = (*REQUIRED, "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environment = clean_environment({variable: settings[variable] for variable in needed})
    environment.update({"WEBSOCKET_PORT": "0", "WEBSOCKET_HOST": "127.0.0.1"})
    with served(name, environment) as gateway:
        gateway.wait_until_ready()
        assert gateway.get("/health") == (200, b"OK")
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.wait_for_exit() == 0
    assert gateway.records("node.stopped")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_names_what_is_missing(name: str) -> None:
    """Exit code 2 and one line per variable."""
    command, folder = COMMANDS[name]

    result = run_command(command, folder, {})

    assert result.returncode == 2
    assert result.stdout == ""
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == list(REQUIRED)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_reads_values_as_people_write_them(settings: dict[str, str], name: str) -> None:
    """In quotes and in any case; and a name that is none is an event in the log, not the end of the start."""
    written = {"WEBSOCKET_PORT": "' 0 '", "WEBSOCKET_HOST": '"127.0.0.1"', "LOG_LEVEL": "info", "CONSOLE": "No"}
    quoted = {name: f'"{value}"' for name, value in settings.items()}
    others = {"MAX_CONECTIONS": "1", "NODE_ENV": "production", "AWS_PROFILE": ""}
    with served(name, clean_environment({**quoted, **written, **others})) as gateway:
        gateway.wait_until_ready()
        assert gateway.get("/")[0] == 404
        gateway.stop()
    (unknown,) = gateway.records("setting.unknown")
    assert (unknown["variable"], unknown["nearest"], unknown["level"]) == (
        "MAX_CONECTIONS",
        "MAX_CONNECTIONS",
        "warning",
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_names_the_nearest_setting_beside_what_is_wrong(settings: dict[str, str], name: str) -> None:
    """All of it in one start: value, what is allowed, an example, and the name that was meant."""
    command, folder = COMMANDS[name]
    wrong = {"WEBSOCKET_PORT": "eighty", "WEBSOCKET_PROT": "9000"}

    result = run_command(command, folder, {**settings, **wrong})

    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "WEBSOCKET_PORT: must be a whole number from 0 to 65535, not 'eighty'. Example: WEBSOCKET_PORT=8080",
        "WEBSOCKET_PROT: is no setting and has no effect; did you mean WEBSOCKET_PORT?",
    ]


def test_config_names_what_is_no_setting(settings: dict[str, str]) -> None:
    """That alone is no error."""
    result = run_command((*COMMANDS["module"][0], "config"), REPOSITORY, {**settings, "LOG_LEVLE": "info"})

    assert result.returncode == 0
    assert result.stderr == "LOG_LEVLE: is no setting and has no effect; did you mean LOG_LEVEL?\n"


def test_a_token_is_signed_with_the_secret_that_the_gateway_reads() -> None:
    """Quotes are no part of it."""
    secret = "of-this-test-and-long-enough-for-a-hash"  # noqa: S105 - that of this test
    command = (*COMMANDS["module"][0], "token", "--project", "p", "--right", "subscribe")

    tokens = [
        run_command(command, REPOSITORY, {"JWT_SECRETS": text}).stdout.strip() for text in (secret, f'"{secret}"')
    ]

    for token in tokens:
        assert jwt.decode(token, secret, algorithms=["HS256"])["projects"] == ["p"]


@pytest.mark.parametrize("missing", REQUIRED)
def test_one_missing_variable_is_one_line(settings: dict[str, str], missing: str) -> None:
    """An empty one counts as missing."""
    command, folder = COMMANDS["server.py"]

    result = run_command(command, folder, {**settings, missing: " "})

    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{missing}: ")


def test_wrong_values_are_named_all_at_once(settings: dict[str, str]) -> None:
    """A port that is none, a URL that is none, a limit out of bounds, a word that is no choice."""
    wrong = {
        "WEBSOCKET_PORT": "eighty",
        "SQS_QUEUE_URL_QA": "not a url",
        "MAX_MESSAGE_BYTES": "1",
        "FORWARD_BODY": "xml",
    }

    result = run_command(COMMANDS["module"][0], REPOSITORY, {**settings, **wrong})

    assert result.returncode == 2
    assert sorted(line.split(":")[0] for line in result.stderr.splitlines()) == sorted(wrong)


def test_a_port_that_is_taken_ends_the_start(settings: dict[str, str]) -> None:
    """With a reason in the log and an exit code of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run_command(
            COMMANDS["module"][0], REPOSITORY, {**settings, "WEBSOCKET_HOST": "127.0.0.1", "WEBSOCKET_PORT": port}
        )

    assert result.returncode == 3
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert "node.failed" in [record["event"] for record in records]


def test_config_lists_every_setting(settings: dict[str, str]) -> None:
    """With value, default, unit and limits; what a URL carries of credentials is not shown."""
    secret = {"SQS_QUEUE_URL_DEV": "https://user:hunter2@queues.example/dev"}

    result = run_command(
        (*COMMANDS["module"][0], "config"), REPOSITORY, {**settings, **secret, "WEBSOCKET_PORT": "9000"}
    )

    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert result.returncode == 0
    assert {*REQUIRED, "AWS_REGION", "WEBSOCKET_HOST", "PING_INTERVAL_S", "DRAIN_SECONDS", "DIAG_ECHO"} <= set(rows)
    assert rows["WEBSOCKET_PORT"].split()[1:3] == ["9000", "8080"]
    assert "0 to 65535" in rows["WEBSOCKET_PORT"]
    assert " s " in rows["PING_INTERVAL_S"]
    assert "https://***@queues.example/dev" in rows["SQS_QUEUE_URL_DEV"]
    assert "hunter2" not in result.stdout + result.stderr


def test_config_says_what_is_wrong() -> None:
    """The same lines as a start, and the same exit code; the settings are listed all the same."""
    result = run_command((*COMMANDS["module"][0], "config"), REPOSITORY, {})

    assert result.returncode == 2
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == list(REQUIRED)
    assert "WEBSOCKET_PORT" in result.stdout


def test_every_log_line_is_one_json_object(settings: dict[str, str]) -> None:
    """In the order of a life: listening, draining, stopped; each with time, level and node."""
    with running_gateway(settings, NODE_ID="node-of-this-test") as gateway:
        gateway.stop()
    events = ["node.listening", "node.draining", "node.stopped"]

    records = [record for event in events for record in gateway.records(event)]

    assert [record["event"] for record in records] == events
    assert all({"time", "level"} <= record.keys() for record in records)
    assert {record["node_id"] for record in records} == {"node-of-this-test"}
