"""What a person or a machine does to a command ends in one line and an exit code, never in a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.support.broken_aws import refused_port, silent_port
from tests.support.commands import aws_at, run_command
from tests.support.gateway import clean_environment
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]
MODULE = (sys.executable, "-m", "websocket_handler")
SECRET = {"JWT_SECRETS": "of-this-test-and-long-enough-for-a-hash"}


def run(
    *command: str, folder: Path = ROOT, settings: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """A command, and that it wrote no traceback."""
    done = run_command(command, folder, settings)
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [((*MODULE[1:],), ROOT), (("server.py",), ROOT / "websocket_handler")],
    ids=["-m", "server.py"],
)
def test_a_missing_package_is_named(arguments: tuple[str, ...], folder: Path) -> None:
    """-S: without the packages of this environment."""
    done = run(sys.executable, "-S", *arguments, folder=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("websocket-handler: the package ")
    assert "pip install -r requirements.txt" in done.stderr


def test_a_python_that_is_too_old_is_told() -> None:
    """The version is the first thing that is looked at, before any module that an old Python cannot read."""
    code = (
        "import sys; sys.version_info = (3, 10, 13); sys.version = '3.10.13 (of this test)'\n"
        "from websocket_handler.__main__ import main; sys.exit(main(['config']))"
    )
    done = run(sys.executable, "-c", code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "websocket-handler: Python 3.11 or newer is needed; this is 3.10.13\n"


@pytest.mark.parametrize("command", ["config", "token --project p --right subscribe", "--help", "token --help"])
def test_output_that_cannot_be_written_is_told(command: str) -> None:
    """A full disk, and a reader that went away, which is no failure."""
    environment = clean_environment(aws_at("http://127.0.0.1:1") | SECRET)
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*MODULE, *command.split()],
            cwd=ROOT,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert done.stderr == "websocket-handler: [Errno 28] No space left on device\n"
    line = f"set -o pipefail; {' '.join(MODULE)} {command} | true"
    gone = subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (gone.returncode, gone.stderr) == (0, "")
    line = f"{' '.join(MODULE)} {command} >&-"
    closed = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in closed.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_socket_gets_the_number_of_a_closed_standard_stream(closed: str) -> None:
    """Otherwise a client would get the log."""
    code = (
        "import os, sys; from websocket_handler.cli.run import run_command\n"
        "print_all = lambda: print('out') or print('err', file=sys.stderr) or 0\n"
        "ended = run_command(print_all); opened = os.open('/', os.O_RDONLY)\n"
        "os.write(9, b'%d %d' % (ended, opened > 2))"
    )
    line = f'{sys.executable} -c "$CODE" 9>&1 {closed}'
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=ROOT,
        env=clean_environment({"CODE": code}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.removeprefix("out\n") == "0 1"


def test_a_terminal_without_utf8_shows_codes() -> None:
    done = run(*MODULE, "token", "--help", settings={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "\\u2026" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--user", "two words"],
        ["--user", "\udcff"],
        ["--project", "\udcff"],
        ["--right", "everything"],
        ["--expires-in", "0"],
        ["--expires-in", "9" * 30],
        ["--expires-in", "soon"],
    ],
)
def test_a_token_that_cannot_be_made_is_told(arguments: list[str]) -> None:
    done = run(*MODULE, "token", *arguments, settings=SECRET)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


@pytest.fixture
def heeded_sigint() -> Iterator[None]:
    """Processes that a test starts heed SIGINT. A shell without job control lets what it starts with `&` ignore it, and
    every process passes that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_sigint")
@pytest.mark.parametrize("command", ["doctor", "deploy prod --image-tag x"])
def test_ctrl_c_ends_a_command_at_once(command: str) -> None:
    """While it waits for an AWS that does not answer."""
    with silent_port() as port:
        process = subprocess.Popen(
            [*MODULE, *command.split()],
            cwd=ROOT,
            env=aws_at(f"http://127.0.0.1:{port}"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _output, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (130, "websocket-handler: stopped by Ctrl-C\n")


def test_ctrl_c_counts_although_a_text_was_being_executed(tmp_path: Path) -> None:
    """`python -m` would end by the signal: the interrupt came through `exec`, as in the middle of an import."""
    (tmp_path / "interrupted.py").write_text(
        "import os, signal, sys\n"
        "from websocket_handler.cli.run import run_command\n"
        "text = 'os.kill(os.getpid(), signal.SIGINT)\\nwhile True: pass'\n"
        "sys.exit(run_command(lambda: exec(text)))\n",
        encoding="ascii",
    )
    command = [sys.executable, "-m", "interrupted"]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (130, "websocket-handler: stopped by Ctrl-C\n")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("websocket_handler", ["deploy", "prod", "--image-tag", "x"]),
        ("websocket_handler.cli.deploy", ["prod", "--image-tag", "x"]),
        ("websocket_handler.cli.deploy_local", []),
    ],
)
def test_a_command_that_changes_aws_says_that_nobody_answers(module: str, arguments: list[str]) -> None:
    with refused_port() as port:
        done = run(sys.executable, "-m", module, *arguments, settings=aws_at(f"http://127.0.0.1:{port}"))
    assert done.returncode == 1
    assert "connection refused. Start what should listen there" in done.stdout + done.stderr
