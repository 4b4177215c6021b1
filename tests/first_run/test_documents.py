"""Every shell command of every document, typed as it stands into a fresh clone, in order.

Two things are not as they stand: `…` and the table of the example stand for the reader's own queues and table, and port
8080 is a free one.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from demo.resources import create_resources
from demo.testing import Emulator, running_emulator
from tests.first_run.servers import ENDS_THE_OTHERS, SAME_AS_SERVER_PY, SERVERS
from tests.support.documents import NOT_RUN, ROOT, SHELL, blocks, documents, shell_commands
from tests.support.newcomers_shell import Shell, bare_environment

WRITTEN_FOR: Final = {"websocket_handler/README.md": "websocket_handler"}
"""In which folder a document's commands begin. All others begin at the root."""
PRINTS: Final = {
    "curl -X POST": '"offset"',
    "aws sqs send-message": "MessageId",
    ".venv/bin/python -m websocket_handler token": "eyJ",
}
"""What shows that a command did more than end with exit code 0."""
EMULATED: Final = {"docs/updates.md"}
"""Documents for people whose gateway runs already: the queues are there."""
FOR_FIFO: Final = "--message-deduplication-id"
"""A command with this option is for people whose updates queue is a FIFO queue."""
EXAMPLES_TABLE: Final = "agenticai-data-prod"
AWS_CLI: Final = ROOT / ".venv-aws-cli" / "bin" / "aws"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Plays AWS for `python server.py`."""
    with running_emulator() as running:
        yield running


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What somebody has who has just cloned the repository."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture
def port() -> str:
    """A free one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def filled_in(command: str, settings: dict[str, str]) -> str:
    """With the reader's own values in place of `…`, and the reader's own table in place of the
    example's. A gateway whose table is missing is not ready."""
    typed = re.sub(r"(\w+)=…", lambda match: f"{match[1]}={settings[match[1]]}", command)
    return typed.replace(EXAMPLES_TABLE, settings["DYNAMODB_TABLE_NAME"])


def folder_of_aws_cli(folder: Path) -> Path:
    """A folder for PATH with an `aws` that never leaves this machine. AWS CLI 1 reads AWS_ENDPOINT_URL, but its
    customization for SQS puts AWS's own address over it. Only the option --endpoint-url holds."""
    programs = folder / "programs"
    programs.mkdir()
    program = programs / "aws"
    program.write_text(f'#!/bin/sh\nexec "{AWS_CLI}" --endpoint-url "${{AWS_ENDPOINT_URL:?}}" "$@"\n', encoding="ascii")
    program.chmod(0o755)
    return programs


@pytest.mark.parametrize("document", [name for name in documents() if set(shell_commands(name)) - set(NOT_RUN)])
def test_every_command_works_as_written(
    document: str, clone: Path, port: str, emulator: Emulator, tmp_path: Path
) -> None:
    """Each ends with exit code 0, or serves until it is stopped."""
    settings = create_resources(emulator.url)
    start = clone / WRITTEN_FOR.get(document, "")
    shell = Shell(start, bare_environment(tmp_path))
    shell.environment["WEBSOCKET_PORT"] = port
    if document in EMULATED:
        shell.environment["PATH"] = f"{folder_of_aws_cli(tmp_path)}:{shell.environment['PATH']}"
        shell.environment.update({**settings, "AWS_DEFAULT_REGION": settings["AWS_REGION"]})
    with ExitStack() as running:
        for block in blocks(document):
            if block.language != SHELL:
                continue
            shell.folder = start
            for command in block.commands:
                if command in NOT_RUN:
                    continue
                typed = filled_in(command, settings).replace("8080", port)
                if command in ENDS_THE_OTHERS:
                    running.close()
                if command == "python server.py":
                    shell.environment.update({name: value for name, value in settings.items() if name[:4] == "AWS_"})
                if FOR_FIFO in command:
                    fifo = create_resources(emulator.url, fifo=True)
                    shell.environment["SQS_QUEUE_URL_UPDATES"] = fifo["SQS_QUEUE_URL_UPDATES"]
                if command in SERVERS:
                    running.enter_context(SERVERS[command](typed, shell))
                else:
                    printed = shell.run(typed)
                    assert all(text in printed for begin, text in PRINTS.items() if command.startswith(begin)), printed


def test_what_is_said_to_do_the_same_is_in_the_documents() -> None:
    """The commands that this folder runs beside `python server.py`."""
    for document in ("docs/start.md", "websocket_handler/README.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        assert [command for command in SAME_AS_SERVER_PY if f"`{command}`" not in text] == []


@pytest.mark.parametrize("first", ["run", "install"])
def test_run_and_install_share_what_they_install(clone: Path, port: str, tmp_path: Path, first: str) -> None:
    """In either order; the second one fetches only what is missing, and a third time nothing."""
    shell = Shell(clone, {**bare_environment(tmp_path), "WEBSOCKET_PORT": port})
    if first == "run":
        with SERVERS["make run"]("make run", shell):
            pass
    assert "packages of requirements/dev.txt" in shell.run("make install")
    with SERVERS["make run"]("make run", shell):
        pass
    assert "installing" not in shell.run("make --dry-run run")
    assert "passed" in shell.run(".venv/bin/python -m pytest tests/unit/hub -p no:cacheprovider")
