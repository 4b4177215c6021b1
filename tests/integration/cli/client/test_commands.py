"""The client commands as people run them, on a gateway: data on stdout, all else on stderr, exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.gateway import REPOSITORY, Gateway, clean_environment, running_gateway, started_gateway
from tests.support.links import new_project
from tests.support.patience import PATIENCE_S
from tests.support.tokens import GUARDED, token
from websocket_handler.__main__ import main

RIGHTS = ["subscribe", "publish", "forward:*", "admin"]


@pytest.fixture(scope="module")
def guarded(emulator_process: Emulator) -> Iterator[Gateway]:
    """A gateway that wants tokens."""
    with running_gateway({**create_resources(emulator_process.url), **GUARDED}) as gateway:
        yield gateway


class Shell:
    """Somebody with a token in the environment."""

    def __init__(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._variables = {
            "WEBSOCKET_HANDLER_URL": gateway.ws_url,
            "WEBSOCKET_HANDLER_TOKEN": token(projects=["*"], rights=RIGHTS),
            "XDG_CONFIG_HOME": "/nowhere",
        }
        for name, value in self._variables.items():
            monkeypatch.setenv(name, value)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "websocket_handler", *arguments],
            cwd=REPOSITORY,
            env=clean_environment(self._variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        """Run a command here. Returns exit code, stdout and stderr."""
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main(arguments)
        return (code, *self._capsys.readouterr())


@pytest.fixture
def shell(guarded: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(guarded, monkeypatch, capsys)


def test_what_is_published_is_read_with_its_position_and_its_bytes(shell: Shell) -> None:
    project_id = new_project()
    code, position, errors = shell.run("publish", project_id, "-", "--key", "k1", stdin='{"type":"t", "n": 1.0}')
    assert (code, errors) == (0, "")
    assert shell.run("publish", project_id, '{"type":"t", "n": 1.0}', "--key", "k1") == (0, position, "")
    place, _, offset = position.strip().rpartition(":")
    assert (place.partition("@")[0], offset) == (project_id, "1")
    code, lines, errors = shell.run("tail", f"{place}:0", "--count", "1", "--json")
    assert (code, errors) == (0, "")
    assert lines.startswith('{"type":"t", "n": 1.0')
    assert shell.run("history", project_id, "--json")[1] == lines
    assert position.strip() in shell.run("history", project_id)[1]


def test_tail_goes_back_in_time_and_waits_for_what_comes(shell: Shell) -> None:
    project_id = new_project()
    shell.run("publish", project_id, '{"type":"old"}')
    with shell.start("tail", project_id, "--since", "10m", "--count", "2") as tail:
        assert tail.stdout is not None
        assert "  old  " in tail.stdout.readline()
        shell.run("publish", project_id, '{"type":"new"}')
        assert "  new  " in tail.stdout.readline()
        assert tail.wait(PATIENCE_S) == 0


def test_a_reader_that_went_away_ends_it_quietly(shell: Shell) -> None:
    project_id = new_project()
    shell.run("publish", project_id, "{}")
    with shell.start("history", project_id) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""


def test_a_task_is_followed_to_its_end(shell: Shell, emulator_process: Emulator) -> None:
    """An agent answers over the gateway; what others say is not printed. The exit code is the outcome."""
    project_id = new_project()
    queue_url = create_resources(emulator_process.url)["SQS_QUEUE_URL_DEV"]
    for kind, expected in (("dev_result", 0), ("dev_failed", 1)):
        with shell.start("forward", "code", '{"text":"x"}', "--project", project_id, "--wait") as process:
            assert process.stdout is not None
            task_id = process.stdout.readline().strip()
            sqs: Any = emulator_process.client("sqs")
            [message] = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=20)["Messages"]
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            sqs.close()
            assert json.loads(message["Body"])["message_id"] == task_id
            shell.run("publish", project_id, '{"type":"dev_result","task_id":"another"}')
            shell.run("publish", project_id, json.dumps({"type": kind, "task_id": task_id, "text": "said"}))
            output, errors = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, errors) == (expected, "")
        assert [line.split("  ", 2)[2] for line in output.splitlines()] == [f"{kind}  said"]


def test_an_export_becomes_a_project_again(shell: Shell, tmp_path: Path) -> None:
    """With the same bytes, in the same order, and once, however often it is replayed."""
    project_id, copy, file = new_project(), new_project(), str(tmp_path / "incident.jsonl")
    for n in (1, 2, 3):
        shell.run("publish", project_id, f'{{"type":"t","n":{n}.0}}')
    code, output, errors = shell.run("export", project_id, "--after", "1", "--output", file)
    assert (code, output, errors) == (0, "", f"-- 2 publications of {project_id}\n")
    assert shell.run("export", project_id, "--after", "1")[1] == Path(file).read_text()
    for _ in range(2):
        code, output, errors = shell.run("replay", file, "--project", copy, "--speed", "max")
        assert (code, errors) == (0, "-- 2 publications\n")
        assert output.startswith(f"{copy}@")
        assert output.endswith(":2\n")
    lines = shell.run("history", copy, "--json")[1].splitlines()
    assert [line.partition(',"project_id"')[0] for line in lines] == ['{"type":"t","n":2.0', '{"type":"t","n":3.0']
    end = json.loads(shell.run("replay", file, "--project", copy, "--speed", "1000", "--json")[1])
    assert (end["project_id"], end["publications"], end["offset"]) == (copy, 2, 2)
    assert shell.run("lint-stream", file)[0] == 0


def test_a_replay_that_cannot_be_meant_is_refused(shell: Shell, tmp_path: Path) -> None:
    project_id, file = new_project(), tmp_path / "incident.jsonl"
    file.write_text(f'{{"project_id":"{project_id}","offset":1}}\n')
    for arguments, fault in (
        (["--project", project_id], "name another project"),
        (["--project", "copy", "--speed", "0"], "neither max, nor a number above 0"),
        ([], "--project"),
    ):
        code, output, errors = shell.run("replay", str(file), *arguments)
        assert (code, output) == (2, "")
        assert fault in errors


def test_projects_are_those_that_somebody_follows(shell: Shell) -> None:
    project_id = new_project()
    with shell.start("tail", project_id, "--since", "start") as tail:
        shell.run("publish", project_id, "{}")
        assert tail.stdout is not None
        assert tail.stdout.readline()
        code, output, errors = shell.run("projects", "--json")
        assert (code, errors) == (0, "")
        assert {"project_id": project_id, "connections": 1} in [json.loads(line) for line in output.splitlines()]
        assert f"{project_id}  1\n" in shell.run("projects")[1]
        tail.terminate()
        tail.communicate()


def test_a_node_is_drained_once_somebody_is_sure(emulator_process: Emulator, shell: Shell) -> None:
    """It tells its clients to come back elsewhere; its process goes on."""
    with started_gateway({**create_resources(emulator_process.url), "NODE_ID": "node-7"}) as leaving:
        where = ("--url", leaving.ws_url)
        code, output, errors = shell.run("drain", *where)
        assert (code, output) == (2, "")
        assert errors.startswith("-- node-7 is to drain; there are 0 connections\n")
        assert "give --yes" in errors
        assert shell.run("drain", *where, "--yes") == (0, "node-7\n", "")
        leaving.wait_for_record("node.draining", cause="operator")
        assert leaving.ready()[0] == 503
        assert shell.run("drain", "nobody", "--yes", "--url", leaving.base_url)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("tail", "p", "--token", "none"), 5, "handshake 401"),
        (("projects", "--token", "none"), 5, "unauthorized"),
        (("publish", "p", "[1]"), 1, "invalid_field"),
        (("publish", "p", "{"), 2, "argument JSON: it is no JSON"),
        (("tail", "p@e:1", "--since", "1m"), 2, "both say where to begin"),
        (("tail", "a/b"), 2, "is no project id"),
        (("forward", "dance", "{}"), 1, "unknown_agent_type"),
        (("forward", "dev", "{}", "--wait"), 2, "--wait needs --project"),
        (("history", "p", "--url", "http://127.0.0.1:1/elsewhere", "--after", "-1"), 2, "--after is at least 0"),
        (("tail", "p", "--url", "tcp://h"), 2, "is no URL of a gateway"),
    ],
    ids=range(10),
)
def test_what_cannot_be_done_is_one_line_and_an_exit_code(
    shell: Shell, arguments: tuple[str, ...], code: int, told: str
) -> None:
    found, output, errors = shell.run(*arguments)
    assert (found, output) == (code, "")
    assert told in errors
    assert "Traceback" not in errors


def test_the_events_in_a_project_are_checked(shell: Shell) -> None:
    project_id = new_project()
    assert shell.run("lint-stream", project_id) == (
        0,
        "",
        "-- 0 events, 0 violations; clients stop at 0 of them\n",
    )
    for event in (
        {"type": "RUN_STARTED", "threadId": project_id, "runId": "r"},
        {"type": "note"},
        {"type": "TEXT_MESSAGE_END", "messageId": "m"},
    ):
        assert shell.run("publish", project_id, json.dumps(event))[0] == 0
    code, told, _ = shell.run("lint-stream", project_id, "--json")
    assert code == 6
    assert [json.loads(line)["offset"] for line in told.splitlines()] == [3]
    read = shell.run("history", project_id, "--json")[1]
    assert shell.run("lint-stream", "-", "--json", stdin=read)[:2] == (6, told)
