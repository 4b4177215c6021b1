"""The command as people run it: its exit codes, its result on stdout, its table on stderr."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
from pathlib import Path

import pytest

from tests.support.gateway import REPOSITORY, clean_environment
from tests.support.lying_gateway import Lie, lying_gateway
from tests.support.patience import PATIENCE_S
from websocket_handler.cli import EXIT_BROKEN, EXIT_USAGE
from websocket_handler.cli.verify.command import CLEARED, ROW_EVERY_S, TERMINAL_ROW_EVERY_S, Table, verify
from websocket_handler.cli.verify.report import TITLES


async def run(lie: Lie, *options: str) -> tuple[int | None, str, str]:
    """Run the command until it has seen enough, and press Ctrl-C then."""
    pressed = asyncio.Event()
    async with lying_gateway(lie, enough=pressed.set) as gateway:
        command = ["websocket_handler", "verify", gateway.url, "--duration=600", "--clients=2", "--projects=1"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *command,
            "--rate=200",
            *options,
            cwd=REPOSITORY,
            env=clean_environment({}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            await pressed.wait()
            process.send_signal(signal.SIGINT)
            output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


@pytest.mark.asyncio
async def test_ctrl_c_ends_a_run_with_its_verdict_and_a_broken_promise_is_exit_code_6() -> None:
    code, output, errors = await run(Lie.DOUBLE, "--json")
    found = json.loads(output)
    assert code == EXIT_BROKEN
    assert (found["doubled"], found["lost"], found["kept"]) == (2, 0, False)
    assert errors.startswith(TITLES)
    assert len(errors.splitlines()) >= 3, "the titles, a row at the beginning, and one at the end"


@pytest.mark.asyncio
async def test_a_profile_says_where_and_with_which_token(tmp_path: Path) -> None:
    """But no token of a profile goes to a URL of the command line."""
    (tmp_path / "websocket-handler").mkdir()
    size = ("--duration=0.5", "--clients=1", "--projects=1", "--rate=4")
    async with lying_gateway() as gateway:
        profile = f'[mine]\nurl = "{gateway.url}"\ntoken = "ada"\n'
        (tmp_path / "websocket-handler" / "profile.toml").write_text(profile)
        for urls, sent in ((), "Bearer ada"), ((gateway.url,), ""):
            gateway.tokens.clear()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "websocket_handler", "verify", *urls, "--profile", "mine", *size),
                cwd=REPOSITORY,
                env=clean_environment({"XDG_CONFIG_HOME": str(tmp_path)}),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0
            assert set(gateway.tokens) == {sent}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ws://h", "--clients", "2001"], "--clients: 2001 is not in 1 to 2,000"),
        (["ws://h", "--clients", "many"], "argument --clients: invalid int value: 'many'"),
        (["http://h"], "URL: 'http://h' does not begin with ws:// or wss://HOST"),
        ([], "the following arguments are required: URL, or --profile NAME"),
        (["--profile", "nobody"], "has no profile [nobody]"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = verify(arguments)
    except SystemExit as end:
        code = end.code
    written = capsys.readouterr()
    assert (code, written.out) == (EXIT_USAGE, "")
    assert told in written.err


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_row_and_a_file_all_of_them() -> None:
    for stream, written, every_s in (
        (io.StringIO(), f"{TITLES}\none\ntwo\n\n", ROW_EVERY_S),
        (Terminal(), f"{TITLES}\n{CLEARED}one{CLEARED}two\n", TERMINAL_ROW_EVERY_S),
    ):
        table = Table(stream)
        table.show("one")
        table.show("two")
        table.end()
        assert (stream.getvalue(), table.every_s) == (written, every_s)
