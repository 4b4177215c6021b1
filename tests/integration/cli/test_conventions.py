"""What holds for every command: exit codes, data on stdout and everything else on stderr, `--json`, no colours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.broken_aws import port_that_says
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import new_project
from tests.support.tokens import GUARDED, SECRET, token
from websocket_handler.__main__ import main
from websocket_handler.cli import EXIT_NOT_ALLOWED, EXIT_UNREACHABLE, EXIT_USAGE
from websocket_handler.cli.commands import ENTRIES

RIGHTS = ["subscribe", "publish", "forward:*", "admin"]
REPORTS = frozenset({0, 1, 4})
"""The exit codes of a report, which is data whatever it says."""


@dataclass(frozen=True)
class Case:
    """A call. `{project}`, `{copy}`, `{url}` and `{file}` stand for what the test has."""

    arguments: tuple[str, ...]
    codes: frozenset[int] = field(default=frozenset({0}))
    has_json: bool = True


CLIENTS = {
    "publish": Case(("{project}", '{"type":"t"}')),
    "tail": Case(("{project}", "--since", "start", "--count", "1")),
    "forward": Case(("dev", "{}", "--project", "{project}")),
    "history": Case(("{project}",)),
    "export": Case(("{project}",), has_json=False),
    "replay": Case(("{file}", "--project", "{copy}", "--speed", "max")),
    "projects": Case(()),
    "lint-stream": Case(("{project}",)),
    "approve": Case(("{project}",)),
    "rebalance": Case(()),
    "drain": Case(("--yes",)),
}
"""The commands that are clients of a gateway. The last one leaves it as a gateway that takes no new clients."""
CASES = {
    "config": Case(()),
    "token": Case(("--project", "p", "--right", "subscribe")),
    "doctor": Case(("--no-round-trip",), REPORTS),
    "deploy": Case(("prod", "--dry-run", "--tool", "podman"), REPORTS),
    "completion": Case(("bash",), has_json=False),
    **CLIENTS,
}
ELSEWHERE = {
    "serve": "it prints its log; tests/integration/cli/test_serve.py",
    "dev": "it serves until Ctrl-C; tests/e2e/test_dev.py",
    "verify": "its exit codes and streams are in tests/integration/cli/verify/test_command.py",
    "mcp": "stdout is its transport; tests/integration/cli/mcp/test_team.py",
}


class Terminal(io.TextIOWrapper):
    """A stream that a person looks at."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", write_through=True)

    @property
    def text(self) -> str:
        """What it shows."""
        return self._bytes.getvalue().decode()

    def isatty(self) -> bool:
        return True


@dataclass
class Shell:
    """Runs commands here, as on a terminal. Returns exit code, stdout and stderr."""

    monkeypatch: pytest.MonkeyPatch

    def run(self, *arguments: str) -> tuple[int, str, str]:
        out, err = Terminal(), Terminal()
        with self.monkeypatch.context() as patch:
            patch.setattr("sys.stdout", out)
            patch.setattr("sys.stderr", err)
            code = main(arguments)
        return code, out.text, err.text


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
    monkeypatch.setenv("TERM", "xterm")
    return Shell(monkeypatch)


@pytest.fixture(scope="module")
def resources(emulator_process: Emulator) -> dict[str, str]:
    return create_resources(emulator_process.url)


@pytest.fixture
def guarded(resources: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that wants tokens. Each test has its own, since one of the commands drains it."""
    with running_gateway({**resources, **GUARDED}) as gateway:
        yield gateway


def test_each_command_stands_in_one_of_the_tables() -> None:
    assert {*CASES, *ELSEWHERE} == set(ENTRIES)
    assert CASES.keys().isdisjoint(ELSEWHERE)


@pytest.mark.parametrize("name", ENTRIES)
def test_wrong_arguments_are_exit_code_2_and_nothing_on_stdout(name: str, shell: Shell) -> None:
    code, out, err = shell.run(name, "--no-such-option")
    assert (code, out) == (EXIT_USAGE, "")
    assert err.startswith(f"usage: websocket-handler {name}")
    assert "--no-such-option" in err


@pytest.mark.parametrize("name", ENTRIES)
def test_help_is_data_and_has_an_example(name: str, shell: Shell) -> None:
    code, out, err = shell.run(name, "--help")
    assert (code, err) == (0, "")
    assert f"websocket-handler {name}" in out.partition("Examples")[2]


def test_colours_are_off_if_asked_and_json_is_an_object_on_each_line(
    shell: Shell, guarded: Gateway, resources: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        **resources,
        "NO_COLOR": "1",
        "JWT_SECRETS": SECRET,
        "WEBSOCKET_HANDLER_URL": guarded.ws_url,
        "WEBSOCKET_HANDLER_TOKEN": token(projects=["*"], rights=RIGHTS),
    }.items():
        monkeypatch.setenv(name, value)
    given = {"project": new_project(), "copy": new_project(), "file": str(tmp_path / "export.jsonl")}
    Path(given["file"]).write_text('{"type":"t","project_id":"other","offset":1}\n')
    for name, case in CASES.items():
        arguments = [given.get(argument.strip("{}"), argument) for argument in case.arguments]
        ways: list[tuple[str, ...]] = [("--json",)] if name == "drain" else [(), ("--json",)]
        for options in ways if case.has_json else ways[:1]:
            code, out, err = shell.run(name, *arguments, *options)
            assert code in case.codes, (name, code, out, err)
            assert "\x1b" not in out + err, name
            assert "Traceback" not in err, name
            if options:
                rows = [json.loads(line) for line in out.splitlines()]
                assert all(isinstance(row, dict) for row in rows), name
                assert rows or name in ("projects", "lint-stream", "approve"), name
                assert "exit_code" not in (rows or [{}])[-1] or rows[-1]["exit_code"] == code, name


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    ("status", "expected"), [("403 Forbidden", EXIT_NOT_ALLOWED), ("404 Not Found", EXIT_UNREACHABLE)]
)
def test_a_client_says_why_no_gateway_lets_it_in(
    name: str, status: str, expected: int, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text('{"type":"t","project_id":"other","offset":1}\n')
    given = {"project": "p", "copy": "q", "file": str(file)}
    answer = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
    arguments = [given.get(argument.strip("{}"), argument) for argument in CLIENTS[name].arguments]
    with port_that_says(answer) as port:
        code, out, err = shell.run(name, *arguments, "--url", f"http://127.0.0.1:{port}", "--token", "t")
    assert (code, out) == (expected, ""), err
    assert len(err.splitlines()) == 1
    assert err.startswith(f"websocket-handler {name}: ")
